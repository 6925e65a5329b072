//===- Passes.td - passes of the autodiff stage ---------------------------===//
#ifndef TRAINC_COMPILER_AUTODIFF_PASSES_TD
#define TRAINC_COMPILER_AUTODIFF_PASSES_TD

include "mlir/Pass/PassBase.td"

def ExpandGradientPass : Pass<"trainc-expand-gradient", "::mlir::ModuleOp"> {
  let summary = "Replaces train.gradient and train.loss by the backward computation";
  let description = [{
    Reverse mode over the operations of a program through
    `DifferentiableOpInterface`. Each loss term's sum is seeded with weight / total
    count of the step (0 where that is 0), times the scale of `train.scale_loss`
    where there is one: `@optimizer.loss_scale` if it is dynamic. The scale that a step
    used is in `@metric.loss_scale`. Only values that depend on a trainable
    parameter get a gradient. `@grad.<parameter>` holds the sum over the
    micro-batches of the step, `@loss.<term>.sum` the same of the term's sum.
  }];
  let dependentDialects = ["::trainc::nn::NNDialect", "::trainc::train::TrainDialect"];
}

def VerifyAutodiffPass : Pass<"trainc-verify-autodiff", "::mlir::ModuleOp"> {
  let summary = "Checks what holds after the autodiff stage";
  let description = [{
    No train.gradient and no train.loss; where there are gradients, the accumulate
    program writes that of every trainable parameter, and frozen ones have none.
  }];
}

#endif // TRAINC_COMPILER_AUTODIFF_PASSES_TD
