//===- Fusion.cpp - the order of the fusion stage -------------------------===//

#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/Passes.h"

namespace trainc::fusion {

#define GEN_PASS_REGISTRATION
#include "compiler/fusion/Passes.h.inc"

void registerFusionPasses() { registerFusionStagePasses(); }

void buildFusionPipeline(mlir::OpPassManager &manager) {
  // Equal subcomputations (a broadcast per layer, the same scalar) become one
  // before groups form: afterwards they hide inside kernels.
  manager.addPass(mlir::createCanonicalizerPass());
  manager.addPass(mlir::createCSEPass());
  manager.addPass(createFuseLossGradientPass());
  manager.addPass(createChunkVocabularyPass());
  manager.addPass(createAccumulatePass());
  manager.addPass(createLeaveOutPass());
  // Before grouping, so that the producers of a large sum are absorbed in the
  // shape of its pieces.
  manager.addPass(createExpandReductionsPass());
  manager.addPass(createFuseElementwisePass());
  manager.addPass(createOutlineKernelsPass());
  // Only now is known which kernels write what is to be summed.
  manager.addPass(createLowerSumSquaresPass());
  manager.addPass(createVerifyFusionPass());
}

void registerFusionInterfaces(mlir::DialectRegistry &registry) {
  lowering::registerElementwiseLowering(registry);
  lowering::registerShapeLowering(registry);
  lowering::registerMatmulLowering(registry);
  lowering::registerLayerLowering(registry);
  lowering::registerNormLowering(registry);
  lowering::registerAttentionLowering(registry);
  lowering::registerLossLowering(registry);
  lowering::registerRowOrderLowering(registry);
  lowering::registerNoiseLowering(registry);
  lowering::registerScanLowering(registry);
  lowering::registerSweepLowering(registry);
  lowering::registerRowRules(registry);
}

} // namespace trainc::fusion
