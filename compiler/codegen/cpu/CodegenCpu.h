//===- CodegenCpu.h - bufferised kernels to machine code ----------*- C++
//-*-===//
//
// The code generation stage for CPUs. Before: plan.kernel bodies on memrefs
// with at most one top-level scf.forall. After: plan.code @cpu holds one flat
// position-independent image, and every plan.kernel has workgroups,
// scratch_bytes, entry_offset and abi_version; bodies stay as they were.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_CODEGENCPU_H
#define TRAINC_COMPILER_CODEGEN_CPU_CODEGENCPU_H

#include "mlir/Pass/PassManager.h"
#include <string>

namespace trainc::codegen {

struct CodegenCpuOptions {
  /// LLVM's name of the CPU ("znver4", "x86-64-v3"); empty: this machine's. It
  /// must have AVX2 and FMA.
  std::string cpu;
  /// Plain loops, no vectorisation, no fused or reordered arithmetic: what the
  /// optimised code is tested against.
  bool reference = false;
  /// Kernels compiled at a time; 0: one per core. Does not change the code.
  unsigned threads = 0;
};

/// Registers every pass of the stage, and the pipeline as `trainc-codegen-cpu`.
void registerCodegenCpuPasses();

/// Adds the stage's passes to a pass manager on modules.
void buildCodegenCpuPipeline(mlir::OpPassManager &pm,
                             const CodegenCpuOptions &options = {});

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_CODEGENCPU_H
