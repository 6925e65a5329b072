//===- MemorySweep.h - loops that wait for memory alone ---------*- C++ -*-===//
//
// Decides which loops ask for cache lines ahead of their use, and how far
// ahead: elementwise ones over buffers that no cache holds, as an optimizer's
// update is. The processor's own guess is enough for one stream, but not for
// four that are read and three of them written.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_MEMORYSWEEP_H
#define TRAINC_COMPILER_CODEGEN_CPU_MEMORYSWEEP_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <optional>

namespace trainc::codegen {

/// An elementwise loop of one dimension over buffers in memory.
struct MemorySweep {
  /// Elements between two requests: whole lines of every stream, and whole
  /// vectors of the loop between them.
  static constexpr int64_t kBlock = 64;

  llvm::SmallVector<mlir::Value> streams; ///< the buffers, rank 1, contiguous
  int64_t ahead; ///< elements from those in use to those asked for
};

std::optional<MemorySweep> findMemorySweep(mlir::linalg::GenericOp op);

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_MEMORYSWEEP_H
