//===- Precision.h - the precision stage --------------------------*- C++
//-*-===//
//
// Decides the type of every value. For now there is one policy, float32, in
// which recipes are built already: the stage checks it and refuses others.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_PRECISION_PRECISION_H
#define TRAINC_COMPILER_PRECISION_PRECISION_H

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace trainc::precision {

/// Makes the stage's passes known to trainc-opt.
void registerPrecisionPasses();

/// Adds the stage to a pipeline on modules.
void buildPrecisionPipeline(mlir::OpPassManager &pm);

} // namespace trainc::precision

#endif // TRAINC_COMPILER_PRECISION_PRECISION_H
