//===- ShapedUpdate.h - a rule with means over some parameters --*- C++ -*-===//
#ifndef TRAINC_COMPILER_OPTIMIZER_SHAPEDUPDATE_H
#define TRAINC_COMPILER_OPTIMIZER_SHAPEDUPDATE_H

#include "dialects/train/Train.h"
#include "mlir/IR/Builders.h"

namespace trainc::optimizer {

/// Parameters of one shape that one rule updates, as values of a program.
struct ShapedParameters {
  int64_t count, rows, columns;
  /// Per argument of the region: what a group of variables holds, or a scalar.
  llvm::SmallVector<mlir::Value> arguments;
  /// Per value that the region yields: the group that it goes to.
  llvm::SmallVector<mlir::StringAttr> variables;
  /// Factor of the gradient, a scalar; null for 1.
  mlir::Value gradientFactor;
  /// Whether variables change, a scalar i1: else they are written what they
  /// held.
  mlir::Value changes;
  /// The group of the parameters' copies in another type; null for none.
  mlir::StringAttr copy;
  mlir::Type copied;
};

/// Builds the passes (train.sweep) that `region` of `update` needs, and writes
/// the variables.
void buildShapedUpdate(mlir::OpBuilder &builder, train::UpdateOp update,
                       mlir::Region &region,
                       const ShapedParameters &parameters);

} // namespace trainc::optimizer

#endif // TRAINC_COMPILER_OPTIMIZER_SHAPEDUPDATE_H
