//===- Fit.cpp - trainc fit -----------------------------------------------===//

#include "compiler/memory/Fit.h"
#include "runtime/core/ProcessMemory.h"
#include "runtime/core/ThreadPool.h"
#include "tools/trainc/Commands.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace trainc::tools {
namespace {

struct Options {
  std::string input, target = "cpu";
  std::vector<std::string> overrides;
  bool json = false;
  int64_t threads = 0;
  PipelineOptions pipeline;
};

int fit(Options &options) {
  if (!parseTarget(options.target, options.pipeline))
    return 1;
  // Scratch is known once kernels are code; everything else after memory.
  options.pipeline.stopAfter = Stage::Codegen;
  Compiler compiler;
  OwningOpRef<ModuleOp> module =
      loadInput(compiler.context, options.input, options.overrides);
  if (!module || failed(runStages(module.get(), options.pipeline)))
    return 1;
  auto report = memory::computeFit(module.get());
  if (failed(report))
    return 1;
  report->threads = options.threads ? options.threads : allowedCpuCount();
  report->overhead_bytes = processOverheadBytes;
  llvm::outs() << (options.json ? memory::fitJson(*report)
                                : memory::fitTable(*report));
  return 0;
}

} // namespace

void addFitCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand(
      "fit", "Memory and work of a step, before anything runs");
  command->footer("Examples:\n"
                  "  trainc fit models/recipes/gpt2-124m.toml\n"
                  "  trainc fit models/recipes/gpt2-1.5b.toml --set "
                  "batch.sequences=1 --json\n");
  command->add_option("input", options->input, "RECIPE.toml or MODULE.mlir")
      ->required();
  command
      ->add_option("--target", options->target,
                   "cpu, cpu:MCPU or cpu:reference")
      ->default_str("cpu");
  command
      ->add_option("--set", options->overrides,
                   "section.key=value, over the recipe")
      ->allow_extra_args(false);
  command
      ->add_option("--threads", options->threads,
                   "Threads of the run (0: one per CPU of this machine)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "One JSON object");
  command->callback(
      [options, &action] { action = [options] { return fit(*options); }; });
}

} // namespace trainc::tools
