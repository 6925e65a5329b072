//===- Optimizer.h - the optimizer stage --------------------------*- C++
//-*-===//
//
// Turns the update rule into ordinary nn operations of program @apply, and the
// parameters' initialisations into program @initialize.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_OPTIMIZER_OPTIMIZER_H
#define TRAINC_COMPILER_OPTIMIZER_OPTIMIZER_H

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace trainc::optimizer {

/// Makes the stage's passes known to trainc-opt.
void registerOptimizerPasses();

/// Adds the stage to a pipeline on modules.
void buildOptimizerPipeline(mlir::OpPassManager &pm);

} // namespace trainc::optimizer

#endif // TRAINC_COMPILER_OPTIMIZER_OPTIMIZER_H
