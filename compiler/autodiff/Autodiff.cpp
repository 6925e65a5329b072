//===- Autodiff.cpp - the autodiff stage's pipeline -----------------------===//

#include "compiler/autodiff/Autodiff.h"

#include "compiler/autodiff/Passes.h"
#include "compiler/autodiff/rules/Rules.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace trainc::autodiff {

void registerAutodiffPasses() { registerGeneratedAutodiffPasses(); }

void registerAutodiffInterfaces(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    registerElementwiseRules(context);
    registerShapeRules(context);
    registerLayerRules(context);
    registerLossRules(context);
    registerNoiseRules(context);
    registerScanRules(context);
  });
}

void buildAutodiffPipeline(OpPassManager &pm) {
  pm.addPass(createExpandGradientPass());
  // Rules build freely; what they leave unused or twice goes here.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createVerifyAutodiffPass());
}

} // namespace trainc::autodiff
