//===- Memory.h - the memory stage --------------------------------*- C++
//-*-===//
//
// From launches on tensors to launches on buffers: kernels bufferised once,
// every value given a place in one arena.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_MEMORY_MEMORY_H
#define TRAINC_COMPILER_MEMORY_MEMORY_H

#include "dialects/plan/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace trainc::memory {

#define GEN_PASS_DECL
#include "compiler/memory/Passes.h.inc"

/// For trainc-opt: every pass of the stage under its flag.
void registerMemoryPasses();

/// Adds the stage to a pass manager of a module. Input: the fusion stage's
/// output. Output: as VerifyMemoryContract says.
void buildMemoryPipeline(mlir::OpPassManager &pm);

/// Upstream external models (bufferization, subset operations) that the stage's
/// passes act through. Call it before the context loads dialects.
void registerMemoryInterfaces(mlir::DialectRegistry &registry);

} // namespace trainc::memory

#endif // TRAINC_COMPILER_MEMORY_MEMORY_H
