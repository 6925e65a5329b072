//===- Passes.td - passes of the precision stage --------------------------===//
#ifndef TRAINC_COMPILER_PRECISION_PASSES_TD
#define TRAINC_COMPILER_PRECISION_PASSES_TD

include "mlir/Pass/PassBase.td"

def NarrowProgramsPass : Pass<"trainc-narrow-programs", "::mlir::ModuleOp"> {
  let summary = "Lets programs keep and multiply 16-bit floats";
  let description = [{
    With `train.compute` "bfloat16" or "float16", in every program: operations with
    PrecisionOpInterface get 16-bit operands, and f32 values of two dimensions or more
    are rounded (nn.cast) where they lie in memory between kernels; each operation that
    computes in f32 widens what it reads. What one kernel will compute, by the
    interfaces that fusion asks, goes on unrounded. What variables are set to keeps its
    type, and so do statistics and sums.

    Parameters stay f32. Where 16 bits are wanted of one, a state `@<parameter>.bf16` (or
    `.f16`) of role `copy` is read instead; `plan.program @refresh []` makes all of
    them, and the optimizer stage lets the update write them.
  }];
  let dependentDialects = ["::trainc::nn::NNDialect", "::trainc::train::TrainDialect",
                           "::trainc::plan::PlanDialect"];
}

def VerifyPrecisionPass : Pass<"trainc-verify-precision", "::mlir::ModuleOp"> {
  let summary = "Checks that all float types are allowed by train.compute";
  let description = [{
    `train.compute` (default "float32") names the type of products and of what is
    kept between kernels. f32 is always allowed, and f64 for sums, scalars and modules
    written in f64. 16-bit types are refused with "float32"; otherwise only the one
    named is allowed: in casts, in operations that only move elements, where
    PrecisionOpInterface says so, and in copies of parameters.
  }];
}

#endif // TRAINC_COMPILER_PRECISION_PASSES_TD
