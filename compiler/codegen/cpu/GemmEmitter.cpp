//===- GemmEmitter.cpp - the matrix product's micro-kernel ----------------===//
//
// Decides the innermost loops of a product: groups of rows of A, each
// multiplied with every packed panel of B while a tile of C stays in registers.
// Memory latency is hidden by asking early: for C when its tile starts, for the
// rows of the next group while this one is used. Columns of a transposed A are
// far apart in memory, often at distances where cache lines displace each
// other, so they are copied next to each other, a row of the next panels every
// few steps of the depth. Edges: rows past M repeat the last one, and what they
// and lanes past N give is not stored.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/GemmEmitter.h"
#include "compiler/codegen/cpu/LoopBuilder.h"

using namespace mlir;

namespace trainc::codegen {
namespace {

/// Steps of the depth in one iteration.
constexpr int64_t unroll = 4;
/// How many iterations ahead lines of a transposed A are asked for.
constexpr int64_t prefetchIterations = 32;
/// The same where nothing is computed meanwhile.
constexpr int64_t prefetchRows = 8;

class RowsEmitter : LoopBuilder {
public:
  RowsEmitter(ImplicitLocOpBuilder &builder, const ProductFunction &function,
              int64_t lanes, ValueRange arguments)
      : LoopBuilder(builder, function.element), lanes(lanes),
        tile(function.tile), panel(tile.column_vectors * lanes),
        transposed(function.transposed), panels(tile, lanes),
        vector(vectorOf(lanes)) {
    m = arguments[8], n = arguments[9], k = arguments[10];
    accumulate = arguments[11];
    a = transposed ? matrix(arguments[0], arguments[1], arguments[2], k, m)
                   : matrix(arguments[0], arguments[1], arguments[2], m, k);
    Value count = divide(add(n, panel - 1), panel);
    packed = strided(arguments[3], index(0), {count, k, index(panel)},
                     {arguments[4], index(panel), index(1)});
    c = matrix(arguments[5], arguments[6], arguments[7], m, n);
    if (transposed) {
      Value group = mul(k, index(panels.width));
      copies = strided(arguments[12], index(0),
                       {index(2), index(panels.groups), k, index(panels.width)},
                       {mul(group, index(panels.groups)), group,
                        index(panels.width), index(1)});
    }
    zero = arith::ConstantOp::create(b, b.getZeroAttr(vector));
    whole_depth = roundDown(k, unroll);
  }

  void emit() {
    if (transposed)
      return emitTransposed();
    loop(m, tile.rows, [&](Value ic) {
      loop(n, panel, [&](Value jr) {
        prefetchTile(ic, jr);
        SmallVector<Value> results =
            eitherRows(ic, [&](ArrayRef<Value> rows, bool inside) {
              SmallVector<Value> next;
              if (inside)
                next = nextRows(ic, jr);
              return depthLoop(
                  jr,
                  [&](int64_t i, Value k) -> Value {
                    return memref::LoadOp::create(b, a, ValueRange{rows[i], k});
                  },
                  [&](Value k) {
                    for (Value row : next)
                      prefetch(a, {row, k});
                  });
            });
        storeTile(ic, jr, results);
      });
    });
  }

private:
  /// Builds with rows ic.., and where there are fewer, with the last repeated.
  /// Rows at constant distances need few registers.
  SmallVector<Value> eitherRows(
      Value ic,
      llvm::function_ref<SmallVector<Value>(ArrayRef<Value>, bool)> build) {
    SmallVector<Type> types(tile.rows * tile.column_vectors, vector);
    auto op = scf::IfOp::create(b, types, lessOrEqual(add(ic, tile.rows), m),
                                /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b);
    for (bool inside : {true, false}) {
      b.setInsertionPointToEnd(inside ? op.thenBlock() : op.elseBlock());
      SmallVector<Value> rows;
      for (int64_t i = 0; i < tile.rows; ++i)
        rows.push_back(inside ? add(ic, i) : min(add(ic, i), sub(m, index(1))));
      scf::YieldOp::create(b, build(rows, inside));
    }
    return SmallVector<Value>(op.getResults());
  }

  /// Two rows of the next group, others for each panel.
  SmallVector<Value> nextRows(Value ic, Value jr) {
    Value first = min(mul(divide(jr, panel), index(2)), index(tile.rows - 1));
    first = add(add(ic, tile.rows), first);
    Value last = sub(m, index(1));
    return {min(first, last), min(add(first, 1), last)};
  }

  /// The products of one tile over the depth. `scalar` gives A's element of a
  /// row at a depth; `beside` builds what happens every `unroll` steps.
  SmallVector<Value> depthLoop(Value jr,
                               llvm::function_ref<Value(int64_t, Value)> scalar,
                               llvm::function_ref<void(Value)> beside) {
    Value p = divide(jr, panel);
    auto step = [&](Value depth, SmallVector<Value> &sums) {
      SmallVector<Value> columns;
      for (int64_t j = 0; j < panel; j += lanes)
        columns.push_back(load(vector, packed, {p, depth, index(j)}));
      for (int64_t i = 0; i < tile.rows; ++i) {
        Value row = vector::BroadcastOp::create(b, vector, scalar(i, depth));
        for (int64_t j = 0; j < tile.column_vectors; ++j) {
          Value &sum = sums[i * tile.column_vectors + j];
          sum = vector::FMAOp::create(b, row, columns[j], sum);
        }
      }
    };
    SmallVector<Value> sums(tile.rows * tile.column_vectors, zero);
    loop(index(0), whole_depth, unroll, sums,
         [&](Value depth, SmallVector<Value> &next) {
           beside(depth);
           for (int64_t u = 0; u < unroll; ++u)
             step(add(depth, u), next);
         });
    loop(whole_depth, k, 1, sums, step);
    return sums;
  }

  //===--- a transposed A ---===//

  void emitTransposed() {
    Value columns = index(tile.rows * panels.groups);
    Value first = copyMask(index(0));
    loop(k, 1, [&](Value depth) {
      prefetch(a, {min(add(depth, prefetchRows), sub(k, index(1))), index(0)});
      copyRow(depth, index(0), first, index(0));
    });
    loop(m, tile.rows * panels.groups, [&](Value block) {
      Value next = add(block, columns), valid = copyMask(next);
      Value half = b.createOrFold<arith::AndIOp>(
          divide(block, tile.rows * panels.groups), index(1));
      Value iterations = divide(whole_depth, unroll);
      Value panel_count = divide(add(n, panel - 1), panel);
      // Copies are spread over all panels, so that few lines are on their way
      // at a time: a row every 2^shift iterations.
      Value shift = copyShift(panel_count), from = index(0);
      for (int64_t g = 0; g < panels.groups; ++g) {
        Value ic = add(block, g * tile.rows);
        loop(n, panel, [&](Value jr) {
          Value start = add(from, mul(divide(jr, panel), iterations));
          // A group past M computes nothing, but the copies do not rely on it.
          branch(less(ic, m), [&] {
            prefetchTile(ic, jr);
            storeTile(ic, jr,
                      panelLoop(g, jr, half, start, shift, next, valid));
          });
        });
        from = add(from, mul(panel_count, iterations));
      }
      // What few panels leave.
      branch(less(next, m), [&] {
        Value copied = arith::ShRUIOp::create(b, from, shift);
        loop(min(copied, k), k, 1,
             [&](Value depth) { copyRow(depth, next, valid, other(half)); });
      });
    });
  }

  Value other(Value half) { return sub(index(1), half); }

  /// The largest shift at which all rows are copied during a block, up to 3.
  Value copyShift(Value panel_count) {
    Value shift = index(0);
    for (int64_t s = 1; s <= 3; ++s) {
      Value enough = lessOrEqual(index(unroll << s),
                                 mul(panel_count, index(panels.groups)));
      shift = arith::SelectOp::create(b, enough, index(s), shift);
    }
    return shift;
  }

  SmallVector<Value> panelLoop(int64_t g, Value jr, Value half, Value start,
                               Value shift, Value next, Value valid) {
    Value last = sub(k, index(1));
    Value next_end =
        min(add(next, panels.width * panels.groups - 1), sub(m, index(1)));
    return depthLoop(
        jr,
        [&](int64_t i, Value depth) -> Value {
          return memref::LoadOp::create(
              b, copies, ValueRange{half, index(g), depth, index(i)});
        },
        [&](Value depth) {
          // Copying a row again is cheaper than a branch.
          auto rowAt = [&](Value iteration) {
            Value row = arith::ShRUIOp::create(b, iteration, shift);
            return min(row, last);
          };
          Value iteration = add(start, divide(depth, unroll));
          Value ahead = rowAt(add(iteration, prefetchIterations));
          // The vector may straddle two lines.
          prefetch(a, {ahead, next}, /*near=*/false);
          prefetch(a, {ahead, next_end}, /*near=*/false);
          copyRow(rowAt(iteration), next, valid, other(half));
        });
  }

  /// Mask of the columns from `column` that a block has.
  Value copyMask(Value column) {
    Value count = min(sub(m, column), index(tile.rows * panels.groups));
    return mask(panels.width * panels.groups, count);
  }

  /// Copies row `depth` of the columns from `column` into panels of `half`.
  void copyRow(Value depth, Value column, Value valid, Value half) {
    VectorType type = vectorOf(panels.width * panels.groups);
    Value v = load(type, a, {depth, column}, valid);
    for (int64_t g = 0; g < panels.groups; ++g) {
      Value part = panels.groups == 1
                       ? v
                       : vector::ExtractStridedSliceOp::create(
                             b, v, {g * panels.width}, {panels.width}, {1})
                             .getResult();
      store(part, copies, {half, index(g), depth, index(0)});
    }
  }

  //===--- C ---===//

  SmallVector<Value> at(Value ic, Value jr, int64_t i, int64_t j) {
    return {add(ic, i), add(jr, j * lanes)};
  }

  void prefetchTile(Value ic, Value jr) {
    Value last_row = sub(m, index(1)), last_column = sub(n, index(1));
    for (int64_t j = 0; j < tile.column_vectors; ++j) {
      Value column = min(add(jr, j * lanes), last_column);
      for (int64_t i = 0; i < tile.rows; ++i)
        prefetch(c, {min(add(ic, i), last_row), column});
    }
  }

  void storeTile(Value ic, Value jr, ArrayRef<Value> results) {
    Value whole = arith::AndIOp::create(b, lessOrEqual(add(ic, tile.rows), m),
                                        lessOrEqual(add(jr, panel), n));
    auto each = [&](llvm::function_ref<void(ArrayRef<Value>, Value)> body) {
      for (int64_t i = 0; i < tile.rows; ++i)
        for (int64_t j = 0; j < tile.column_vectors; ++j)
          body(at(ic, jr, i, j), results[i * tile.column_vectors + j]);
    };
    branch(
        whole,
        [&] {
          branch(
              accumulate,
              [&] {
                each([&](ArrayRef<Value> at, Value v) {
                  Value old = load(vector, c, at);
                  store(arith::AddFOp::create(b, old, v), c, at);
                });
              },
              [&] {
                each([&](ArrayRef<Value> at, Value v) { store(v, c, at); });
              });
        },
        [&] { storeEdge(ic, jr, results); });
  }

  /// Rows below M and lanes below N only.
  void storeEdge(Value ic, Value jr, ArrayRef<Value> results) {
    SmallVector<Value> stored, loaded;
    for (int64_t j = 0; j < tile.column_vectors; ++j) {
      Value count = sub(sub(n, jr), index(j * lanes));
      stored.push_back(mask(lanes, count));
      Value old = arith::SelectOp::create(b, accumulate, count, index(0));
      loaded.push_back(mask(lanes, old));
    }
    for (int64_t i = 0; i < tile.rows; ++i)
      branch(less(add(ic, i), m), [&] {
        for (int64_t j = 0; j < tile.column_vectors; ++j) {
          SmallVector<Value> place = at(ic, jr, i, j);
          Value old = load(vector, c, place, loaded[j]);
          Value sum = arith::AddFOp::create(
              b, old, results[i * tile.column_vectors + j]);
          vector::MaskedStoreOp::create(b, c, place, stored[j], sum);
        }
      });
  }

  int64_t lanes;
  RegisterTile tile;
  int64_t panel; ///< columns of C in a register tile
  bool transposed;
  RowPanels panels;
  VectorType vector;
  Value m, n, k, a, packed, c, copies, accumulate, zero, whole_depth;
};

} // namespace

void emitMultiplyRows(ImplicitLocOpBuilder &builder,
                      const ProductFunction &function, int64_t lanes,
                      ValueRange arguments) {
  RowsEmitter(builder, function, lanes, arguments).emit();
}

} // namespace trainc::codegen
