//===- LoopBuilder.h - terse construction of loops and masks ------*- C++
//-*-===//
//
// What the emitters of shared functions have in common: index arithmetic that
// folds constants, loops, branches and masked vectors.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_LOOPBUILDER_H
#define TRAINC_COMPILER_CODEGEN_CPU_LOOPBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace trainc::codegen {

class LoopBuilder {
protected:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;

  LoopBuilder(mlir::ImplicitLocOpBuilder &builder, mlir::Type element)
      : b(builder), element(element) {}

  Value index(int64_t value) {
    return mlir::arith::ConstantIndexOp::create(b, value);
  }
  Value add(Value x, Value y) {
    return b.createOrFold<mlir::arith::AddIOp>(x, y);
  }
  Value add(Value x, int64_t y) { return y == 0 ? x : add(x, index(y)); }
  Value sub(Value x, Value y) {
    return b.createOrFold<mlir::arith::SubIOp>(x, y);
  }
  Value mul(Value x, Value y) {
    return b.createOrFold<mlir::arith::MulIOp>(x, y);
  }
  Value min(Value x, Value y) {
    return b.createOrFold<mlir::arith::MinSIOp>(x, y);
  }
  Value divide(Value x, int64_t y) {
    return b.createOrFold<mlir::arith::DivUIOp>(x, index(y));
  }
  Value roundDown(Value x, int64_t y) { return mul(divide(x, y), index(y)); }
  Value lessOrEqual(Value x, Value y) {
    return b.createOrFold<mlir::arith::CmpIOp>(mlir::arith::CmpIPredicate::sle,
                                               x, y);
  }
  Value less(Value x, Value y) {
    return b.createOrFold<mlir::arith::CmpIOp>(mlir::arith::CmpIPredicate::slt,
                                               x, y);
  }

  void loop(Value begin, Value end, int64_t step,
            llvm::function_ref<void(Value)> body) {
    auto op = mlir::scf::ForOp::create(b, begin, end, index(step));
    mlir::OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op.getBody()->getTerminator());
    body(op.getInductionVar());
  }
  void loop(Value end, int64_t step, llvm::function_ref<void(Value)> body) {
    loop(index(0), end, step, body);
  }
  /// A loop that carries `values`; `body` replaces them by the next ones.
  void loop(Value begin, Value end, int64_t step,
            llvm::SmallVector<Value> &values,
            llvm::function_ref<void(Value, llvm::SmallVector<Value> &)> body) {
    auto op = mlir::scf::ForOp::create(b, begin, end, index(step), values);
    mlir::OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(op.getBody());
    llvm::SmallVector<Value> carried(op.getRegionIterArgs().begin(),
                                     op.getRegionIterArgs().end());
    body(op.getInductionVar(), carried);
    mlir::scf::YieldOp::create(b, carried);
    values.assign(op.result_begin(), op.result_end());
  }

  void branch(Value condition, llvm::function_ref<void()> yes,
              llvm::function_ref<void()> no = nullptr) {
    auto op = mlir::scf::IfOp::create(b, mlir::TypeRange(), condition,
                                      /*withElse=*/bool(no));
    mlir::OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(op.thenYield());
    yes();
    if (no) {
      b.setInsertionPoint(op.elseYield());
      no();
    }
  }

  mlir::VectorType vectorOf(int64_t lanes, mlir::Type of = {}) {
    return mlir::VectorType::get({lanes}, of ? of : element);
  }
  /// What memory holds of a float of `stored` type, in the type of the
  /// computation. Floats of 16 bits come as integers: LLVM knows bfloat16 in
  /// registers only where the CPU does.
  Value widen(Value value, mlir::Type stored) {
    if (stored == element)
      return value;
    int64_t lanes = llvm::cast<mlir::VectorType>(value.getType()).getDimSize(0);
    if (!stored.isBF16())
      return mlir::arith::ExtFOp::create(
          b, vectorOf(lanes), bitcast(vectorOf(lanes, stored), value));
    auto words = vectorOf(lanes, b.getI32Type());
    Value low = mlir::arith::ExtUIOp::create(b, words, value);
    Value shift = mlir::arith::ConstantOp::create(
        b, mlir::DenseElementsAttr::get(words, b.getI32IntegerAttr(16)));
    return bitcast(vectorOf(lanes), mlir::arith::ShLIOp::create(b, low, shift));
  }
  /// Loads floats of `stored` type as widen() takes them; masked lanes are 0.
  Value loadStored(int64_t lanes, mlir::Type stored, Value base, ValueRange at,
                   Value valid = {}) {
    if (stored == element)
      return valid ? load(vectorOf(lanes), base, at, valid)
                   : load(vectorOf(lanes), base, at);
    auto bits = vectorOf(lanes, b.getIntegerType(16));
    if (!valid)
      return bitcast(bits, load(vectorOf(lanes, stored), base, at));
    auto parts = mlir::memref::ExtractStridedMetadataOp::create(b, base);
    Value offset = parts.getOffset();
    for (auto [place, stride] : llvm::zip(at, parts.getStrides()))
      offset = add(offset, mul(place, stride));
    Value first = mlir::memref::ExtractAlignedPointerAsIndexOp::create(b, base);
    Value address = mlir::arith::IndexCastOp::create(
        b, b.getI64Type(), add(first, mul(offset, index(2))));
    Value pointer = mlir::LLVM::IntToPtrOp::create(
        b, mlir::LLVM::LLVMPointerType::get(b.getContext()), address);
    Value zero = mlir::arith::ConstantOp::create(b, b.getZeroAttr(bits));
    return mlir::LLVM::MaskedLoadOp::create(b, bits, pointer, valid, zero,
                                            b.getI32IntegerAttr(2));
  }
  /// Stores what loadStored() has loaded, or the same bits of another type.
  void storeStored(Value bits, mlir::Type stored, Value base, ValueRange at) {
    auto type = llvm::cast<mlir::VectorType>(bits.getType());
    int64_t lanes = type.getDimSize(0) * type.getElementTypeBitWidth() /
                    stored.getIntOrFloatBitWidth();
    store(bitcast(vectorOf(lanes, stored), bits), base, at);
  }
  /// x0 y0 x1 y1 …
  Value interleave(Value x, Value y) {
    int64_t lanes = llvm::cast<mlir::VectorType>(x.getType()).getDimSize(0);
    llvm::SmallVector<int64_t> order;
    for (int64_t i = 0; i < lanes; ++i)
      order.append({i, lanes + i});
    return mlir::vector::ShuffleOp::create(b, x, y, order);
  }
  /// Transposes a square of as many vectors as each has lanes by exchanging
  /// halves of growing blocks.
  void transpose(llvm::SmallVector<Value> &rows) {
    int64_t lanes = rows.size();
    for (int64_t s = 1; s < lanes; s *= 2) {
      llvm::SmallVector<int64_t> low, high;
      for (int64_t c = 0; c < lanes; ++c) {
        low.push_back(c & s ? lanes + (c ^ s) : c);
        high.push_back(c & s ? lanes + c : (c | s));
      }
      llvm::SmallVector<Value> next(lanes);
      for (int64_t i = 0; i < lanes; ++i) {
        if (i & s)
          continue;
        next[i] = mlir::vector::ShuffleOp::create(b, rows[i], rows[i | s], low);
        next[i | s] =
            mlir::vector::ShuffleOp::create(b, rows[i], rows[i | s], high);
      }
      rows = next;
    }
  }

  Value bitcast(mlir::VectorType type, Value value) {
    return value.getType() == type
               ? value
               : mlir::vector::BitCastOp::create(b, type, value).getResult();
  }
  /// Mask of the lanes below `count`, which may be negative or large.
  Value mask(int64_t lanes, Value count) {
    Value low = b.createOrFold<mlir::arith::MaxSIOp>(count, index(0));
    return mlir::vector::CreateMaskOp::create(
        b, mlir::VectorType::get({lanes}, b.getI1Type()), ValueRange{low});
  }
  Value load(mlir::VectorType type, Value base, ValueRange at) {
    return mlir::vector::LoadOp::create(b, type, base, at);
  }
  /// Masked lanes are zero.
  Value load(mlir::VectorType type, Value base, ValueRange at, Value lanes) {
    Value zero = mlir::arith::ConstantOp::create(b, b.getZeroAttr(type));
    return mlir::vector::MaskedLoadOp::create(b, type, base, at, lanes, zero);
  }
  void store(Value value, Value base, ValueRange at) {
    mlir::vector::StoreOp::create(b, value, base, at);
  }
  /// Asks for a cache line; `near` into the first level, else the second.
  void prefetch(Value base, ValueRange at, bool near = true) {
    mlir::memref::PrefetchOp::create(b, base, at, /*isWrite=*/false,
                                     /*localityHint=*/near ? 3 : 2,
                                     /*isDataCache=*/true);
  }

  /// The matrix [rows, columns] at `offset` of a buffer, rows `stride` apart.
  Value matrix(Value buffer, Value offset, Value stride, Value rows,
               Value columns) {
    return strided(buffer, offset, {rows, columns}, {stride, index(1)});
  }
  /// Any number of dimensions, of which the last is contiguous.
  Value strided(Value buffer, Value offset, llvm::ArrayRef<Value> sizes,
                llvm::ArrayRef<Value> strides) {
    using mlir::ShapedType;
    llvm::SmallVector<mlir::OpFoldResult> extents(sizes.begin(), sizes.end()),
        steps(strides.begin(), strides.end());
    llvm::SmallVector<int64_t> shape(sizes.size(), ShapedType::kDynamic),
        distances(sizes.size(), ShapedType::kDynamic);
    distances.back() = 1;
    steps.back() = b.getIndexAttr(1);
    auto layout = mlir::StridedLayoutAttr::get(b.getContext(),
                                               ShapedType::kDynamic, distances);
    auto type = mlir::MemRefType::get(
        shape, llvm::cast<mlir::MemRefType>(buffer.getType()).getElementType(),
        layout);
    return mlir::memref::ReinterpretCastOp::create(
        b, type, buffer, mlir::OpFoldResult(offset), extents, steps);
  }

  mlir::ImplicitLocOpBuilder &b;
  mlir::Type element;
};

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_LOOPBUILDER_H
