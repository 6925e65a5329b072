//===- ExpandReductions.cpp - sums over everything in two steps -----------===//

#include "compiler/fusion/Bounds.h"
#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/Tiles.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_EXPANDREDUCTIONSPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

/// Reshapes the elementwise producers of `value` that only it uses along with
/// it: returns `value` in `type`'s shape, computed there.
Value inShape(OpBuilder &builder, Value value, ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  auto reshaped = RankedTensorType::get(shape, type.getElementType());
  auto producer = value.getDefiningOp<nn::ElementwiseOpInterface>();
  bool same = producer && value.hasOneUse() && producer->getNumOperands() > 0 &&
              !producer.isFree();
  if (!same)
    return nn::ReshapeOp::create(builder, value.getLoc(), reshaped, value);
  SmallVector<Value> operands;
  Value previous, previousIn;
  for (Value operand : producer->getOperands()) {
    if (operand != previous) {
      previous = operand;
      previousIn = inShape(builder, operand, shape);
    }
    operands.push_back(previousIn);
  }
  Operation *clone = builder.clone(*producer.getOperation());
  clone->setOperands(operands);
  clone->getResult(0).setType(reshaped);
  return clone->getResult(0);
}

struct ExpandReductionsPass
    : impl::ExpandReductionsPassBase<ExpandReductionsPass> {
  void runOnOperation() override {
    SmallVector<nn::ReduceSumOp> large;
    getOperation().walk([&](nn::ReduceSumOp op) {
      if (op.getType().getRank() == 0 &&
          op.getInput().getType().getNumElements() > 2 * kTileElements)
        large.push_back(op);
    });
    for (nn::ReduceSumOp op : large) {
      int64_t size = op.getInput().getType().getNumElements();
      int64_t piece = largestDivisor(size, 4 * kTileElements);
      if (piece < 64)
        continue; // No even cut: one workgroup sums it all.
      OpBuilder builder(op);
      Value pieces = inShape(builder, op.getInput(), {size / piece, piece});
      auto partial =
          RankedTensorType::get(size / piece, op.getType().getElementType());
      Value partials =
          nn::ReduceSumOp::create(builder, op.getLoc(), partial, pieces,
                                  builder.getDenseI64ArrayAttr({1}));
      Value sum =
          nn::ReduceSumOp::create(builder, op.getLoc(), op.getType(), partials,
                                  builder.getDenseI64ArrayAttr({0}));
      for (Value made : {sum, sum.getDefiningOp()->getOperand(0)})
        setBound(made.getDefiningOp(), boundOf(op));
      Operation *producer = op.getInput().getDefiningOp();
      op.replaceAllUsesWith(sum);
      op.erase();
      // Producers recomputed in the new shape.
      while (producer && isOpTriviallyDead(producer)) {
        Operation *next = producer->getNumOperands()
                              ? producer->getOperand(0).getDefiningOp()
                              : nullptr;
        producer->erase();
        producer = next;
      }
    }
  }
};

} // namespace
} // namespace trainc::fusion
