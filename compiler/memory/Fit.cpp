//===- Fit.cpp - what a step takes, before anything runs ------------------===//
//
// Decides what counts to which class of bytes: the arena's segments, with all
// that has no class of its own in `workspace`.
//
//===----------------------------------------------------------------------===//

#include "compiler/memory/Fit.h"

#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"

#include "llvm/Support/MathExtras.h"
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace mlir;

namespace trainc::memory {

static double flopsOf(plan::ProgramOp program, const SymbolTable &symbols) {
  double flops = 0;
  for (auto launch : program.getBody().getOps<plan::LaunchOp>())
    if (auto kernel = symbols.lookup<plan::KernelOp>(launch.getKernel()))
      flops += kernel.getFlops().convertToDouble();
  return flops;
}

FailureOr<FitReport> computeFit(ModuleOp module) {
  auto arenas = module.getOps<plan::ArenaOp>();
  if (arenas.empty())
    return module.emitError()
           << "expected a plan.arena, but got none; run the memory stage";
  FitReport report;
  for (auto parameter : module.getOps<train::ParameterOp>())
    report.parameters += parameter.getTensorType().getNumElements();

  for (plan::ArenaOp arena : arenas) {
    report.arena_bytes += arena.getSizeBytes();
    for (auto [name, size_bytes] :
         llvm::zip(arena.getSegmentNames().getAsValueRange<StringAttr>(),
                   arena.getSegmentSizes())) {
      if (name == "parameters")
        report.parameters_bytes += size_bytes;
      else if (name == "copies")
        report.copies_bytes += size_bytes;
      else if (name == "gradients")
        report.gradients_bytes += size_bytes;
      else if (name == "optimizer")
        report.optimizer_bytes += size_bytes;
      else if (name == "transient")
        report.activations_bytes += size_bytes;
    }
  }
  report.workspace_bytes = report.arena_bytes - report.parameters_bytes -
                           report.copies_bytes - report.gradients_bytes -
                           report.optimizer_bytes - report.activations_bytes;

  for (auto kernel : module.getOps<plan::KernelOp>())
    report.scratch_bytes_per_thread = std::max<int64_t>(
        report.scratch_bytes_per_thread, kernel.getScratchBytes().value_or(0));

  auto microBatches = module->getAttrOfType<IntegerAttr>("train.micro_batches");
  double repeats = microBatches ? microBatches.getInt() : 1;
  SymbolTable symbols(module);
  for (auto program : module.getOps<plan::ProgramOp>()) {
    StringRef name = program.getSymName();
    if (name == "count" || name == "accumulate")
      report.flops_per_step += repeats * flopsOf(program, symbols);
    else if (name == "apply")
      report.flops_per_step += flopsOf(program, symbols);
  }
  return report;
}

int64_t FitReport::predictedBytes() const {
  // The runtime keeps the scratch of threads on pages of their own.
  constexpr int64_t kPageBytes = 4096;
  return arena_bytes +
         threads * static_cast<int64_t>(
                       llvm::alignTo(scratch_bytes_per_thread, kPageBytes)) +
         overhead_bytes;
}

std::string fitTable(const FitReport &report) {
  std::string table;
  auto bytes = [&](const char *name, int64_t size_bytes) {
    table += fmt::format("{:<26}{:>16} bytes {:>11.2f} MiB\n", name, size_bytes,
                         static_cast<double>(size_bytes) / (1 << 20));
  };
  table += fmt::format("{:<26}{:>16}\n", "parameters", report.parameters);
  bytes("parameter memory", report.parameters_bytes);
  bytes("16-bit copies", report.copies_bytes);
  bytes("gradients", report.gradients_bytes);
  bytes("optimizer", report.optimizer_bytes);
  bytes("activations", report.activations_bytes);
  bytes("workspace", report.workspace_bytes);
  bytes("arena", report.arena_bytes);
  bytes("scratch per thread", report.scratch_bytes_per_thread);
  bytes("overhead", report.overhead_bytes);
  bytes(fmt::format("process of {} thread{}", report.threads,
                    report.threads == 1 ? "" : "s")
            .c_str(),
        report.predictedBytes());
  table += fmt::format("{:<26}{:>16.0f} ({:.3f} GFLOP)\n", "flops per step",
                       report.flops_per_step, report.flops_per_step / 1e9);
  return table;
}

std::string fitJson(const FitReport &report) {
  nlohmann::ordered_json json;
  json["parameters"] = report.parameters;
  json["arena_bytes"] = report.arena_bytes;
  json["scratch_bytes_per_thread"] = report.scratch_bytes_per_thread;
  json["threads"] = report.threads;
  json["overhead_bytes"] = report.overhead_bytes;
  json["predicted_bytes"] = report.predictedBytes();
  json["bytes"] = {{"parameters", report.parameters_bytes},
                   {"copies", report.copies_bytes},
                   {"gradients", report.gradients_bytes},
                   {"optimizer", report.optimizer_bytes},
                   {"activations", report.activations_bytes},
                   {"workspace", report.workspace_bytes}};
  json["flops_per_step"] = static_cast<uint64_t>(report.flops_per_step);
  return json.dump();
}

} // namespace trainc::memory
