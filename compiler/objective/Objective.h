//===- Objective.h - the objective stage ------------------------*- C++ -*-===//
//
// Cuts train.step into the programs that the step loop runs: @count,
// @accumulate, @apply, @evaluate and @predict, each with only what it needs.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_OBJECTIVE_OBJECTIVE_H
#define TRAINC_COMPILER_OBJECTIVE_OBJECTIVE_H

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace trainc::objective {

/// Makes the stage's passes known to trainc-opt.
void registerObjectivePasses();

/// Adds the stage to a pipeline on modules.
void buildObjectivePipeline(mlir::OpPassManager &pm);

} // namespace trainc::objective

#endif // TRAINC_COMPILER_OBJECTIVE_OBJECTIVE_H
