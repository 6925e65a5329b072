//===- LowerMoves.cpp - fills and transposes of matrices ------------------===//
//
// Decides how matrices are filled and transposed with whole vectors. A
// transpose loads squares of lanes x lanes by rows, exchanges them in registers
// and stores them by columns; a loop over elements would gather or scatter. So
// would LLVM for a fill of short rows: it unrolls the rows first and then takes
// the columns for vectors.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/CpuTarget.h"
#include "compiler/codegen/cpu/Passes.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_LOWERMOVES
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

/// Whether the buffer is a matrix of floats with contiguous rows.
bool isMatrix(Type type) {
  auto buffer = dyn_cast<MemRefType>(type);
  SmallVector<int64_t> strides;
  int64_t offset;
  return buffer && buffer.getRank() == 2 &&
         (buffer.getElementType().isF32() || buffer.getElementType().isF64()) &&
         succeeded(buffer.getStridesAndOffset(strides, offset)) &&
         strides[1] == 1;
}

/// What both moves are built of, on buffers of one element type.
class MoveEmitter {
public:
  MoveEmitter(Operation *op, Type element, unsigned vector_bytes)
      : b(op->getLoc(), op),
        lanes(vector_bytes * 8 / element.getIntOrFloatBitWidth()),
        vector(VectorType::get({lanes}, element)),
        zero(arith::ConstantOp::create(b, b.getZeroAttr(vector))) {}

  void fill(Value value, Value out) {
    Value all = vector::BroadcastOp::create(b, vector, value);
    Value rows = size(out, 0), columns = size(out, 1);
    loop(rows, 1, [&](Value row) {
      loop(columns, lanes, [&](Value column) {
        store(all, out, row, column, maskBelow(column, columns));
      });
    });
  }

  /// out[c, r] = in[r, c]
  void transpose(Value in, Value out) {
    Value rows = size(in, 0), columns = size(in, 1);
    loop(rows, lanes, [&](Value row) {
      loop(columns, lanes, [&](Value column) {
        transposeSquare(in, out, row, column, rows, columns);
      });
    });
  }

private:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, value);
  }
  Value add(Value x, int64_t y) {
    return y == 0 ? x : b.createOrFold<arith::AddIOp>(x, index(y));
  }
  Value size(Value buffer, int64_t dim) {
    return b.createOrFold<memref::DimOp>(buffer, dim);
  }

  void loop(Value end, int64_t step, llvm::function_ref<void(Value)> body) {
    auto op = scf::ForOp::create(b, index(0), end, index(step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op.getBody()->getTerminator());
    body(op.getInductionVar());
  }

  /// Lanes from `start` that are below `count`; null where all always are.
  Value maskBelow(Value start, Value count) {
    if (std::optional<int64_t> n = getConstantIntValue(count);
        n && *n % lanes == 0)
      return {};
    return vector::CreateMaskOp::create(
        b, VectorType::get({lanes}, b.getI1Type()),
        ValueRange{b.createOrFold<arith::SubIOp>(count, start)});
  }

  Value load(Value in, Value row, Value column, Value mask) {
    SmallVector<Value> at = {row, column};
    if (mask)
      return vector::MaskedLoadOp::create(b, vector, in, at, mask, zero);
    return vector::LoadOp::create(b, vector, in, at);
  }
  void store(Value value, Value out, Value row, Value column, Value mask) {
    SmallVector<Value> at = {row, column};
    if (mask)
      vector::MaskedStoreOp::create(b, out, at, mask, value);
    else
      vector::StoreOp::create(b, value, out, at);
  }

  void transposeSquare(Value in, Value out, Value row, Value column, Value rows,
                       Value columns) {
    Value in_mask = maskBelow(column, columns), out_mask = maskBelow(row, rows);
    Value last_row = b.createOrFold<arith::SubIOp>(rows, index(1));
    SmallVector<Value> square;
    for (int64_t i = 0; i < lanes; ++i) {
      // Rows past the last are not stored: any readable row will do.
      Value r = add(row, i);
      if (out_mask)
        r = b.createOrFold<arith::MinSIOp>(r, last_row);
      square.push_back(load(in, r, column, in_mask));
    }
    exchange(square);
    for (int64_t i = 0; i < lanes; ++i) {
      Value c = add(column, i);
      if (!in_mask) {
        store(square[i], out, c, row, out_mask);
        continue;
      }
      auto inside = scf::IfOp::create(
          b, arith::CmpIOp::create(b, arith::CmpIPredicate::slt, c, columns));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(inside.thenYield());
      store(square[i], out, c, row, out_mask);
    }
  }

  /// Transposes a square by exchanging halves of growing blocks.
  void exchange(SmallVector<Value> &rows) {
    for (int64_t s = 1; s < lanes; s *= 2) {
      SmallVector<int64_t> low, high;
      for (int64_t c = 0; c < lanes; ++c) {
        low.push_back(c & s ? lanes + (c ^ s) : c);
        high.push_back(c & s ? lanes + c : (c | s));
      }
      for (int64_t i = 0; i < lanes; ++i) {
        if (i & s)
          continue;
        Value first = rows[i], second = rows[i | s];
        rows[i] = vector::ShuffleOp::create(b, first, second, low);
        rows[i | s] = vector::ShuffleOp::create(b, first, second, high);
      }
    }
  }

  ImplicitLocOpBuilder b;
  int64_t lanes;
  VectorType vector;
  Value zero;
};

struct LowerMoves : impl::LowerMovesBase<LowerMoves> {
  using LowerMovesBase::LowerMovesBase;

  void runOnOperation() override {
    llvm::Expected<CpuTarget> target = CpuTarget::get(cpu);
    if (!target) {
      getOperation().emitError(llvm::toString(target.takeError()));
      return signalPassFailure();
    }
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (op.hasPureBufferSemantics() &&
          isMatrix(op.getDpsInits().back().getType()))
        ops.push_back(op);
    });
    for (linalg::LinalgOp op : ops)
      lower(op, target->vectorBytes());
  }

  void lower(linalg::LinalgOp op, unsigned vector_bytes) {
    Value out = op.getDpsInits().back();
    Type element = getElementTypeOrSelf(out);
    if (auto fill = dyn_cast<linalg::FillOp>(op.getOperation())) {
      MoveEmitter(op, element, vector_bytes).fill(fill.value(), out);
    } else if (auto move = dyn_cast<linalg::TransposeOp>(op.getOperation());
               move && isMatrix(move.getInput().getType()) &&
               move.getPermutation() == ArrayRef<int64_t>{1, 0}) {
      MoveEmitter(op, element, vector_bytes).transpose(move.getInput(), out);
    } else {
      return;
    }
    op->erase();
  }
};

} // namespace
} // namespace trainc::codegen
