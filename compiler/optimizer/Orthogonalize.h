//===- Orthogonalize.h - Newton-Schulz steps as products --------*- C++ -*-===//
#ifndef TRAINC_COMPILER_OPTIMIZER_ORTHOGONALIZE_H
#define TRAINC_COMPILER_OPTIMIZER_ORTHOGONALIZE_H

#include "dialects/train/Train.h"
#include "mlir/IR/Builders.h"

namespace trainc::optimizer {

/// What `op` makes of the elements of one matrix, a tensor<1 x rows·columns>;
/// in the same type.
mlir::Value orthogonalize(mlir::OpBuilder &builder, train::OrthogonalizeOp op,
                          mlir::Value elements, int64_t rows, int64_t columns);

} // namespace trainc::optimizer

#endif // TRAINC_COMPILER_OPTIMIZER_ORTHOGONALIZE_H
