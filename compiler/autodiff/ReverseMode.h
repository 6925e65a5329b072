//===- ReverseMode.h - gradients backward through a block ---------*- C++
//-*-===//
//
// Decides which values of a block get a gradient and in which order: forward, a
// value is active if it depends on one that is; backward, gradients are carried
// to active operands only, in reverse order of the operations. Programs and the
// bodies of operations with regions are differentiated by it alike.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_AUTODIFF_REVERSEMODE_H
#define TRAINC_COMPILER_AUTODIFF_REVERSEMODE_H

#include "dialects/nn/Nn.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace trainc::autodiff {

class ReverseMode {
public:
  /// Gradients are built at `builder`.
  explicit ReverseMode(mlir::OpBuilder &builder) : builder(builder) {}

  /// `value` has a gradient.
  void activate(mlir::Value value) { active.insert(value); }
  /// Float results of `op` are active where an operand is.
  void spread(mlir::Operation &op);
  bool isActive(mlir::Value value) const { return active.contains(value); }

  /// Adds to the gradient of `value`.
  void accumulate(mlir::Value value, mlir::Value gradient);
  /// Null where none has arrived.
  mlir::Value gradientOf(mlir::Value value) const {
    return gradients.lookup(value);
  }

  /// Carries gradients through `forward`, in program order, to its operands.
  llvm::LogicalResult propagate(llvm::ArrayRef<mlir::Operation *> forward);

private:
  mlir::OpBuilder &builder;
  llvm::DenseSet<mlir::Value> active;
  llvm::DenseMap<mlir::Value, mlir::Value> gradients;
};

} // namespace trainc::autodiff

#endif // TRAINC_COMPILER_AUTODIFF_REVERSEMODE_H
