//===- GemmEmitter.cpp - the matrix product's micro-kernel ----------------===//
//
// Decides the product's loops: blocks of N and K whose part of B is packed into
// column panels once, then rows of A in groups, each multiplied with every
// panel while a tile of C stays in registers. Edges: packed lanes past N hold
// zeros or copies, rows past M repeat the last one, and what they give is not
// stored.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/GemmEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace trainc::codegen {

/// Depth of a packed block: a panel's row group of A (8 rows) and a step of B
/// fit L1.
static constexpr int64_t depthBlock = 256;
/// Largest width of a packed block, in bytes of one row: half of L2 with the
/// depth.
static constexpr int64_t widthBlockBytes = 2048;
/// Row groups of a transposed A that are packed together: whole cache lines.
static constexpr int64_t rowBlockPanels = 16;
/// How many rows ahead packing asks for.
static constexpr int64_t prefetchRows = 8;

RegisterTile chooseRegisterTile(const VectorUnit &unit, int64_t lanes,
                                std::optional<int64_t> m_bound,
                                std::optional<int64_t> n_bound) {
  // Rows for 1 to 4 vectors of columns: 24 of 32, or 12 of 16, accumulators.
  static constexpr int64_t rows32[] = {16, 12, 8, 6}, rows16[] = {8, 6, 4, 3};
  const int64_t *rows = unit.registers >= 32 ? rows32 : rows16;
  RegisterTile best = {rows[2], 3};
  double best_cost = std::numeric_limits<double>::infinity();
  // Three vectors first: it wins ties.
  for (int64_t vectors : {3, 4, 2, 1}) {
    RegisterTile tile = {rows[vectors - 1], vectors};
    if (m_bound)
      tile.rows = std::clamp<int64_t>(*m_bound, 1, tile.rows);
    double loads = double(tile.rows + vectors) / double(tile.rows * vectors);
    double cost = 1 + 0.1 * loads;
    if (n_bound && *n_bound > 0)
      cost *=
          double(llvm::alignTo(*n_bound, vectors * lanes)) / double(*n_bound);
    if (m_bound && *m_bound > 0)
      cost *= double(llvm::alignTo(*m_bound, tile.rows)) / double(*m_bound);
    if (cost < best_cost - 1e-9) {
      best = tile;
      best_cost = cost;
    }
  }
  return best;
}

namespace {

class Emitter {
public:
  Emitter(ImplicitLocOpBuilder &builder, const Gemm &gemm,
          const VectorUnit &unit)
      : b(builder), gemm(gemm),
        type(cast<MemRefType>(gemm.c.getType()).getElementType()),
        lanes(unit.bytes * 8 / type.getIntOrFloatBitWidth()),
        tile(chooseRegisterTile(unit, lanes, gemm.m.bound, gemm.n.bound)),
        panel(tile.column_vectors * lanes) {
    int64_t width = std::max<int64_t>(panel, widthBlockBytes * 8 /
                                                 type.getIntOrFloatBitWidth() /
                                                 panel * panel);
    int64_t n = gemm.n.bound.value_or(width),
            k = gemm.k.bound.value_or(depthBlock);
    block_n =
        std::min<int64_t>(width, llvm::alignTo(std::max<int64_t>(n, 1), panel));
    block_k = std::min<int64_t>(depthBlock, std::max<int64_t>(k, 1));
    vector = VectorType::get({lanes}, type);
  }

  void emit() {
    // Panels are a few rows longer than needed: at a distance of a power of two
    // their lines would compete for the same sets of the cache.
    auto packed_b = MemRefType::get(
        {block_n / panel, int64_t(llvm::alignTo(block_k, lanes)) + 1, panel},
        type);
    b_packed = memref::AllocOp::create(b, packed_b, b.getI64IntegerAttr(64));
    block_m = rowBlockPanels * tile.rows;
    if (gemm.a_transposed)
      a_packed = memref::AllocOp::create(
          b, MemRefType::get({rowBlockPanels, block_k + 2, rowLanes()}, type),
          b.getI64IntegerAttr(64));
    zero = arith::ConstantOp::create(b, b.getZeroAttr(vector));
    // A loop of one iteration is one that LLVM removes.
    loop(gemm.n.value, block_n, [&](Value jc) {
      n_left = sub(gemm.n.value, jc);
      loop(gemm.k.value, block_k, [&](Value pc) {
        Value kc = min(sub(gemm.k.value, pc), index(block_k));
        Value nc = min(n_left, index(block_n));
        packB(jc, pc, nc, kc);
        if (!gemm.a_transposed)
          return loop(gemm.m.value, tile.rows, [&](Value ic) {
            loop(nc, panel,
                 [&](Value jr) { microTile(ic, {}, jc, jr, pc, kc); });
          });
        loop(gemm.m.value, block_m, [&](Value im) {
          Value mc = min(sub(gemm.m.value, im), index(block_m));
          packA(im, mc, pc, kc);
          loop(mc, tile.rows, [&](Value ir) {
            Value q = b.createOrFold<arith::DivUIOp>(ir, index(tile.rows));
            loop(nc, panel,
                 [&](Value jr) { microTile(add(im, ir), q, jc, jr, pc, kc); });
          });
        });
      });
    });
  }

private:
  // Small helpers over index arithmetic; constants fold.
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
  Value add(Value x, int64_t y) { return y == 0 ? x : add(x, index(y)); }
  Value sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(x, y); }
  Value min(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(x, y); }
  Value lessOrEqual(Value x, Value y) {
    return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::sle, x, y);
  }

  void loop(Value end, int64_t step, llvm::function_ref<void(Value)> body) {
    auto op = scf::ForOp::create(b, index(0), end, index(step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op.getBody()->getTerminator());
    body(op.getInductionVar());
  }

  void branch(Value condition, llvm::function_ref<void()> yes,
              llvm::function_ref<void()> no = nullptr) {
    auto op =
        scf::IfOp::create(b, TypeRange(), condition, /*withElse=*/bool(no));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op.thenYield());
    yes();
    if (no) {
      b.setInsertionPoint(op.elseYield());
      no();
    }
  }

  /// Mask of the lanes below `count`, which may be negative or large.
  Value mask(int64_t width, Value count) {
    Value low = b.createOrFold<arith::MaxSIOp>(count, index(0));
    return vector::CreateMaskOp::create(
        b, VectorType::get({width}, b.getI1Type()), ValueRange{low});
  }

  Value maskedLoad(Value base, ValueRange at, Value lanes_mask, VectorType of) {
    Value nothing = arith::ConstantOp::create(b, b.getZeroAttr(of));
    return vector::MaskedLoadOp::create(b, of, base, at, lanes_mask, nothing);
  }

  /// Rows of the depth are far apart in memory: the hardware does not fetch
  /// ahead.
  void prefetchBelow(Value base, ArrayRef<Value> at) {
    Value last = sub(gemm.k.value, index(1));
    Value row = min(add(at[0], prefetchRows), last);
    memref::PrefetchOp::create(b, base, ValueRange{row, at[1]},
                               /*isWrite=*/false,
                               /*localityHint=*/3, /*isDataCache=*/true);
  }

  /// Lanes of a packed row of A: a power of two.
  int64_t rowLanes() const { return llvm::PowerOf2Ceil(tile.rows); }

  /// Packs B[pc.., jc..] into panels of `panel` columns, row by row.
  void packB(Value jc, Value pc, Value nc, Value kc) {
    auto panelOf = [&](Value jr) {
      return b.createOrFold<arith::DivUIOp>(jr, index(panel));
    };
    if (gemm.b_transposed)
      return loop(nc, panel, [&](Value jr) {
        Value p = panelOf(jr), column = add(jc, jr);
        for (int64_t j = 0; j < panel; j += lanes)
          packBTransposed(p, j, add(column, j), pc, kc);
      });
    bool whole = gemm.n.constant && *gemm.n.constant % panel == 0;
    loop(kc, 1, [&](Value k) {
      loop(nc, panel, [&](Value jr) {
        Value p = panelOf(jr), row = add(pc, k), column = add(jc, jr);
        for (int64_t j = 0; j < panel; j += lanes) {
          SmallVector<Value> at = {row, add(column, j)};
          prefetchBelow(gemm.b, at);
          Value left = sub(sub(n_left, jr), index(j));
          Value v =
              whole ? vector::LoadOp::create(b, vector, gemm.b, at).getResult()
                    : maskedLoad(gemm.b, at, mask(lanes, left), vector);
          vector::StoreOp::create(b, v, b_packed, ValueRange{p, k, index(j)});
        }
      });
    });
  }

  /// `lanes` columns, which are rows in memory: blocks of lanes x lanes,
  /// transposed.
  void packBTransposed(Value p, int64_t j, Value column, Value pc, Value kc) {
    SmallVector<Value> rows;
    Value last = sub(gemm.n.value, index(1));
    for (int64_t r = 0; r < lanes; ++r)
      rows.push_back(min(add(column, r), last));
    loop(kc, lanes, [&](Value k) {
      Value valid = mask(lanes, sub(kc, k));
      SmallVector<Value> block;
      for (Value row : rows)
        block.push_back(maskedLoad(gemm.b, {row, add(pc, k)}, valid, vector));
      transpose(block);
      for (int64_t r = 0; r < lanes; ++r)
        vector::StoreOp::create(b, block[r], b_packed,
                                ValueRange{p, add(k, r), index(j)});
    });
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

  /// Packs mc columns of the transposed A[pc.., im..] into panels of tile.rows,
  /// in the order of memory.
  void packA(Value im, Value mc, Value pc, Value kc) {
    auto row = VectorType::get({rowLanes()}, type);
    bool whole = gemm.m.constant && *gemm.m.constant % tile.rows == 0 &&
                 rowLanes() == tile.rows;
    loop(kc, 1, [&](Value k) {
      loop(mc, tile.rows, [&](Value ir) {
        SmallVector<Value> at = {add(pc, k), add(im, ir)};
        prefetchBelow(gemm.a, at);
        Value count = min(sub(mc, ir), index(tile.rows));
        Value v = whole ? vector::LoadOp::create(b, row, gemm.a, at).getResult()
                        : maskedLoad(gemm.a, at, mask(rowLanes(), count), row);
        Value q = b.createOrFold<arith::DivUIOp>(ir, index(tile.rows));
        vector::StoreOp::create(b, v, a_packed, ValueRange{q, k, index(0)});
      });
    });
  }

  /// One tile of C: the loop over the depth, and its result into C.
  void microTile(Value ic, Value q, Value jc, Value jr, Value pc, Value kc) {
    Value p = b.createOrFold<arith::DivUIOp>(jr, index(panel));
    bool whole_rows = gemm.a_transposed ||
                      (gemm.m.constant && *gemm.m.constant % tile.rows == 0);
    SmallVector<Value> results;
    if (whole_rows) {
      results = depthLoop(ic, q, pc, p, kc, /*clamped=*/false);
    } else {
      // Rows at a constant distance need one address register; the edge needs
      // all.
      SmallVector<Type> types(tile.rows * tile.column_vectors, vector);
      Value inside = lessOrEqual(add(ic, tile.rows), gemm.m.value);
      auto op = scf::IfOp::create(b, types, inside, /*withElse=*/true);
      OpBuilder::InsertionGuard guard(b);
      for (bool clamped : {false, true}) {
        b.setInsertionPointToEnd(clamped ? op.elseBlock() : op.thenBlock());
        scf::YieldOp::create(b, depthLoop(ic, q, pc, p, kc, clamped));
      }
      results.assign(op.result_begin(), op.result_end());
    }
    storeTile(ic, jc, jr, pc, results);
  }

  SmallVector<Value> depthLoop(Value ic, Value q, Value pc, Value p, Value kc,
                               bool clamped) {
    SmallVector<Value> rows;
    for (int64_t i = 0; i < tile.rows && !gemm.a_transposed; ++i) {
      Value row = add(ic, i);
      rows.push_back(clamped ? min(row, sub(gemm.m.value, index(1))) : row);
    }
    SmallVector<Value> start(tile.rows * tile.column_vectors, zero);
    auto op = scf::ForOp::create(b, index(0), kc, index(1), start);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(op.getBody());
    Value k = op.getInductionVar();
    SmallVector<Value> columns, next;
    for (int64_t j = 0; j < panel; j += lanes)
      columns.push_back(vector::LoadOp::create(b, vector, b_packed,
                                               ValueRange{p, k, index(j)}));
    for (int64_t i = 0; i < tile.rows; ++i) {
      Value scalar =
          gemm.a_transposed
              ? memref::LoadOp::create(b, a_packed, ValueRange{q, k, index(i)})
              : memref::LoadOp::create(b, gemm.a,
                                       ValueRange{rows[i], add(pc, k)});
      Value row = vector::BroadcastOp::create(b, vector, scalar);
      for (int64_t j = 0; j < tile.column_vectors; ++j)
        next.push_back(vector::FMAOp::create(
            b, row, columns[j],
            op.getRegionIterArgs()[i * tile.column_vectors + j]));
    }
    scf::YieldOp::create(b, next);
    return SmallVector<Value>(op.getResults());
  }

  void storeTile(Value ic, Value jc, Value jr, Value pc,
                 ArrayRef<Value> results) {
    Value column = add(jc, jr);
    auto at = [&](int64_t i, int64_t j) {
      return SmallVector<Value>{add(ic, i), add(column, j * lanes)};
    };
    auto each = [&](llvm::function_ref<void(int64_t, int64_t, Value)> body) {
      for (int64_t i = 0; i < tile.rows; ++i)
        for (int64_t j = 0; j < tile.column_vectors; ++j)
          body(i, j, results[i * tile.column_vectors + j]);
    };
    auto replace = [&] {
      each([&](int64_t i, int64_t j, Value v) {
        vector::StoreOp::create(b, v, gemm.c, at(i, j));
      });
    };
    auto accumulate = [&] {
      each([&](int64_t i, int64_t j, Value v) {
        Value old = vector::LoadOp::create(b, vector, gemm.c, at(i, j));
        Value sum = arith::AddFOp::create(b, old, v);
        vector::StoreOp::create(b, sum, gemm.c, at(i, j));
      });
    };
    // The first block of the depth replaces C when the product does.
    Value first;
    if (gemm.overwrite)
      first =
          b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, pc, index(0));
    bool one_block = gemm.k.bound && *gemm.k.bound <= block_k;
    auto inside = [&] {
      if (!gemm.overwrite)
        accumulate();
      else if (one_block)
        replace();
      else
        branch(first, replace, accumulate);
    };
    bool no_edges = gemm.m.constant && *gemm.m.constant % tile.rows == 0 &&
                    gemm.n.constant && *gemm.n.constant % panel == 0;
    if (no_edges)
      return inside();
    Value whole =
        arith::AndIOp::create(b, lessOrEqual(add(ic, tile.rows), gemm.m.value),
                              lessOrEqual(index(panel), sub(n_left, jr)));
    branch(whole, inside, [&] { storeEdge(ic, jr, first, at, results); });
  }

  /// Rows below M and lanes below N only.
  void storeEdge(Value ic, Value jr, Value first,
                 llvm::function_ref<SmallVector<Value>(int64_t, int64_t)> at,
                 ArrayRef<Value> results) {
    SmallVector<Value> stored, loaded;
    for (int64_t j = 0; j < tile.column_vectors; ++j) {
      Value count = sub(sub(n_left, jr), index(j * lanes));
      stored.push_back(mask(lanes, count));
      loaded.push_back(first ? mask(lanes, arith::SelectOp::create(
                                               b, first, index(0), count))
                             : stored.back());
    }
    for (int64_t i = 0; i < tile.rows; ++i)
      branch(lessOrEqual(add(ic, i + 1), gemm.m.value), [&] {
        for (int64_t j = 0; j < tile.column_vectors; ++j) {
          Value old = maskedLoad(gemm.c, at(i, j), loaded[j], vector);
          Value sum = arith::AddFOp::create(
              b, old, results[i * tile.column_vectors + j]);
          vector::MaskedStoreOp::create(b, gemm.c, at(i, j), stored[j], sum);
        }
      });
  }

  ImplicitLocOpBuilder &b;
  const Gemm &gemm;
  Type type;
  int64_t lanes;
  RegisterTile tile;
  int64_t panel; ///< columns of C in a register tile
  int64_t block_m, block_n, block_k;
  VectorType vector;
  Value b_packed, a_packed, zero, n_left;
};

} // namespace

void emitGemm(ImplicitLocOpBuilder &builder, const Gemm &gemm,
              const VectorUnit &unit) {
  Emitter(builder, gemm, unit).emit();
}

} // namespace trainc::codegen
