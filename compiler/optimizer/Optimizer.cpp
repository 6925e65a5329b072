//===- Optimizer.cpp - the optimizer stage's pipeline ---------------------===//

#include "compiler/optimizer/Optimizer.h"

#include "compiler/optimizer/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace trainc::optimizer {

void registerOptimizerPasses() { registerGeneratedOptimizerPasses(); }

void buildOptimizerPipeline(OpPassManager &pm) {
  pm.addPass(createExpandUpdatePass());
  pm.addPass(createExpandInitializePass());
  // Constants of the rule become constants of each parameter's shape.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createVerifyOptimizerPass());
}

} // namespace trainc::optimizer
