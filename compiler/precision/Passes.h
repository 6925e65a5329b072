//===- Passes.h - the precision stage's passes -----------------------*- C++
//-*-===//
#ifndef TRAINC_COMPILER_PRECISION_PASSES_H
#define TRAINC_COMPILER_PRECISION_PASSES_H

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace trainc::precision {

#define GEN_PASS_DECL
#include "compiler/precision/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/precision/Passes.h.inc"

} // namespace trainc::precision

#endif // TRAINC_COMPILER_PRECISION_PASSES_H
