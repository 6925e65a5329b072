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

/// `sum`, a tensor<f64>, plus the squares of `tile`'s elements, in
/// f64.
mlir::Value addSquares(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Value tile, mlir::Value sum);

/// Adds to `kernel` one destination tensor<workgroups x f64> per entry of
/// `results`, behind the others: element w is the sum, in f64, of the squares
/// of what workgroup w writes to that result. obstacleToSums must be empty for
/// each.
void addWorkgroupSums(plan::KernelOp kernel, llvm::ArrayRef<unsigned> results);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_WORKGROUPSUMS_H
