//===- Header.cpp - trainc header -----------------------------------------===//

#include "runtime/abi/PlanVerifier.h"
#include "tools/trainc/Commands.h"
#include "tools/trainc/OutputFile.h"
#include "tools/trainc/PlanHeader.h"

#include "llvm/Support/MemoryBuffer.h"
#include <fmt/format.h>

namespace trainc::tools {
namespace {

struct Options {
  std::string input, output, namespaceName;
};

int header(const Options &options) {
  if (!isNamespace(options.namespaceName))
    return fail(1, fmt::format("expected --namespace to be a name of C++, or "
                               "several joined by ::, but got '{}'",
                               options.namespaceName));
  auto file = llvm::MemoryBuffer::getFile(options.input, /*IsText=*/false,
                                          /*RequiresNullTerminator=*/false);
  if (!file)
    return fail(1, fmt::format("expected a plan at '{}', but got: {}",
                               options.input, file.getError().message()));
  llvm::StringRef bytes = (*file)->getBuffer();
  // The verifier wants aligned bytes; small files are read behind a header.
  std::vector<uint8_t> plan(bytes.bytes_begin(), bytes.bytes_end());
  if (Status status = abi::verifyPlan(plan.data(), plan.size()); !status.ok())
    return fail(status.exitStatus(),
                fmt::format("'{}': {}", options.input, status.message()));
  return writeFile(options.output, planHeader(plan, options.namespaceName));
}

} // namespace

void addHeaderCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *command = app.add_subcommand(
      "header", "Names, shapes and types of a plan as a C++ header");
  command->footer("Examples:\n"
                  "  trainc header tiny.plan -o tiny.h --namespace tiny\n"
                  "  trainc header tiny.plan --namespace my_app::model\n");
  command->add_option("plan", options->input, "PLAN")->required();
  command
      ->add_option("-o,--output", options->output,
                   "File to write (- for standard output)")
      ->default_val("-");
  command
      ->add_option("--namespace", options->namespaceName,
                   "Namespace of everything in the header")
      ->default_val("plan");
  command->callback(
      [options, &action] { action = [options] { return header(*options); }; });
}

} // namespace trainc::tools
