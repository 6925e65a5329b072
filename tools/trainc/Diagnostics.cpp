//===- Diagnostics.cpp - how trainc says what went wrong ------------------===//

#include "compiler/codegen/cpu/CpuTarget.h"
#include "tools/trainc/Commands.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/raw_ostream.h"
#include <fmt/format.h>

using namespace mlir;

namespace trainc::tools {

/// The first place in a location that names a file, or a layer, for people.
static std::string place(Location location) {
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return fmt::format("{}:{}:{}: ", file.getFilename().str(), file.getLine(),
                       file.getColumn());
  if (auto name = dyn_cast<NameLoc>(location)) {
    std::string inner = place(name.getChildLoc());
    return inner.empty() ? name.getName().str() + ": " : inner;
  }
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      if (std::string text = place(part); !text.empty())
        return text;
  if (auto call = dyn_cast<CallSiteLoc>(location))
    return place(call.getCallee());
  return {};
}

static DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registerTrainc(registry);
  return registry;
}

Compiler::Compiler() : context(makeRegistry()) {
  // People see what is wrong and where, not the whole module.
  context.printOpOnDiagnostic(false);
  context.getDiagEngine().registerHandler([](Diagnostic &diagnostic) {
    StringRef kind =
        diagnostic.getSeverity() == DiagnosticSeverity::Error     ? "error"
        : diagnostic.getSeverity() == DiagnosticSeverity::Warning ? "warning"
        : diagnostic.getSeverity() == DiagnosticSeverity::Remark  ? "remark"
                                                                  : "note";
    llvm::errs() << kind << ": " << place(diagnostic.getLocation())
                 << diagnostic << '\n';
    for (Diagnostic &note : diagnostic.getNotes())
      llvm::errs() << "note: " << place(note.getLocation()) << note << '\n';
    return success();
  });
  context.loadAllAvailableDialects();
}

bool parseTarget(const std::string &text, PipelineOptions &options) {
  StringRef target(text);
  auto [device, detail] = target.split(':');
  if (device != "cpu") {
    fail(1,
         fmt::format(
             "expected a target cpu, cpu:MCPU or cpu:reference, but got '{}'{}",
             text, device == "cuda" ? ": there is no CUDA back end yet" : ""));
    return false;
  }
  options.reference = detail == "reference";
  options.cpu = options.reference ? "" : detail.str();
  if (llvm::Error error = codegen::CpuTarget::get(options.cpu).takeError()) {
    fail(1, llvm::toString(std::move(error)));
    return false;
  }
  return true;
}

int fail(int status, const std::string &message) {
  llvm::errs() << "error: " << message << '\n';
  return status;
}

} // namespace trainc::tools
