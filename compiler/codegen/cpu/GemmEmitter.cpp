//===- GemmEmitter.cpp - the matrix product's micro-kernel ----------------===//
//
// Decides the innermost loops of a product: groups of rows of A, each
// multiplied with every packed panel of B while a tile of C stays in registers.
// Memory latency is hidden by asking early: for C when its tile starts, for the
// rows of the next group while this one is used. Columns of a transposed A are
// far apart in memory, often at distances where cache lines displace each
// other, so they are copied next to each other, a row of the next panels every
// few steps of the depth. Rows of 16 bits are widened before their group, or
// read in pairs for the instruction that multiplies pairs. Edges: rows past M
// repeat the last one, and what they and lanes past N give is not stored.
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
      : LoopBuilder(builder, function.element), function(function),
        lanes(lanes), tile(function.tile), panel(tile.column_vectors * lanes),
        transposed(function.transposed), dots(function.inPairs()),
        per_step(function.depthPerStep()), panels(tile, lanes),
        vector(vectorOf(lanes)),
        in_panel(vectorOf(lanes * per_step, function.panelElement())) {
    m = arguments[8], n = arguments[9], k = arguments[10];
    accumulate = arguments[11];
    a = transposed ? matrix(arguments[0], arguments[1], arguments[2], k, m)
                   : matrix(arguments[0], arguments[1], arguments[2], m, k);
    steps = dots ? divide(add(k, 1), 2) : k;
    Value count = divide(add(n, panel - 1), panel);
    Value row = index(panel * per_step);
    packed = strided(arguments[3], index(0), {count, steps, row},
                     {arguments[4], row, index(1)});
    c = matrix(arguments[5], arguments[6], arguments[7], m, n);
    if (transposed) {
      Value width = index(panels.width * per_step), group = mul(steps, width);
      copies =
          strided(arguments[12], index(0),
                  {index(2), index(panels.groups), steps, width},
                  {mul(group, index(panels.groups)), group, width, index(1)});
    } else if (function.widens()) {
      Value stride = add(k, widenedRowGap);
      copies =
          matrix(arguments[12], index(0), stride, index(tile.rows), stride);
    }
    zero = arith::ConstantOp::create(b, b.getZeroAttr(vector));
    whole_depth = roundDown(dots ? divide(k, 2) : k, unroll);
  }

  void emit() {
    if (transposed)
      return emitTransposed();
    loop(m, tile.rows, [&](Value ic) {
      if (function.widens())
        widenRows(ic);
      loop(n, panel, [&](Value jr) {
        prefetchTile(ic, jr);
        storeTile(ic, jr,
                  function.widens() ? widenedLoop(ic, jr) : rowLoop(ic, jr));
      });
    });
  }

private:
  /// The products of a tile with rows that are read where they lie.
  SmallVector<Value> rowLoop(Value ic, Value jr) {
    return eitherRows(ic, [&](ArrayRef<Value> rows, bool inside) {
      SmallVector<Value> next;
      if (inside)
        next = nextRows(ic, jr);
      return depthLoop(
          jr,
          [&](int64_t i, Value step, bool edge) {
            if (!dots)
              return everywhere(
                  memref::LoadOp::create(b, a, ValueRange{rows[i], step}));
            return everyPair(a, {rows[i], mul(step, index(2))}, edge);
          },
          [&](Value step) {
            for (Value row : next)
              prefetch(a, {row, dots ? mul(step, index(2)) : step});
          });
    });
  }

  /// The same with rows that widenRows has prepared.
  SmallVector<Value> widenedLoop(Value ic, Value jr) {
    SmallVector<Value> next = nextRows(ic, jr);
    return depthLoop(
        jr,
        [&](int64_t i, Value step, bool) {
          return everywhere(
              memref::LoadOp::create(b, copies, ValueRange{index(i), step}));
        },
        [&](Value step) {
          for (Value row : next)
            prefetch(a, {row, step});
        });
  }

  /// Copies a group of rows next to each other in the computation's type; rows
  /// past M repeat the last one.
  void widenRows(Value ic) {
    Type stored = function.stored;
    Value whole = roundDown(k, lanes), valid = mask(lanes, sub(k, whole));
    for (int64_t i = 0; i < tile.rows; ++i) {
      Value row = min(add(ic, i), sub(m, index(1)));
      auto copy = [&](Value at, Value lanes_there) {
        Value bits = loadStored(lanes, stored, a, {row, at}, lanes_there);
        store(widen(bits, stored), copies, {index(i), at});
      };
      loop(whole, lanes, [&](Value at) { copy(at, Value()); });
      branch(less(whole, k), [&] { copy(whole, valid); });
    }
  }

  /// A scalar in all lanes.
  Value everywhere(Value scalar) {
    return vector::BroadcastOp::create(b, vector, scalar);
  }
  /// Two neighbours in all pairs of lanes; at the edge the second may be past
  /// the depth, and is 0 then.
  Value everyPair(Value base, ArrayRef<Value> at, bool edge) {
    Value valid = edge ? mask(2, sub(k, at.back())) : Value();
    Value v = loadStored(2, function.stored, base, at, valid);
    Value bits = vector::ExtractOp::create(b, bitcast(vectorOf(1), v), 0);
    return bitcast(in_panel, everywhere(bits));
  }

  /// sum + row * columns, the second of each pair first.
  Value multiplyAdd(Value row, Value columns, Value sum) {
    if (!dots)
      return vector::FMAOp::create(b, row, columns, sum);
    auto call = LLVM::CallIntrinsicOp::create(
        b, vector, b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
        ValueRange{sum, row, columns});
    return call.getResults();
  }

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

  /// A's element of row i at a step of the depth (or pair of elements), in all
  /// lanes; `edge` where it may be the last step.
  using Factor = llvm::function_ref<Value(int64_t i, Value step, bool edge)>;

  /// The products of one tile over the depth. `beside` builds what happens
  /// every `unroll` steps.
  SmallVector<Value> depthLoop(Value jr, Factor factor,
                               llvm::function_ref<void(Value)> beside) {
    Value p = divide(jr, panel);
    auto step = [&](Value depth, SmallVector<Value> &sums, bool edge) {
      SmallVector<Value> columns;
      for (int64_t j = 0; j < panel; j += lanes)
        columns.push_back(
            load(in_panel, packed, {p, depth, index(j * per_step)}));
      for (int64_t i = 0; i < tile.rows; ++i) {
        Value row = factor(i, depth, edge);
        for (int64_t j = 0; j < tile.column_vectors; ++j) {
          Value &sum = sums[i * tile.column_vectors + j];
          sum = multiplyAdd(row, columns[j], sum);
        }
      }
    };
    // One by one, bfloat16 goes in the order of the instruction for pairs.
    bool swaps = function.widens() && function.stored.isBF16();
    SmallVector<Value> sums(tile.rows * tile.column_vectors, zero);
    loop(index(0), whole_depth, unroll, sums,
         [&](Value depth, SmallVector<Value> &next) {
           beside(depth);
           for (int64_t u = 0; u < unroll; ++u)
             step(add(depth, swaps ? u ^ 1 : u), next, /*edge=*/false);
         });
    Value rest = whole_depth;
    if (swaps) {
      rest = roundDown(k, 2);
      loop(whole_depth, rest, 2, sums,
           [&](Value depth, SmallVector<Value> &next) {
             step(add(depth, 1), next, /*edge=*/false);
             step(depth, next, /*edge=*/false);
           });
    }
    loop(rest, steps, 1, sums, [&](Value depth, SmallVector<Value> &next) {
      step(depth, next, /*edge=*/true);
    });
    return sums;
  }

  //===--- a transposed A ---===//

  void emitTransposed() {
    Value columns = index(tile.rows * panels.groups);
    Value first = copyMask(index(0));
    loop(steps, 1, [&](Value step) {
      Value row = dots ? mul(step, index(2)) : step;
      prefetch(a, {min(add(row, prefetchRows), sub(k, index(1))), index(0)});
      copyRow(step, index(0), first, index(0));
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
        loop(min(copied, steps), steps, 1,
             [&](Value step) { copyRow(step, next, valid, other(half)); });
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
    Value last = sub(steps, index(1));
    Value next_end =
        min(add(next, panels.width * panels.groups - 1), sub(m, index(1)));
    return depthLoop(
        jr,
        [&](int64_t i, Value step, bool) {
          if (dots)
            return everyPair(copies, {half, index(g), step, index(2 * i)},
                             /*edge=*/false);
          return everywhere(memref::LoadOp::create(
              b, copies, ValueRange{half, index(g), step, index(i)}));
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
          for (Value row : rowsOf(ahead)) {
            prefetch(a, {row, next}, /*near=*/false);
            prefetch(a, {row, next_end}, /*near=*/false);
          }
          copyRow(rowAt(iteration), next, valid, other(half));
        });
  }

  /// Mask of the columns from `column` that a block has.
  Value copyMask(Value column) {
    Value count = min(sub(m, column), index(tile.rows * panels.groups));
    return mask(panels.width * panels.groups, count);
  }

  /// Rows of a transposed A that a step of the depth takes, the last one maybe
  /// twice.
  SmallVector<Value> rowsOf(Value step) {
    if (!dots)
      return {step};
    Value first = mul(step, index(2));
    return {first, min(add(first, 1), sub(k, index(1)))};
  }

  /// Copies a step of the columns from `column` into panels of `half`.
  void copyRow(Value step, Value column, Value valid, Value half) {
    Type stored = function.stored;
    SmallVector<Value> rows = rowsOf(step);
    auto load_row = [&](Value row) {
      return loadStored(panels.width * panels.groups, stored, a, {row, column},
                        valid);
    };
    Value v = load_row(rows[0]);
    if (dots) {
      Value none = arith::ConstantOp::create(b, b.getZeroAttr(v.getType()));
      Value inside = less(rows[0], rows[1]);
      Value second = load_row(rows[1]);
      v = interleave(v, arith::SelectOp::create(b, inside, second, none));
    } else {
      v = widen(v, stored);
    }
    int64_t width = panels.width * per_step;
    for (int64_t g = 0; g < panels.groups; ++g) {
      Value part = panels.groups == 1 ? v
                                      : vector::ExtractStridedSliceOp::create(
                                            b, v, {g * width}, {width}, {1})
                                            .getResult();
      SmallVector<Value> place = {half, index(g), step, index(0)};
      if (dots)
        storeStored(part, stored, copies, place);
      else
        store(part, copies, place);
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

  const ProductFunction &function;
  int64_t lanes;
  RegisterTile tile;
  int64_t panel; ///< columns of C in a register tile
  bool transposed, dots;
  int64_t per_step; ///< elements of the depth in a step
  RowPanels panels;
  VectorType vector;   ///< of C
  VectorType in_panel; ///< of packed columns
  Value m, n, k, a, packed, c, copies, accumulate, zero;
  Value steps, whole_depth; ///< of the depth; those that are unrolled
};

} // namespace

void emitMultiplyRows(ImplicitLocOpBuilder &builder,
                      const ProductFunction &function, int64_t lanes,
                      ValueRange arguments) {
  RowsEmitter(builder, function, lanes, arguments).emit();
}

} // namespace trainc::codegen
