//===- Lowering.h - lowering rules of nn, one file per category ---*- C++
//-*-===//
#ifndef TRAINC_COMPILER_FUSION_LOWERING_LOWERING_H
#define TRAINC_COMPILER_FUSION_LOWERING_LOWERING_H

#include "mlir/IR/DialectRegistry.h"

namespace trainc::fusion::lowering {

void registerElementwiseLowering(mlir::DialectRegistry &registry);
void registerShapeLowering(mlir::DialectRegistry &registry);
void registerMatmulLowering(mlir::DialectRegistry &registry);
void registerLayerLowering(mlir::DialectRegistry &registry);
void registerNormLowering(mlir::DialectRegistry &registry);
void registerAttentionLowering(mlir::DialectRegistry &registry);
void registerLossLowering(mlir::DialectRegistry &registry);
void registerRowOrderLowering(mlir::DialectRegistry &registry);
void registerNoiseLowering(mlir::DialectRegistry &registry);
void registerScanLowering(mlir::DialectRegistry &registry);
void registerSweepLowering(mlir::DialectRegistry &registry);
/// RowwiseOpInterface, of operations that are not elementwise.
void registerRowRules(mlir::DialectRegistry &registry);

} // namespace trainc::fusion::lowering

#endif // TRAINC_COMPILER_FUSION_LOWERING_LOWERING_H
