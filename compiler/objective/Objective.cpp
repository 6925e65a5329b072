//===- Objective.cpp - the objective stage's pipeline ---------------------===//

#include "compiler/objective/Objective.h"

#include "compiler/objective/Passes.h"
#include "mlir/Pass/PassManager.h"

namespace trainc::objective {

void registerObjectivePasses() { registerGeneratedObjectivePasses(); }

void buildObjectivePipeline(mlir::OpPassManager &pm) {
  pm.addPass(createVerifyCountsPass());
  pm.addPass(createExpandStepPass());
  pm.addPass(createLimitInputsPass());
  pm.addPass(createVerifyObjectivePass());
}

} // namespace trainc::objective
