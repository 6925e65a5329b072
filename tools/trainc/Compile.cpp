//===- Compile.cpp - trainc compile ---------------------------------------===//

#include "compiler/emit/Emit.h"
#include "dialects/plan/Plan.h"
#include "tools/trainc/Commands.h"
#include "tools/trainc/OutputFile.h"

#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <fmt/format.h>

using namespace mlir;

namespace trainc::tools {
namespace {

struct Options {
  std::string input, output, emit = "plan", stopAfter;
  std::vector<std::string> targets, overrides;
  PipelineOptions pipeline;
};

std::string printModule(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module << '\n';
  return text;
}

int compile(Options &options) {
  if (!options.stopAfter.empty()) {
    auto stage = parseStage(options.stopAfter);
    if (!stage) {
      std::string names;
      for (const StageInfo &info : stages())
        names += (names.empty() ? "" : ", ") + info.name.str();
      return fail(1, fmt::format("expected a stage ({}), but got '{}'", names,
                                 options.stopAfter));
    }
    options.pipeline.stopAfter = *stage;
  }
  bool text =
      options.emit == "mlir" || options.pipeline.stopAfter != Stage::Emit;
  if (options.emit != "plan" && options.emit != "mlir")
    return fail(
        1,
        fmt::format(
            "expected --emit plan or mlir, but got '{}': it does not exist yet",
            options.emit));
  if (options.output.empty()) {
    if (!text)
      return fail(1, "expected -o OUT.plan, but got no output file");
    options.output = "-";
  }
  if (options.targets.empty())
    options.targets = {"cpu"};

  auto start = std::chrono::steady_clock::now();
  Compiler compiler;
  OwningOpRef<ModuleOp> module =
      loadInput(compiler.context, options.input, options.overrides);
  if (!module)
    return 1;
  SmallVector<OwningOpRef<ModuleOp>> variants;
  for (const std::string &target : options.targets) {
    if (!parseTarget(target, options.pipeline))
      return 1;
    variants.emplace_back(module.get().clone());
    if (failed(runStages(variants.back().get(), options.pipeline)))
      return 1;
  }
  if (text)
    return writeFile(options.output, printModule(variants.front().get()));
  SmallVector<ModuleOp> modules;
  for (auto &variant : variants)
    modules.push_back(variant.get());
  std::vector<uint8_t> bytes;
  if (failed(emit::emitPlan(modules, bytes)))
    return 1;
  int status =
      writeFile(options.output,
                llvm::StringRef(reinterpret_cast<const char *>(bytes.data()),
                                bytes.size()));
  if (status == 0 && options.output != "-") {
    std::chrono::duration<double> elapsed =
        std::chrono::steady_clock::now() - start;
    unsigned kernels =
        llvm::range_size(modules.front().getOps<plan::KernelOp>());
    llvm::errs() << fmt::format(
        "{}: {} kernels, {:.1f} kB, compiled in {:.1f} s\n", options.output,
        kernels, bytes.size() / 1e3, elapsed.count());
  }
  return status;
}

} // namespace

void addCompileCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *command =
      app.add_subcommand("compile", "Compile a recipe or module to a plan");
  std::string names;
  for (const StageInfo &info : stages())
    names += fmt::format("\n  {:<10} {}", info.name.str(), info.summary.str());
  command->footer(
      "Stages:" + names +
      "\n\nExamples:\n"
      "  trainc compile models/recipes/gpt2-124m.toml -o gpt2.plan\n"
      "  trainc compile models/recipes/tiny.toml --set batch.micro_batches=4 "
      "--stop-after autodiff\n");
  command->add_option("input", options->input, "RECIPE.toml or MODULE.mlir")
      ->required();
  command->add_option("-o,--output", options->output,
                      "File to write (- for standard output)");
  command
      ->add_option(
          "--target", options->targets,
          "cpu, cpu:MCPU or cpu:reference; several make several variants")
      ->allow_extra_args(false);
  command
      ->add_option("--set", options->overrides,
                   "section.key=value, over the recipe")
      ->allow_extra_args(false);
  command->add_option("--emit", options->emit, "plan or mlir")
      ->default_str("plan");
  command->add_option("--stop-after", options->stopAfter,
                      "Stop after a stage and print the IR");
  command->add_option("--dump-stages", options->pipeline.dumpDirectory,
                      "Write the IR after each stage into this folder");
  command->add_option("--jobs", options->pipeline.threads,
                      "Kernels compiled at a time (0: one per core)");
  command->add_flag("--verify-each", options->pipeline.verifyEach,
                    "Verify the IR after every pass");
  command->add_flag(
      "--remarks", options->pipeline.remarks,
      "Say for each product what was fused with it, or why nothing was");
  command->add_flag("--timing", options->pipeline.timing,
                    "Print the time of every pass");
  command->callback(
      [options, &action] { action = [options] { return compile(*options); }; });
}

} // namespace trainc::tools
