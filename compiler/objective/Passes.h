//===- Passes.h - the objective stage's passes ------------------*- C++ -*-===//
#ifndef TRAINC_COMPILER_OBJECTIVE_PASSES_H
#define TRAINC_COMPILER_OBJECTIVE_PASSES_H

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace trainc::objective {

#define GEN_PASS_DECL
#include "compiler/objective/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/objective/Passes.h.inc"

/// Name of a loss term's state: "loss.<term>.<part>".
inline std::string lossName(llvm::StringRef term, llvm::StringRef part) {
  return ("loss." + term + "." + part).str();
}

} // namespace trainc::objective

#endif // TRAINC_COMPILER_OBJECTIVE_PASSES_H
