//===- RowSlice.h - rows of a tensor as a view ------------------*- C++ -*-===//
//
// The one place that says which slices are views: consecutive rows (along
// dimension 0), whole in the other dimensions, from a byte offset at which a
// buffer may begin. So a slice needs no kernel, only another buffer.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_SUPPORT_ROWSLICE_H
#define TRAINC_COMPILER_SUPPORT_ROWSLICE_H

#include "compiler/support/BufferSize.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <optional>

namespace trainc {

/// Bytes between the beginning of `whole` and its row `row`.
inline int64_t rowOffsetBytes(mlir::ShapedType whole, int64_t row) {
  int64_t rows = std::max<int64_t>(whole.getDimSize(0), 1);
  return bufferSizeBytes(whole) / rows * row;
}

/// Where the slice begins in its source, in bytes, if it is a view.
inline std::optional<int64_t>
rowSliceOffsetBytes(mlir::tensor::ExtractSliceOp slice) {
  mlir::RankedTensorType source = slice.getSourceType(),
                         result = slice.getResultType();
  if (!result.hasStaticShape() || !source.hasStaticShape() ||
      result.getRank() != source.getRank() || source.getRank() == 0 ||
      source.getShape().drop_front() != result.getShape().drop_front())
    return std::nullopt;
  for (auto [d, offset, stride] :
       llvm::enumerate(slice.getStaticOffsets(), slice.getStaticStrides()))
    if (mlir::ShapedType::isDynamic(offset) || stride != 1 ||
        (d > 0 && offset != 0))
      return std::nullopt;
  int64_t offset_bytes = rowOffsetBytes(source, slice.getStaticOffsets()[0]);
  if (offset_bytes % kBufferAlignmentBytes != 0)
    return std::nullopt;
  return offset_bytes;
}

} // namespace trainc

#endif // TRAINC_COMPILER_SUPPORT_ROWSLICE_H
