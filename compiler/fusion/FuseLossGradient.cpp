//===- FuseLossGradient.cpp - a loss and its gradient in one pass ---------===//
//
// Counts come first (decision 0004), so the gradient of a loss is known when
// the loss is: weight / count of the whole step. Then one kernel reads the
// logits once and may leave the gradient where they were.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/Rows.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_FUSELOSSGRADIENTPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

/// The gradient of `loss` for its logits, or null.
nn::CrossEntropyGradOp gradientOf(nn::CrossEntropyOp loss) {
  for (Operation *user : loss.getLse().getUsers())
    if (auto gradient = dyn_cast<nn::CrossEntropyGradOp>(user);
        gradient && gradient.getLogits() == loss.getLogits() &&
        gradient.getTargets() == loss.getTargets() &&
        gradient.getLse() == loss.getLse() &&
        gradient->getBlock() == loss->getBlock() &&
        gradient->getAttrDictionary() == loss->getAttrDictionary())
      return gradient;
  return {};
}

struct FuseLossGradientPass
    : impl::FuseLossGradientPassBase<FuseLossGradientPass> {
  void runOnOperation() override {
    SmallVector<nn::CrossEntropyOp> losses;
    getOperation().walk([&](nn::CrossEntropyOp op) { losses.push_back(op); });
    for (nn::CrossEntropyOp loss : losses)
      if (nn::CrossEntropyGradOp gradient = gradientOf(loss))
        fuse(loss, gradient);
  }

  void fuse(nn::CrossEntropyOp loss, nn::CrossEntropyGradOp gradient) {
    auto opts = remark::RemarkOpts::name("loss-gradient").category("fusion");
    if (!hoistBefore(gradient.getGradient(), loss)) {
      remark::missed(loss.getLoc(), opts)
          << "nn.cross_entropy and its gradient stay two kernels: what the "
             "gradient is multiplied with depends on the loss";
      return;
    }
    OpBuilder builder(loss);
    auto fused = nn::CrossEntropyWithGradOp::create(
        builder, loss.getLoc(), loss.getLoss().getType(),
        loss.getLse().getType(), gradient.getType(), gradient.getGradient(),
        loss.getLogits(), loss.getTargets(), loss.getIgnoreIndex(),
        loss.getLabelSmoothing(), loss.getZLoss());
    remark::passed(loss.getLoc(), opts)
        << "nn.cross_entropy and its gradient are one kernel";
    gradient.replaceAllUsesWith(fused.getResult());
    loss.replaceAllUsesWith(ValueRange{fused.getLoss(), fused.getLse()});
    gradient.erase();
    loss.erase();
  }
};

} // namespace
} // namespace trainc::fusion
