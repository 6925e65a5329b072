//===- Fusion.h - the fusion stage --------------------------------*- C++
//-*-===//
//
// In: programs of nn operations. Out: kernels (linalg on tensors, distributed
// over workgroups by one scf.forall) and programs that are flat lists of
// launches. Decides what is computed together; not where anything lies.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_FUSION_H
#define TRAINC_COMPILER_FUSION_FUSION_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace trainc::fusion {

#define GEN_PASS_DECL
#include "compiler/fusion/Passes.h.inc"

void registerFusionPasses();

/// Canonicalisation, FuseLossGradient, ChunkVocabulary, Accumulate,
/// ExpandReductions, FuseElementwise, OutlineKernels, VerifyFusion.
void buildFusionPipeline(mlir::OpPassManager &manager);

/// Lowering rules of the nn dialect: ElementwiseOpInterface,
/// LowerableOpInterface, TiledOpInterface, RowwiseOpInterface and
/// AccumulatingOpInterface.
void registerFusionInterfaces(mlir::DialectRegistry &registry);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_FUSION_H
