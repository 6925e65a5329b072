//===- PanelPacking.cpp - columns of B next to each other -----------------===//
//
// Decides how columns are packed: whole vectors in the order of memory, and
// where columns are rows of memory, squares of lanes x lanes transposed in
// registers.
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
        transposed(function.transposed), vector(vectorOf(lanes)) {
    n = arguments[5], k = arguments[6];
    source = transposed
                 ? matrix(arguments[0], arguments[1], arguments[2], n, k)
                 : matrix(arguments[0], arguments[1], arguments[2], k, n);
    Value panels = divide(add(n, panel - 1), panel);
    packed = strided(arguments[3], index(0), {panels, k, index(panel)},
                     {arguments[4], index(panel), index(1)});
  }

  void emit() {
    Value whole = roundDown(n, panel);
    if (transposed) {
      loop(whole, panel, [&](Value j) { packRows(j, /*edge=*/false); });
      return branch(less(whole, n), [&] { packRows(whole, /*edge=*/true); });
    }
    loop(k, 1, [&](Value row) {
      loop(whole, panel, [&](Value j) {
        for (int64_t v = 0; v < panel; v += lanes) {
          SmallVector<Value> at = {row, add(j, v)};
          prefetchBelow(at);
          store(load(vector, source, at), packed,
                {divide(j, panel), row, index(v)});
        }
      });
    });
    branch(less(whole, n), [&] {
      SmallVector<Value> masks;
      for (int64_t v = 0; v < panel; v += lanes)
        masks.push_back(mask(lanes, sub(sub(n, whole), index(v))));
      loop(k, 1, [&](Value row) {
        for (int64_t v = 0; v < panel; v += lanes)
          store(load(vector, source, {row, add(whole, v)}, masks[v / lanes]),
                packed, {divide(whole, panel), row, index(v)});
      });
    });
  }

private:
  void prefetchBelow(ArrayRef<Value> at) {
    prefetch(source, {min(add(at[0], prefetchRows), sub(k, index(1))), at[1]});
  }

  /// One panel of columns that are rows in memory, those past N replaced by the
  /// last one.
  void packRows(Value column, bool edge) {
    Value last = sub(n, index(1)), whole = roundDown(k, lanes);
    for (int64_t v = 0; v < panel; v += lanes) {
      SmallVector<Value> rows;
      for (int64_t r = 0; r < lanes; ++r) {
        Value row = add(column, v + r);
        rows.push_back(edge ? min(row, last) : row);
      }
      Value p = divide(column, panel);
      loop(whole, lanes, [&](Value depth) {
        SmallVector<Value> block;
        for (Value row : rows)
          block.push_back(load(vector, source, {row, depth}));
        transpose(block);
        for (int64_t r = 0; r < lanes; ++r)
          store(block[r], packed, {p, add(depth, r), index(v)});
      });
      branch(less(whole, k), [&] {
        Value count = sub(k, whole), valid = mask(lanes, count);
        SmallVector<Value> block;
        for (Value row : rows)
          block.push_back(load(vector, source, {row, whole}, valid));
        transpose(block);
        for (int64_t r = 0; r < lanes - 1; ++r)
          branch(less(index(r), count), [&] {
            store(block[r], packed, {p, add(whole, r), index(v)});
          });
      });
    }
  }

  /// Transposes a square of lanes x lanes by exchanging halves of growing
  /// blocks.
  void transpose(SmallVector<Value> &rows) {
    for (int64_t s = 1; s < lanes; s *= 2) {
      SmallVector<int64_t> low, high;
      for (int64_t c = 0; c < lanes; ++c) {
        low.push_back(c & s ? lanes + (c ^ s) : c);
        high.push_back(c & s ? lanes + c : (c | s));
      }
      SmallVector<Value> next(lanes);
      for (int64_t i = 0; i < lanes; ++i) {
        if (i & s)
          continue;
        next[i] = vector::ShuffleOp::create(b, rows[i], rows[i | s], low);
        next[i | s] = vector::ShuffleOp::create(b, rows[i], rows[i | s], high);
      }
      rows = next;
    }
  }

  int64_t lanes, panel;
  bool transposed;
  VectorType vector;
  Value n, k, source, packed;
};

} // namespace

void emitPackColumns(ImplicitLocOpBuilder &builder,
                     const ProductFunction &function, int64_t lanes,
                     ValueRange arguments) {
  PackEmitter(builder, function, lanes, arguments).emit();
}

} // namespace trainc::codegen
