//===- WorkgroupSums.h - sums of squares of what workgroups write -*- C++
//-*-===//
#ifndef TRAINC_COMPILER_FUSION_WORKGROUPSUMS_H
#define TRAINC_COMPILER_FUSION_WORKGROUPSUMS_H

#include "dialects/plan/Plan.h"
#include "mlir/IR/Builders.h"
#include <string>

namespace trainc::fusion {

/// Workgroups of a kernel on tensors.
int64_t workgroupsOf(plan::KernelOp kernel);

/// Why the workgroups of `kernel` cannot sum the squares of what they write to
/// destination `result`; empty where they can.
std::string obstacleToSums(plan::KernelOp kernel, unsigned result);

/// Whether `kernel` changes destination `result` at some places only, so that
/// its sums are what that adds to the squares of what was there before.
bool sumsChanges(plan::KernelOp kernel, unsigned result);

/// `sum`, a tensor<f64>, plus the squares of `tile`'s elements, or minus them,
/// in f64.
mlir::Value addSquares(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Value tile, mlir::Value sum, bool minus = false);

/// Adds to `kernel` one destination tensor<workgroups x f64> per entry of
/// `results`, behind the others: element w is the sum, in f64, of the squares
/// of what workgroup w writes to that result, or what its changes add to it.
/// obstacleToSums must be empty for each.
void addWorkgroupSums(plan::KernelOp kernel, llvm::ArrayRef<unsigned> results);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_WORKGROUPSUMS_H
