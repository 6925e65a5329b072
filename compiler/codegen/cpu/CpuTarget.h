//===- CpuTarget.h - which instructions, and LLVM's part ----------*- C++
//-*-===//
//
// From the name of a CPU to LLVM's target machine, and from an LLVM module to
// an object file.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_CPUTARGET_H
#define TRAINC_COMPILER_CODEGEN_CPU_CPUTARGET_H

#include "compiler/codegen/cpu/ProductFunction.h"
#include "mlir/Support/LLVM.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>
#include <string>
#include <vector>

namespace trainc::codegen {

/// What code is compiled for. Instructions come from one of two levels,
/// x86-64-v3 (AVX2, FMA) and x86-64-v4 (AVX-512 F, BW, CD, DQ, VL), so that a
/// plan needs no feature that the runtime cannot check; the named CPU only
/// tunes. AMX-BF16 or AVX512_BF16 comes on top, in functions that multiply
/// bfloat16, on CPUs where that is faster; only plans with such a function
/// need it.
struct CpuTarget {
  std::string name;                  ///< as asked for, or this machine's
  std::string triple;                ///< "x86_64-unknown-linux-gnu"
  std::string level;                 ///< "x86-64-v3" or "x86-64-v4"
  std::vector<std::string> features; ///< what the runtime must check
  PairUnit pairs = PairUnit::None;   ///< may be used for bfloat16

  bool hasAvx512() const { return level == "x86-64-v4"; }
  VectorUnit vectorUnit() const {
    return hasAvx512() ? VectorUnit{64, 32, pairs} : VectorUnit{32, 16};
  }

  /// Errors: an unknown CPU, or one without AVX2 and FMA.
  static llvm::Expected<CpuTarget> get(llvm::StringRef cpu);

  /// A target machine; one per thread, because it is not shared safely.
  std::unique_ptr<llvm::TargetMachine> createMachine() const;
};

/// Optimises `module` in place and compiles it to an ELF object. Without
/// `vectorize` loops stay scalar, without `unroll` no loop is unrolled beyond
/// the vectoriser's interleaving.
llvm::SmallVector<char, 0> compileToObject(llvm::Module &module,
                                           const CpuTarget &target,
                                           bool vectorize, bool unroll);

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_CPUTARGET_H
