//===- Autodiff.h - the autodiff stage ----------------------------*- C++
//-*-===//
//
// Reverse-mode differentiation of nn (Griewank and Walther 2008, chapter 3):
// @accumulate's train.gradient becomes the backward computation. Rules are
// external models of DifferentiableOpInterface in rules/.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_AUTODIFF_AUTODIFF_H
#define TRAINC_COMPILER_AUTODIFF_AUTODIFF_H

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace trainc::autodiff {

/// Makes the stage's passes known to trainc-opt.
void registerAutodiffPasses();

/// Attaches the derivative rules to the operations of nn.
void registerAutodiffInterfaces(mlir::DialectRegistry &registry);

/// Adds the stage to a pipeline on modules.
void buildAutodiffPipeline(mlir::OpPassManager &pm);

} // namespace trainc::autodiff

#endif // TRAINC_COMPILER_AUTODIFF_AUTODIFF_H
