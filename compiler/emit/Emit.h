//===- Emit.h - from the last IR to the bytes of a plan -----------*- C++
//-*-===//
//
// The emit stage: one plan from modules that codegen has finished, accepted by
// the runtime's own verifier before anyone sees it.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_EMIT_EMIT_H
#define TRAINC_COMPILER_EMIT_EMIT_H

#include "mlir/IR/BuiltinOps.h"
#include <cstdint>
#include <vector>

namespace trainc::emit {

/// Writes one plan (runtime/abi/plan.fbs) into `out`. `variants` holds at least
/// one module: the same model compiled for one target each; what variants share
/// (variables, inputs, loss terms, metrics, batch, recipe) must be equal. Equal
/// modules give equal bytes. Errors are diagnostics at the module that is
/// wrong, also when the runtime's verifier refuses the outcome; `out` is then
/// empty.
llvm::LogicalResult emitPlan(llvm::ArrayRef<mlir::ModuleOp> variants,
                             std::vector<uint8_t> &out);

} // namespace trainc::emit

#endif // TRAINC_COMPILER_EMIT_EMIT_H
