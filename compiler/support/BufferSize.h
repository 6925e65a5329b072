//===- BufferSize.h - bytes of a buffer ---------------------------*- C++
//-*-===//
//
// The one place that says how many bytes a static shaped type takes in an arena
// and how offsets are aligned; the runtime's verifier computes the same.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_SUPPORT_BUFFERSIZE_H
#define TRAINC_COMPILER_SUPPORT_BUFFERSIZE_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"
#include <cstdint>

namespace trainc {

/// Alignment of every buffer, in bytes (TRAINC_BUFFER_ALIGNMENT of the ABI).
inline constexpr int64_t kBufferAlignmentBytes = 64;

/// Bytes of a static shaped type, dense and row-major; i1 takes one byte.
inline int64_t bufferSizeBytes(mlir::ShapedType type) {
  return type.getNumElements() * static_cast<int64_t>(llvm::divideCeil(
                                     type.getElementTypeBitWidth(), 8));
}

/// The smallest legal offset at or after `offset_bytes`.
inline int64_t alignedOffset(int64_t offset_bytes) {
  return static_cast<int64_t>(
      llvm::alignTo(offset_bytes, kBufferAlignmentBytes));
}

} // namespace trainc

#endif // TRAINC_COMPILER_SUPPORT_BUFFERSIZE_H
