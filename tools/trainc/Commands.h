//===- Commands.h - the subcommands of trainc ---------------------*- C++
//-*-===//
//
// Each command adds itself to the command line and returns its exit status: 1
// for the user's error, 2 for a damaged file, 3 for the system's.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINC_COMMANDS_H
#define TRAINC_TOOLS_TRAINC_COMMANDS_H

#include "compiler/pipeline/Pipeline.h"
#include "mlir/IR/MLIRContext.h"
#include <CLI/CLI.hpp>
#include <functional>

namespace trainc::tools {

/// What main runs after parsing.
using Action = std::function<int()>;

void addCompileCommand(CLI::App &app, Action &action);
void addFitCommand(CLI::App &app, Action &action);
void addHeaderCommand(CLI::App &app, Action &action);

/// A context with everything registered that reports diagnostics as
/// "error: file:line: expected …, but got …" on stderr.
class Compiler {
public:
  Compiler();
  mlir::MLIRContext context;
};

/// "cpu", "cpu:MCPU", "cpu:reference" → options.cpu and options.reference.
/// False after an error on stderr.
bool parseTarget(const std::string &text, PipelineOptions &options);

/// Prints "error: message" on stderr and returns `status`.
int fail(int status, const std::string &message);

} // namespace trainc::tools

#endif // TRAINC_TOOLS_TRAINC_COMMANDS_H
