//===- CpuFeatures.h - what this CPU can run ----------------------*- C++
//-*-===//
//
// Answers by CPUID and XGETBV, under LLVM's names of target features, so that
// `required_features` of a plan and the compiler's `+avx512f` mean the same.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_PLAN_CPUFEATURES_H
#define TRAINC_RUNTIME_PLAN_CPUFEATURES_H

#include <string_view>

namespace trainc {

/// True when this CPU and its operating system support the feature, e.g.
/// "avx2", "avx512bf16"; false for names that this runtime does not know. For
/// features of tiles ("amx-tile") asks the system to let the process use them.
bool cpuSupports(std::string_view feature);

} // namespace trainc

#endif // TRAINC_RUNTIME_PLAN_CPUFEATURES_H
