//===- VerifyObjective.cpp - what holds after the objective stage ---------===//

#include "compiler/objective/Passes.h"

using namespace mlir;

namespace trainc::objective {

#define GEN_PASS_DEF_VERIFYOBJECTIVEPASS
#include "compiler/objective/Passes.h.inc"

namespace {

struct VerifyObjectivePass
    : impl::VerifyObjectivePassBase<VerifyObjectivePass> {
  void runOnOperation() override {
    if (failed(verifyModule(getOperation())))
      signalPassFailure();
  }

  LogicalResult verifyModule(ModuleOp module) {
    for (auto step : module.getOps<train::StepOp>())
      return step.emitOpError(
          "expected none after the objective stage, but got one");
    SymbolTable symbols(module);
    auto terms = module->getAttrOfType<ArrayAttr>("train.loss_terms");
    if (!terms || terms.empty())
      return module.emitError("expected at least one loss term in "
                              "train.loss_terms, but got none");
    for (llvm::StringRef name : {"count", "accumulate", "evaluate"})
      if (!symbols.lookup<plan::ProgramOp>(name))
        return module.emitError("expected program @")
               << name << ", but got a module without it";
    auto losses =
        symbols.lookup<plan::ProgramOp>("accumulate").getOps<train::LossOp>();
    if (std::distance(losses.begin(), losses.end()) !=
        static_cast<ptrdiff_t>(terms.size()))
      return module.emitError("expected ")
             << terms.size() << " terms of train.loss_terms in @accumulate, "
             << "but got " << std::distance(losses.begin(), losses.end());
    for (train::LossOp loss : losses)
      for (llvm::StringRef part :
           {"sum", "count", "evaluate_sum", "evaluate_count"})
        if (!symbols.lookup<train::StateOp>(lossName(loss.getName(), part)))
          return loss.emitOpError("expected state @")
                 << lossName(loss.getName(), part)
                 << ", but got a module without it";
    for (auto read :
         symbols.lookup<plan::ProgramOp>("count").getOps<train::ReadOp>())
      if (!read.getSymbol().starts_with("loss.") ||
          !read.getSymbol().ends_with(".count"))
        return read.emitOpError(
                   "expected @count to read counts only, but got @")
               << read.getSymbol();
    return verifyNoise(module);
  }

  /// Noise takes counters; without the argument there can be none.
  LogicalResult verifyNoise(ModuleOp module) {
    for (auto program : module.getOps<plan::ProgramOp>())
      if (program.getSymName() != "accumulate")
        for (auto name : program.getInputs().getAsValueRange<StringAttr>())
          if (name == train::kControlRandom)
            return program.emitOpError(
                "expected noise in @accumulate only, but got input "
                "\"control.random\"");
    return success();
  }
};

} // namespace
} // namespace trainc::objective
