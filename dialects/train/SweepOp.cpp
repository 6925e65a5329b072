//===- SweepOp.cpp - verifier of train.sweep ------------------------------===//

#include "dialects/train/Train.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace trainc::train {

/// Whether `type` holds `size` values of each of `count` matrices.
static bool isPerMatrix(Type type, int64_t count, int64_t size) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(type).getShape();
  return shape == ArrayRef<int64_t>{count, size} ||
         shape == ArrayRef<int64_t>{count * int64_t(llvm::alignTo(size, 64))};
}

LogicalResult SweepOp::verify() {
  int64_t count = getCount(), rows = getNumRows(), columns = getNumColumns();
  if (count < 1 || rows < 1 || columns < 1 ||
      int64_t(getRowsAtATime()) < 1) // sweep_c1
    return emitOpError()
           << "expected at least one matrix, row, column and row at a time";
  auto verifyAll = [&](ValueRange values, StringRef what,
                       int64_t size) -> LogicalResult {
    for (Type type : values.getTypes())
      if (!isPerMatrix(type, count, size)) // sweep_c1
        return emitOpError()
               << "expected " << what << " of " << count << " matrices with "
               << size << " each, but got " << type;
    return success();
  };
  auto verifyShape = [&](ValueRange values, StringRef what,
                         ArrayRef<int64_t> shape, bool sum) -> LogicalResult {
    for (Type type : values.getTypes()) {
      auto tensor = cast<RankedTensorType>(type);
      if (tensor.getShape() != shape ||
          (sum && !tensor.getElementType().isF64())) // sweep_c1
        return emitOpError() << "expected " << what << " as "
                             << RankedTensorType::get(
                                    shape, sum ? Float64Type::get(getContext())
                                               : tensor.getElementType())
                             << ", but got " << type;
    }
    return success();
  };
  int64_t blocks = getBlocks();
  return success(
      succeeded(verifyAll(getElements(), "elements", rows * columns)) &&
      succeeded(verifyAll(getRows(), "rows", rows)) &&
      succeeded(verifyAll(getColumns(), "columns", columns)) &&
      succeeded(
          verifyShape(getTensors(), "values of matrices", count, false)) &&
      succeeded(verifyShape(getShared(), "shared values", {}, false)) &&
      succeeded(verifyAll(getNewElements(), "elements", rows * columns)) &&
      succeeded(
          verifyShape(getRowSums(), "sums over rows", {count, rows}, true)) &&
      succeeded(verifyShape(getColumnSums(), "sums over columns",
                            {count, blocks, columns}, true)) &&
      succeeded(
          verifyShape(getSums(), "sums over matrices", {count, blocks}, true)));
}

LogicalResult SweepOp::verifyRegions() {
  Block &block = getBody().front();
  auto yield =
      dyn_cast_if_present<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield)
    return emitOpError() << "expected a body that ends with train.yield";
  auto verifyScalars = [&](TypeRange got, TypeRange tensors,
                           StringRef what) -> LogicalResult {
    if (got.size() != tensors.size()) // sweep_c2
      return emitOpError() << "expected " << tensors.size() << " " << what
                           << ", but got " << got.size();
    for (auto [type, tensor] : llvm::zip(got, tensors)) {
      auto wanted = RankedTensorType::get({}, getElementTypeOrSelf(tensor));
      if (type != wanted) // sweep_c2
        return emitOpError() << "expected " << wanted << " among the " << what
                             << ", but got " << type;
    }
    return success();
  };
  if (failed(verifyScalars(block.getArgumentTypes(), getOperandTypes(),
                           "arguments of the body")) ||
      failed(verifyScalars(yield.getOperandTypes(), getResultTypes(),
                           "values that the body yields")))
    return failure();
  auto isScalar = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() == 0;
  };
  // On scalars every pure operation without regions is elementwise.
  for (Operation &op : block.without_terminator())
    if (op.getNumRegions() != 0 || !isMemoryEffectFree(&op) ||
        isa<MeanOp, OrthogonalizeOp>(op) ||
        !llvm::all_of(op.getOperandTypes(), isScalar) ||
        !llvm::all_of(op.getResultTypes(), isScalar)) // sweep_c3
      return op.emitOpError() << "expected elementwise operations and "
                                 "constants in a sweep, but got this one";
  return success();
}

} // namespace trainc::train
