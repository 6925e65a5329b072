//===- ShapeRules.cpp - derivatives of moving and reducing elements -------===//
//
// All are linear, so each rule is the adjoint map.
//
//===----------------------------------------------------------------------===//

#include "compiler/autodiff/rules/Rules.h"

using namespace mlir;

namespace trainc::autodiff {

// y = x in another shape: x' = g in the shape of x
static LogicalResult reshape(nn::ReshapeOp op, RuleContext &c) {
  c.set(0, c.build<nn::ReshapeOp>(op.getInput().getType(), c.gradient()));
  return success();
}

// dimension d of y is dimension p[d] of x: x' = g permuted by the inverse of p
static LogicalResult transpose(nn::TransposeOp op, RuleContext &c) {
  ArrayRef<int64_t> permutation = op.getPermutation();
  SmallVector<int64_t> inverse(permutation.size());
  for (auto [d, p] : llvm::enumerate(permutation))
    inverse[p] = d;
  c.set(0, c.build<nn::TransposeOp>(op.getInput().getType(), c.gradient(),
                                    inverse));
  return success();
}

// y repeats x along the other dimensions: x' = Σ of g over these
static LogicalResult broadcast(nn::BroadcastOp op, RuleContext &c) {
  SmallVector<int64_t> repeated;
  for (int64_t d = 0; d < op.getType().getRank(); ++d)
    if (!llvm::is_contained(op.getDimensions(), d))
      repeated.push_back(d);
  c.set(0, c.reduceSum(c.gradient(), repeated));
  return success();
}

// y = box of x: x' = g in that box, 0 elsewhere
static LogicalResult slice(nn::SliceOp op, RuleContext &c) {
  c.set(0, c.build<nn::PadOp>(op.getInput().getType(), c.gradient(),
                              op.getOffsets()));
  return success();
}

// y = x in a box of zeros: x' = that box of g
static LogicalResult pad(nn::PadOp op, RuleContext &c) {
  c.set(0, c.build<nn::SliceOp>(op.getInput().getType(), c.gradient(),
                                op.getOffsets()));
  return success();
}

// y₁…yₙ = parts of x: x' = g₁…gₙ joined, 0 for parts without gradient
static LogicalResult split(nn::SplitOp op, RuleContext &c) {
  SmallVector<Value> parts;
  for (auto [i, part] : llvm::enumerate(op.getParts()))
    parts.push_back(c.gradient(i) ? c.gradient(i) : c.splat(0, part));
  c.set(0, c.build<nn::ConcatOp>(op.getInput().getType(), parts));
  return success();
}

// y = x₁…xₙ joined: xᵢ' = part i of g
static LogicalResult concat(nn::ConcatOp op, RuleContext &c) {
  auto parts = c.build<nn::SplitOp>(op.getParts().getTypes(), c.gradient());
  for (auto [i, part] : llvm::enumerate(parts.getParts()))
    c.set(i, part);
  return success();
}

// y = Σ of x over dimensions, perhaps in a wider type: x' = g in the type of x,
// repeated along these
static LogicalResult reduceSum(nn::ReduceSumOp op, RuleContext &c) {
  Value narrow = c.castLike(c.gradient(), op.getInput());
  c.set(0, c.broadcastAlong(narrow, op.getDimensions(), op.getInput()));
  return success();
}

void registerShapeRules(MLIRContext *context) {
  attach<reshape, transpose, broadcast, slice, pad, split, concat, reduceSum>(
      context);
}

} // namespace trainc::autodiff
