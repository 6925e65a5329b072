//===- ShapeOps.cpp - verifiers and folders of shape operations -----------===//

#include "dialects/nn/Nn.h"
#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/SmallVectorExtras.h"

using namespace mlir;

namespace trainc::nn {

LogicalResult ReshapeOp::verify() {
  auto from = getInput().getType(), to = getType();
  if (from.getElementType() != to.getElementType() ||
      from.getNumElements() != to.getNumElements()) // reshape_c1
    return emitOpError() << "expected a result of " << from.getNumElements()
                         << " elements of type " << from.getElementType()
                         << ", but got " << to;
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  // reshape(reshape(x)) reads x at once.
  if (auto inner = getInput().getDefiningOp<ReshapeOp>()) {
    if (inner.getInput().getType() == getType())
      return inner.getInput();
    setOperand(inner.getInput());
    return getResult();
  }
  return {};
}

LogicalResult TransposeOp::verify() {
  auto from = getInput().getType(), to = getType();
  ArrayRef<int64_t> permutation = getPermutation();
  llvm::SmallBitVector seen(from.getRank());
  for (int64_t d : permutation)
    if (d >= 0 && d < from.getRank())
      seen.set(d);
  if (int64_t(permutation.size()) != from.getRank() ||
      !seen.all()) // transpose_c1
    return emitOpError() << "expected a permutation of " << from.getRank()
                         << " dimensions, but got [" << permutation << "]";
  SmallVector<int64_t> shape = llvm::map_to_vector(
      permutation, [&](int64_t d) { return from.getDimSize(d); });
  if (ArrayRef<int64_t>(shape) != to.getShape() ||
      from.getElementType() != to.getElementType()) // transpose_c2
    return emitOpError() << "expected a result of shape [" << shape
                         << "] and type " << from.getElementType()
                         << ", but got " << to;
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  auto isIdentity = [](ArrayRef<int64_t> permutation) {
    for (auto [i, d] : llvm::enumerate(permutation))
      if (int64_t(i) != d)
        return false;
    return true;
  };
  if (isIdentity(getPermutation()))
    return getInput();
  // Back and forth: dimension d of the result is inner[outer[d]] of the source.
  if (auto inner = getInput().getDefiningOp<TransposeOp>())
    if (isIdentity(llvm::map_to_vector(getPermutation(), [&](int64_t d) {
          return inner.getPermutation()[d];
        })))
      return inner.getInput();
  return {};
}

LogicalResult BroadcastOp::verify() {
  auto from = getInput().getType(), to = getType();
  ArrayRef<int64_t> dims = getDimensions();
  bool increasing = int64_t(dims.size()) == from.getRank();
  for (auto [i, d] : llvm::enumerate(dims))
    increasing &= d < to.getRank() && d >= 0 && (i == 0 || dims[i - 1] < d);
  if (!increasing) // broadcast_c1
    return emitOpError() << "expected " << from.getRank()
                         << " strictly increasing dimensions below "
                         << to.getRank() << ", but got [" << dims << "]";
  for (auto [i, d] : llvm::enumerate(dims))
    if (to.getDimSize(d) != from.getDimSize(i)) // broadcast_c2
      return emitOpError() << "expected dimension " << d
                           << " of the result to be " << from.getDimSize(i)
                           << ", but got " << to.getDimSize(d);
  if (from.getElementType() != to.getElementType()) // broadcast_c3
    return emitOpError() << "expected element type " << from.getElementType()
                         << ", but got " << to.getElementType();
  return success();
}

OpFoldResult BroadcastOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto splat = dyn_cast_or_null<SplatElementsAttr>(adaptor.getInput()))
    return SplatElementsAttr::get(getType(), splat.getSplatValue<Attribute>());
  return {};
}

/// Slice and pad share their constraints: `part` is a box of `whole`.
static LogicalResult verifyBox(Operation *op, RankedTensorType whole,
                               RankedTensorType part,
                               ArrayRef<int64_t> offsets) {
  if (whole.getRank() != part.getRank() ||
      int64_t(offsets.size()) != whole.getRank()) // slice_c1, pad_c1
    return op->emitOpError()
           << "expected " << whole.getRank()
           << " offsets and equal ranks, but got " << offsets.size()
           << " offsets for " << whole << " and " << part;
  for (int64_t d = 0; d < whole.getRank(); ++d)
    if (offsets[d] < 0 || offsets[d] + part.getDimSize(d) >
                              whole.getDimSize(d)) // slice_c2, pad_c2
      return op->emitOpError()
             << "expected the box in dimension " << d << " inside [0, "
             << whole.getDimSize(d) << "), but got [" << offsets[d] << ", "
             << offsets[d] + part.getDimSize(d) << ")";
  if (whole.getElementType() != part.getElementType()) // slice_c3, pad_c3
    return op->emitOpError()
           << "expected element type " << whole.getElementType() << ", but got "
           << part.getElementType();
  return success();
}

LogicalResult SliceOp::verify() {
  return verifyBox(*this, getInput().getType(), getType(), getOffsets());
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}

LogicalResult PadOp::verify() {
  return verifyBox(*this, getType(), getInput().getType(), getOffsets());
}

OpFoldResult PadOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}

/// Split and concat share theirs: `parts` are equal pieces of `whole` along the
/// last dimension.
static LogicalResult verifyParts(Operation *op, RankedTensorType whole,
                                 TypeRange parts) {
  if (parts.empty() || whole.getRank() == 0 ||
      whole.getShape().back() % int64_t(parts.size()) != 0)
    return op->emitOpError() << "expected the last dimension of " << whole
                             << " to divide into " << parts.size() << " parts";
  SmallVector<int64_t> shape(whole.getShape());
  shape.back() /= parts.size();
  auto expected = RankedTensorType::get(shape, whole.getElementType());
  for (Type part : parts)
    if (part != expected) // split_c1, concat_c1
      return op->emitOpError()
             << "expected parts of type " << expected << ", but got " << part;
  return success();
}

LogicalResult SplitOp::verify() {
  return verifyParts(*this, getInput().getType(), getParts().getTypes());
}

LogicalResult ConcatOp::verify() {
  return verifyParts(*this, getType(), getParts().getTypes());
}

OpFoldResult ReduceSumOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() ? OpFoldResult(getInput())
                                           : OpFoldResult();
}

LogicalResult ReduceSumOp::verify() {
  auto from = getInput().getType(), to = getType();
  ArrayRef<int64_t> dims = getDimensions();
  SmallVector<int64_t> shape;
  for (int64_t d = 0; d < from.getRank(); ++d)
    if (!llvm::is_contained(dims, d))
      shape.push_back(from.getDimSize(d));
  for (auto [i, d] : llvm::enumerate(dims))
    if (d < 0 || d >= from.getRank() ||
        (i && dims[i - 1] >= d)) // reduce_sum_c1
      return emitOpError() << "expected strictly increasing dimensions below "
                           << from.getRank() << ", but got [" << dims << "]";
  if (ArrayRef<int64_t>(shape) != to.getShape()) // reduce_sum_c2
    return emitOpError() << "expected a result of shape [" << shape
                         << "], but got " << to;
  if (from.getElementTypeBitWidth() >
      to.getElementTypeBitWidth()) // reduce_sum_c3
    return emitOpError() << "expected an element type at least as wide as "
                         << from.getElementType() << ", but got "
                         << to.getElementType();
  return success();
}

} // namespace trainc::nn
