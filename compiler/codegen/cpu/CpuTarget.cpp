//===- CpuTarget.cpp - which instructions, and LLVM's part ----------------===//
//
// Decides the instruction level of a CPU and the attributes under which LLVM
// compiles: wide vectors, no builtins, so that loops do not become calls of
// memcpy.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/CpuTarget.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include <mutex>
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace llvm;

namespace trainc::codegen {

/// Features of each level that the runtime checks, beyond the 64-bit baseline.
static const char *const levelV3[] = {"avx",    "avx2",   "bmi",   "bmi2",
                                      "f16c",   "fma",    "movbe", "popcnt",
                                      "sse4.1", "sse4.2", "ssse3"};
static const char *const levelV4[] = {"avx512f", "avx512bw", "avx512cd",
                                      "avx512dq", "avx512vl"};

/// Linux gives tile registers to processes that ask for them, and a container
/// may forbid it: then the runtime could not run the plan
/// (runtime/plan/CpuFeatures.cpp asks again).
static bool systemGrantsTiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr long archReqXcompPerm = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, archReqXcompPerm, tileData) == 0;
#else
  return false;
#endif
}

static const Target *getTarget(const std::string &triple) {
  static std::once_flag once;
  std::call_once(once, [] {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
  });
  std::string error;
  return TargetRegistry::lookupTarget(Triple(triple), error);
}

Expected<CpuTarget> CpuTarget::get(StringRef cpu) {
  CpuTarget result;
  result.triple = "x86_64-unknown-linux-gnu";
  result.name = cpu.empty() ? sys::getHostCPUName().str() : cpu.str();
  const Target *target = getTarget(result.triple);
  if (!target)
    return createStringError("expected LLVM to have target " + result.triple +
                             ", but it has not; install an LLVM with X86");
  std::unique_ptr<MCSubtargetInfo> info(
      target->createMCSubtargetInfo(Triple(result.triple), "x86-64", ""));
  if (!info->isCPUStringValid(result.name))
    return createStringError("expected the name of an x86-64 CPU, but got '" +
                             result.name +
                             "'; `llc -mcpu=help` lists the names");
  info.reset(
      target->createMCSubtargetInfo(Triple(result.triple), result.name, ""));
  // A virtual machine may hide features of its CPU, or its CPU's name.
  StringMap<bool> host;
  if (cpu.empty())
    host = sys::getHostCPUFeatures();
  auto has = [&](StringRef feature) {
    return cpu.empty() ? host.lookup(feature)
                       : info->checkFeatures(("+" + feature).str());
  };
  for (const char *feature : levelV3) {
    if (!has(feature))
      return createStringError("expected a CPU with AVX2 and FMA, but got '" +
                               result.name + "', which lacks " + feature +
                               "; choose x86-64-v3 or newer");
    result.features.push_back(feature);
  }
  result.level = "x86-64-v3";
  if (all_of(levelV4, has)) {
    result.level = "x86-64-v4";
    result.features.insert(result.features.end(), std::begin(levelV4),
                           std::end(levelV4));
    // Intel's instruction for vectors is slower than the two multiply-adds
    // that it replaces: docs/decisions/precision.md.
    if (all_of(featuresOf(PairUnit::Tiles), has) &&
        (!cpu.empty() || systemGrantsTiles()))
      result.pairs = PairUnit::Tiles;
    else if (StringRef(result.name).starts_with("znver") &&
             all_of(featuresOf(PairUnit::Vectors), has))
      result.pairs = PairUnit::Vectors;
  }
  return result;
}

std::unique_ptr<TargetMachine> CpuTarget::createMachine() const {
  TargetOptions options;
  return std::unique_ptr<TargetMachine>(getTarget(triple)->createTargetMachine(
      Triple(triple), level, "", options, Reloc::PIC_, CodeModel::Small,
      CodeGenOptLevel::Aggressive));
}

/// What multiplies pairs of bfloat16 in a function.
static PairUnit pairUnit(const Function &function) {
  for (const BasicBlock &block : function)
    for (const Instruction &instruction : block) {
      const auto *call = dyn_cast<IntrinsicInst>(&instruction);
      if (!call)
        continue;
      if (call->getIntrinsicID() == Intrinsic::x86_avx512bf16_dpbf16ps_512)
        return PairUnit::Vectors;
      if (call->getIntrinsicID() == Intrinsic::x86_tdpbf16ps)
        return PairUnit::Tiles;
    }
  return PairUnit::None;
}

static void attachAttributes(Function &function, const CpuTarget &target) {
  function.addFnAttr("target-cpu", target.level);
  if (PairUnit pairs = pairUnit(function); pairs != PairUnit::None)
    function.addFnAttr("target-features", "+" + join(featuresOf(pairs), ",+"));
  function.addFnAttr("tune-cpu", target.name);
  function.addFnAttr("prefer-vector-width", target.hasAvx512() ? "512" : "256");
  function.addFnAttr("no-builtins");
  function.addFnAttr("no-trapping-math", "true");
  function.addFnAttr(Attribute::NoUnwind);
}

SmallVector<char, 0> compileToObject(Module &module, const CpuTarget &target,
                                     bool vectorize, bool unroll) {
  std::unique_ptr<TargetMachine> machine = target.createMachine();
  module.setTargetTriple(Triple(target.triple));
  module.setDataLayout(machine->createDataLayout());
  for (Function &function : module)
    if (!function.isDeclaration())
      attachAttributes(function, target);

  TargetLibraryInfoImpl library{Triple(target.triple)};
  library.disableAllFunctions();
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = tuning.LoopInterleaving =
      vectorize;
  tuning.LoopUnrolling = unroll;
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  PassBuilder builder(machine.get(), tuning);
  functions.registerPass([&] { return TargetLibraryAnalysis(library); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O3)
      .run(module, modules);

  SmallVector<char, 0> object;
  raw_svector_ostream stream(object);
  legacy::PassManager emitter;
  emitter.add(new TargetLibraryInfoWrapperPass(library));
  if (machine->addPassesToEmitFile(emitter, stream, nullptr,
                                   CodeGenFileType::ObjectFile))
    return {};
  emitter.run(module);
  return object;
}

} // namespace trainc::codegen
