//===- Passes.td - passes of the objective stage --------------------------===//
#ifndef TRAINC_COMPILER_OBJECTIVE_PASSES_TD
#define TRAINC_COMPILER_OBJECTIVE_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifyCountsPass : Pass<"trainc-verify-counts", "::mlir::ModuleOp"> {
  let summary = "Checks the loss terms of train.step";
  let description = [{
    There is at least one term, and no count depends on a parameter, a state or
    noise. So counts of all micro-batches of a step are known before its first
    backward pass (training-semantics.md 3.1).
  }];
}

def ExpandStepPass : Pass<"trainc-expand-step", "::mlir::ModuleOp"> {
  let summary = "Slices train.step into programs";
  let description = [{
    * `count`: adds each term's count of a micro-batch to `@loss.<term>.count`,
      which micro-batch 0 overwrites.
    * `accumulate`: forward computation, loss terms and `train.gradient`.
    * `evaluate`: writes `@loss.<term>.evaluate_sum` and `.evaluate_count`, without
      noise.
    * `predict`: writes an output state per `train.output`, without noise.
    * `apply`: `train.update`.

    Each keeps only the operations and inputs that its results need. The terms
    are listed in the module's attribute `train.loss_terms`.
  }];
  let dependentDialects = ["::trainc::nn::NNDialect", "::trainc::plan::PlanDialect"];
}

def LimitInputsPass : Pass<"trainc-limit-inputs", "::mlir::ModuleOp"> {
  let summary = "Finds what the values of integer inputs must be below";
  let description = [{
    Indices of operations with IndexingOpInterface are elements of an input or of a
    constant that is inside. The module's attribute `train.input_limits` has for each
    such input the smallest `limit` of its uses, and the value that all of them
    `ignore`, if there is one. The runtime checks every batch against it.
  }];
}

def VerifyObjectivePass : Pass<"trainc-verify-objective", "::mlir::ModuleOp"> {
  let summary = "Checks what holds after the objective stage";
  let description = [{
    No train.step; one or more loss terms, all in @accumulate and with their
    states; @count reads nothing but counts; no noise outside @accumulate.
  }];
}

#endif // TRAINC_COMPILER_OBJECTIVE_PASSES_TD
