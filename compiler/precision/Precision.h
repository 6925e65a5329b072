//===- Precision.h - the precision stage --------------------------*- C++
//-*-===//
//
// Decides the type of every value: recipes are built in f32; with 16 bits,
// products and what lies in memory between kernels become narrow.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_PRECISION_PRECISION_H
#define TRAINC_COMPILER_PRECISION_PRECISION_H

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace trainc::precision {

/// Makes the stage's passes known to trainc-opt.
void registerPrecisionPasses();

/// Attaches the rules of operations.
void registerPrecisionInterfaces(mlir::DialectRegistry &registry);

/// Adds the stage to a pipeline on modules.
void buildPrecisionPipeline(mlir::OpPassManager &pm);

} // namespace trainc::precision

#endif // TRAINC_COMPILER_PRECISION_PRECISION_H
