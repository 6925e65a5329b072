//===- Bounds.h - operations whose launches may be left out -----*- C++ -*-===//
//
// Between the pass that decides that an operation need not always run and the
// ones that make it a launch, the operation names its bound by number: the
// attribute `fusion.bound`, an index into the program's one plan.bounds. What
// makes one operation of another passes the number on; operations of different
// numbers never share a kernel.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_BOUNDS_H
#define TRAINC_COMPILER_FUSION_BOUNDS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Operation.h"
#include <optional>

namespace trainc::fusion {

/// The number of the bound of `op`; none: its launch always runs.
std::optional<int64_t> boundOf(mlir::Operation *op);
void setBound(mlir::Operation *op, std::optional<int64_t> bound);

/// Adds a bound, made at `value`, to the program that `block` is.
int64_t addBound(mlir::Block &block, mlir::Value value);

/// The value of the bound of `op`, or null.
mlir::Value boundValueOf(mlir::Operation *op);

/// The same, and takes the numbers from all of `ops`, which have one bound:
/// they are about to become one launch, of a kernel that does not depend on it.
mlir::Value takeBound(llvm::ArrayRef<mlir::Operation *> ops);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_BOUNDS_H
