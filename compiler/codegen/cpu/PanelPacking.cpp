//===- PanelPacking.cpp - columns of B next to each other -----------------===//
//
// Decides how columns are packed: whole vectors in the order of memory, and
// where columns are rows of memory, squares of lanes x lanes transposed in
// registers. Factors of 16 bits are widened, or two steps of the depth lie next
// to each other as one element of 32 bits.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/GemmEmitter.h"
#include "compiler/codegen/cpu/LoopBuilder.h"

using namespace mlir;

namespace trainc::codegen {
namespace {

/// How many rows ahead packing asks for: they are far apart in memory, and the
/// hardware does not fetch ahead.
constexpr int64_t prefetchRows = 8;

class PackEmitter : LoopBuilder {
public:
  PackEmitter(ImplicitLocOpBuilder &builder, const ProductFunction &function,
              int64_t lanes, ValueRange arguments)
      : LoopBuilder(builder, function.element), lanes(lanes),
        panel(function.tile.column_vectors * lanes),
        transposed(function.transposed), dots(function.inPairs()),
        tiles(function.inTiles()), stored(function.stored),
        vector(vectorOf(lanes)) {
    n = arguments[5], k = arguments[6];
    source = transposed
                 ? matrix(arguments[0], arguments[1], arguments[2], n, k)
                 : matrix(arguments[0], arguments[1], arguments[2], k, n);
    Value panels = divide(add(n, panel - 1), panel);
    int64_t row = panel * function.depthPerStep();
    steps = dots ? divide(add(k, 1), 2) : k;
    // In steps, or tiles of 16 steps and as many columns.
    depths = tiles ? divide(add(k, tileDepth - 1), tileDepth) : steps;
    int64_t piece = tiles ? tileRows * tileDepth : row,
            pieces = tiles ? panel / lanes : 1;
    packed = strided(
        arguments[3], index(0), {panels, depths, index(pieces), index(piece)},
        {arguments[4], index(piece * pieces), index(piece), index(1)});
  }

  void emit() {
    Value whole = roundDown(n, panel);
    if (transposed) {
      loop(whole, panel, [&](Value j) { packRows(j, /*edge=*/false); });
      return branch(less(whole, n), [&] { packRows(whole, /*edge=*/true); });
    }
    fillUp();
    loop(steps, 1, [&](Value step) {
      loop(whole, panel, [&](Value j) {
        for (int64_t v = 0; v < panel; v += lanes)
          place(columnsAt(step, add(j, v), Value()), divide(j, panel), step, v);
      });
    });
    branch(less(whole, n), [&] {
      SmallVector<Value> masks;
      for (int64_t v = 0; v < panel; v += lanes)
        masks.push_back(mask(lanes, sub(sub(n, whole), index(v))));
      loop(steps, 1, [&](Value step) {
        for (int64_t v = 0; v < panel; v += lanes)
          place(columnsAt(step, add(whole, v), masks[v / lanes]),
                divide(whole, panel), step, v);
      });
    });
  }

private:
  /// Zeros behind the depth of all panels.
  void fillUp() {
    if (!tiles)
      return;
    Value zero = arith::ConstantOp::create(
        b, b.getZeroAttr(vectorOf(2 * lanes, b.getIntegerType(16))));
    loop(divide(add(n, panel - 1), panel), 1, [&](Value p) {
      loop(steps, mul(depths, index(tileRows)), 1, [&](Value step) {
        for (int64_t v = 0; v < panel; v += lanes)
          place(zero, p, step, v);
      });
    });
  }

  /// Stores the vector of columns from `v` of a panel's row.
  void place(Value columns, Value panel_index, Value step, int64_t v) {
    if (tiles) {
      Value tile = divide(step, tileRows);
      Value row = sub(step, mul(tile, index(tileRows)));
      storeStored(
          columns, stored, packed,
          {panel_index, tile, index(v / lanes), mul(row, index(tileDepth))});
    } else if (dots) {
      storeStored(columns, stored, packed,
                  {panel_index, step, index(0), index(2 * v)});
    } else {
      store(columns, packed, {panel_index, step, index(0), index(v)});
    }
  }

  /// A vector of columns of one step of the depth; `valid` masks them, or is
  /// null.
  Value columnsAt(Value step, Value column, Value valid) {
    auto row_at = [&](Value row) {
      if (!valid)
        prefetchBelow({row, column});
      return loadStored(lanes, stored, source, {row, column}, valid);
    };
    if (!dots)
      return widen(row_at(step), stored);
    Value first = mul(step, index(2)), second = add(first, 1);
    Value even = row_at(first);
    // Past the end of the depth are zeros.
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(even.getType()));
    auto either = scf::IfOp::create(b, TypeRange(zero.getType()),
                                    less(second, k), /*withElse=*/true);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(either.thenBlock());
      scf::YieldOp::create(b, ValueRange(row_at(second)));
      b.setInsertionPointToEnd(either.elseBlock());
      scf::YieldOp::create(b, ValueRange(zero));
    }
    return interleave(even, either.getResult(0));
  }

  void prefetchBelow(ArrayRef<Value> at) {
    prefetch(source, {min(add(at[0], prefetchRows), sub(k, index(1))), at[1]});
  }

  /// One panel of columns that are rows in memory, those past N replaced by the
  /// last one.
  void packRows(Value column, bool edge) {
    Value last = sub(n, index(1));
    // What a vector of memory holds in depth.
    int64_t depth = dots ? 2 * lanes : lanes;
    Value whole = roundDown(k, depth);
    auto loaded = [&](Value row, Value at, Value valid) {
      Value v = loadStored(depth, stored, source, {row, at}, valid);
      return dots ? bitcast(vector, v) : widen(v, stored);
    };
    auto step_of = [&](Value at) { return dots ? divide(at, 2) : at; };
    for (int64_t v = 0; v < panel; v += lanes) {
      SmallVector<Value> rows;
      for (int64_t r = 0; r < lanes; ++r) {
        Value row = add(column, v + r);
        rows.push_back(edge ? min(row, last) : row);
      }
      Value p = divide(column, panel);
      auto place_row = [&](Value row, Value step) { place(row, p, step, v); };
      loop(whole, depth, [&](Value at) {
        SmallVector<Value> block;
        for (Value row : rows)
          block.push_back(loaded(row, at, Value()));
        transpose(block);
        for (int64_t r = 0; r < lanes; ++r)
          place_row(block[r], add(step_of(at), r));
      });
      branch(less(whole, k), [&] {
        Value valid = mask(depth, sub(k, whole));
        // A last tile has all its steps; those past the depth are 0.
        Value count = tiles ? index(lanes) : sub(steps, step_of(whole));
        SmallVector<Value> block;
        for (Value row : rows)
          block.push_back(loaded(row, whole, valid));
        transpose(block);
        for (int64_t r = 0; r < lanes; ++r)
          branch(less(index(r), count),
                 [&] { place_row(block[r], add(step_of(whole), r)); });
      });
    }
  }

  int64_t lanes, panel;
  bool transposed, dots, tiles;
  Type stored;
  VectorType vector;
  Value n, k, source, packed;
  Value steps, depths; ///< of the depth; steps, or tiles of them
};

} // namespace

void emitPackColumns(ImplicitLocOpBuilder &builder,
                     const ProductFunction &function, int64_t lanes,
                     ValueRange arguments) {
  PackEmitter(builder, function, lanes, arguments).emit();
}

} // namespace trainc::codegen
