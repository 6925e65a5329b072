//===- Passes.td - passes of the optimizer stage --------------------------===//
#ifndef TRAINC_COMPILER_OPTIMIZER_PASSES_TD
#define TRAINC_COMPILER_OPTIMIZER_PASSES_TD

include "mlir/Pass/PassBase.td"

def ExpandUpdatePass : Pass<"trainc-expand-update", "::mlir::ModuleOp"> {
  let summary = "Replaces train.update by clipping, schedule and the rule over all parameters";
  let description = [{
    Reads the gradient states, measures their norm (written to
    `@metric.grad_norm`) and scales them by min(1, c/(norm + ε)) where clipping
    is asked for (training-semantics.md 4.6). The schedule gets the number of this
    update, from 1 (6.1); its value goes to `@metric.learning_rate`. Trainable
    parameters of one element type, weight decay (where the rule looks at it) and
    learning rate become a `train.group @sweep.<i>`, and so do their gradients
    (`@sweep.<i>.grad`), states (`@sweep.<i>.<state>`) and copies in 16 bits
    (`@sweep.<i>.copy`), which the update writes with them; the element region is
    cloned once per group. Region `matrix`, and any region with means, becomes passes
    (train.sweep) over parameters of one shape; train.orthogonalize becomes products,
    one parameter at a time. Optimizer states
    are created here: `@optimizer.updates`, `@optimizer.<scalar>`,
    `@<parameter>.<state>`. Sets the module attribute `train.metrics`.

    Where the norm is not finite, every variable is written what it held: a step
    is skipped whole. `train.scale_loss` goes: its scale is taken out of norm and
    gradients, and moves by its rule (training-semantics.md 5); `@metric.skipped` says
    whether this step was.
  }];
  let dependentDialects = ["::trainc::nn::NNDialect", "::trainc::train::TrainDialect"];
}

def ExpandInitializePass : Pass<"trainc-expand-initialize", "::mlir::ModuleOp"> {
  let summary = "Adds the program that gives parameters and states their start values";
  let description = [{
    `plan.program @initialize ["control.random"]`. A random parameter draws from a
    stream of its own, named by its external name, so that its values do not
    depend on which other parameters there are.
  }];
  let dependentDialects = ["::trainc::nn::NNDialect", "::trainc::train::TrainDialect",
                           "::trainc::plan::PlanDialect"];
}

def VerifyOptimizerPass : Pass<"trainc-verify-optimizer", "::mlir::ModuleOp"> {
  let summary = "Checks what holds after the optimizer stage";
  let description = [{
    No train.update; @apply writes every trainable parameter and no frozen one, and a
    parameter's copy with it;
    @initialize writes every parameter and optimizer state; external names are
    distinct.
  }];
}

#endif // TRAINC_COMPILER_OPTIMIZER_PASSES_TD
