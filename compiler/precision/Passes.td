//===- Passes.td - passes of the precision stage --------------------------===//
#ifndef TRAINC_COMPILER_PRECISION_PASSES_TD
#define TRAINC_COMPILER_PRECISION_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifyPrecisionPass : Pass<"trainc-verify-precision", "::mlir::ModuleOp"> {
  let summary = "Checks that all float types are allowed by train.compute";
  let description = [{
    `train.compute` (default "float32") names the type of the recipe's
    computation. "float32" allows f32, and f64 for sums, scalars and modules
    written in f64; 16-bit types are refused, in the attribute and in the IR.
  }];
}

#endif // TRAINC_COMPILER_PRECISION_PASSES_TD
