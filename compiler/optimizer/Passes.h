//===- Passes.h - the optimizer stage's passes -----------------------*- C++
//-*-===//
#ifndef TRAINC_COMPILER_OPTIMIZER_PASSES_H
#define TRAINC_COMPILER_OPTIMIZER_PASSES_H

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace trainc::optimizer {

#define GEN_PASS_DECL
#include "compiler/optimizer/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/optimizer/Passes.h.inc"

} // namespace trainc::optimizer

#endif // TRAINC_COMPILER_OPTIMIZER_PASSES_H
