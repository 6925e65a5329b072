//===- DirectGemm.cpp - small products without packing --------------------===//
//
// Decides the loops of a product whose B stays in the first cache: panels of
// columns, in each rows in groups, a tile of C in registers over the whole
// depth. A is read scalar by scalar, in either layout. A last panel is
// narrower, its last vector masked; last rows are a smaller tile, or single
// rows where their number is not known.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/DirectGemm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace trainc::codegen {

/// Half of the first cache of the CPUs that we know.
static constexpr int64_t residentBytes = 32 << 10;

bool isDirectGemm(const Gemm &gemm) {
  auto type = cast<MemRefType>(gemm.c.getType());
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  // Factors of 16 bits are widened when they are packed.
  bool one_type = cast<MemRefType>(gemm.b.getType()).getElementType() ==
                  type.getElementType();
  return one_type && !gemm.b_transposed && gemm.n.constant && gemm.k.bound &&
         *gemm.n.constant * *gemm.k.bound * bytes <= residentBytes;
}

RegisterTile chooseDirectTile(const VectorUnit &unit, int64_t rows,
                              bool rows_known, int64_t column_vectors,
                              int64_t depth) {
  constexpr double cyclesPerTile = 25, cyclesPerLoad = 0.05, latency = 4,
                   restPenalty = 1.02;
  auto tileCycles = [&](int64_t r, int64_t v) {
    return depth * (std::max({r * v / 2.0, (r + v) / 2.0, latency}) +
                    cyclesPerLoad * (r + v)) +
           cyclesPerTile;
  };
  RegisterTile best = {1, 1};
  double best_cost = std::numeric_limits<double>::infinity();
  for (int64_t v = 1; v <= std::min<int64_t>(column_vectors, 7); ++v)
    for (int64_t r = 1; r <= std::min<int64_t>(rows, 16); ++r) {
      if (r * v + v + 1 > unit.registers)
        break;
      auto panelCycles = [&](int64_t width) {
        double rest = rows_known ? (rows % r ? tileCycles(rows % r, width) : 0)
                                 : double(rows % r) * tileCycles(1, width);
        return double(rows / r) * tileCycles(r, width) + rest;
      };
      double cost = double(column_vectors / v) * panelCycles(v);
      if (column_vectors % v)
        cost = (cost + panelCycles(column_vectors % v)) * restPenalty;
      if (rows % r)
        cost *= restPenalty;
      if (cost < best_cost) {
        best = {r, v};
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
        vector(VectorType::get({lanes}, type)) {
    constexpr int64_t manyRows = 64;
    int64_t columns = *gemm.n.constant;
    tile = chooseDirectTile(unit, gemm.m.bound.value_or(manyRows),
                            gemm.m.constant.has_value(),
                            llvm::divideCeil(columns, lanes), *gemm.k.bound);
  }

  void emit() {
    zero = arith::ConstantOp::create(b, b.getZeroAttr(vector));
    int64_t columns = *gemm.n.constant, panel = tile.column_vectors * lanes;
    // The last panel is apart where it is narrower or ends in a masked vector.
    int64_t whole = columns / panel * panel;
    if (whole > panel)
      loop(index(0), index(whole), panel,
           [&](Value column) { emitPanel(column, tile.column_vectors, 0); });
    else if (whole == panel)
      emitPanel(index(0), tile.column_vectors, 0);
    if (int64_t rest = columns - whole)
      emitPanel(index(whole), llvm::divideCeil(rest, lanes), rest % lanes);
  }

private:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value add(Value x, int64_t y) {
    return y == 0 ? x : b.createOrFold<arith::AddIOp>(x, index(y));
  }

  void loop(Value begin, Value end, int64_t step,
            llvm::function_ref<void(Value)> body) {
    auto op = scf::ForOp::create(b, begin, end, index(step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op.getBody()->getTerminator());
    body(op.getInductionVar());
  }

  /// All rows of `vectors` vectors of columns, the last one with `edge` lanes
  /// (0: whole).
  void emitPanel(Value column, int64_t vectors, int64_t edge) {
    Value mask;
    if (edge)
      mask = vector::CreateMaskOp::create(
          b, VectorType::get({lanes}, b.getI1Type()), ValueRange{index(edge)});
    auto emit = [&](Value row, int64_t rows) {
      emitTile(row, rows, column, vectors, mask);
    };
    if (std::optional<int64_t> m = gemm.m.constant) {
      int64_t whole = *m / tile.rows * tile.rows;
      if (whole > tile.rows)
        loop(index(0), index(whole), tile.rows,
             [&](Value row) { emit(row, tile.rows); });
      else if (whole == tile.rows)
        emit(index(0), tile.rows);
      if (*m > whole)
        emit(index(whole), *m - whole);
      return;
    }
    Value rest = b.createOrFold<arith::RemUIOp>(gemm.m.value, index(tile.rows));
    Value whole = b.createOrFold<arith::SubIOp>(gemm.m.value, rest);
    loop(index(0), whole, tile.rows, [&](Value row) { emit(row, tile.rows); });
    if (tile.rows > 1)
      loop(whole, gemm.m.value, 1, [&](Value row) { emit(row, 1); });
  }

  Value load(Value base, Value row, Value column, Value mask) {
    if (!mask)
      return vector::LoadOp::create(b, vector, base, ValueRange{row, column});
    return vector::MaskedLoadOp::create(b, vector, base,
                                        ValueRange{row, column}, mask, zero);
  }

  void emitTile(Value row, int64_t rows, Value column, int64_t vectors,
                Value mask) {
    SmallVector<Value> at, columns;
    for (int64_t i = 0; i < rows; ++i)
      at.push_back(add(row, i));
    for (int64_t j = 0; j < vectors; ++j)
      columns.push_back(add(column, j * lanes));
    auto maskOf = [&](int64_t j) { return j == vectors - 1 ? mask : Value(); };
    // What C holds is added at the end: a tile need not wait for it.
    auto op = scf::ForOp::create(b, index(0), gemm.k.value, index(1),
                                 SmallVector<Value>(rows * vectors, zero));
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(op.getBody());
      Value k = op.getInductionVar();
      SmallVector<Value> ofB, next;
      for (int64_t j = 0; j < vectors; ++j)
        ofB.push_back(load(gemm.b, k, columns[j], maskOf(j)));
      for (int64_t i = 0; i < rows; ++i) {
        SmallVector<Value> place = {at[i], k};
        if (gemm.a_transposed)
          std::swap(place[0], place[1]);
        Value scalar = memref::LoadOp::create(b, gemm.a, place);
        Value all = vector::BroadcastOp::create(b, vector, scalar);
        for (int64_t j = 0; j < vectors; ++j)
          next.push_back(vector::FMAOp::create(
              b, all, ofB[j], op.getRegionIterArgs()[i * vectors + j]));
      }
      scf::YieldOp::create(b, next);
    }
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < vectors; ++j) {
        Value sum = op.getResult(i * vectors + j), mask = maskOf(j);
        if (!gemm.overwrite)
          sum = arith::AddFOp::create(b, load(gemm.c, at[i], columns[j], mask),
                                      sum);
        SmallVector<Value> place = {at[i], columns[j]};
        if (mask)
          vector::MaskedStoreOp::create(b, gemm.c, place, mask, sum);
        else
          vector::StoreOp::create(b, sum, gemm.c, place);
      }
  }

  ImplicitLocOpBuilder &b;
  const Gemm &gemm;
  Type type;
  int64_t lanes;
  VectorType vector;
  RegisterTile tile;
  Value zero;
};

} // namespace

void emitDirectGemm(ImplicitLocOpBuilder &builder, const Gemm &gemm,
                    const VectorUnit &unit) {
  Emitter(builder, gemm, unit).emit();
}

} // namespace trainc::codegen
