//===- Passes.h - the autodiff stage's passes ---------------------*- C++
//-*-===//
#ifndef TRAINC_COMPILER_AUTODIFF_PASSES_H
#define TRAINC_COMPILER_AUTODIFF_PASSES_H

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace trainc::autodiff {

#define GEN_PASS_DECL
#include "compiler/autodiff/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/autodiff/Passes.h.inc"

/// Name of the state that holds the gradient of the parameter `symbol`.
inline std::string gradientName(llvm::StringRef symbol) {
  return ("grad." + symbol).str();
}

} // namespace trainc::autodiff

#endif // TRAINC_COMPILER_AUTODIFF_PASSES_H
