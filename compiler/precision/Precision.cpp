//===- Precision.cpp - the precision stage's pipeline ---------------------===//

#include "compiler/precision/Precision.h"

#include "compiler/precision/Passes.h"
#include "mlir/Pass/PassManager.h"

namespace trainc::precision {

void registerPrecisionPasses() { registerGeneratedPrecisionPasses(); }

void buildPrecisionPipeline(mlir::OpPassManager &pm) {
  pm.addPass(createNarrowProgramsPass());
  pm.addPass(createVerifyPrecisionPass());
}

} // namespace trainc::precision
