//===- VerifyAutodiff.cpp - what holds after the autodiff stage -----------===//

#include "compiler/autodiff/Passes.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace trainc::autodiff {

#define GEN_PASS_DEF_VERIFYAUTODIFFPASS
#include "compiler/autodiff/Passes.h.inc"

namespace {

struct VerifyAutodiffPass : impl::VerifyAutodiffPassBase<VerifyAutodiffPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    WalkResult walk = module.walk([](Operation *op) {
      if (!isa<train::GradientOp, train::LossOp>(op))
        return WalkResult::advance();
      op->emitOpError("expected none after the autodiff stage, but got one");
      return WalkResult::interrupt();
    });
    SymbolTable symbols(module);
    auto accumulate = symbols.lookup<plan::ProgramOp>("accumulate");
    if (walk.wasInterrupted() ||
        (accumulate && failed(verifyGradients(module, accumulate, symbols))))
      signalPassFailure();
  }

  LogicalResult verifyGradients(ModuleOp module, plan::ProgramOp accumulate,
                                SymbolTable &symbols) {
    // A module that only evaluates asks for no gradient: all or none.
    if (llvm::none_of(module.getOps<train::StateOp>(), [](train::StateOp s) {
          return s.getRole() == train::Role::Gradient;
        }))
      return success();
    llvm::StringSet<> written;
    for (auto write : accumulate.getOps<train::WriteOp>())
      written.insert(write.getSymbol());
    for (auto parameter : module.getOps<train::ParameterOp>()) {
      std::string name = gradientName(parameter.getSymName());
      auto state = symbols.lookup<train::StateOp>(name);
      bool hasGradient = state && state.getRole() == train::Role::Gradient &&
                         written.contains(name);
      if (parameter.getTrainable() && !hasGradient)
        return parameter.emitOpError()
               << "expected program @accumulate to write the gradient state @"
               << name << ", but it does not";
      if (!parameter.getTrainable() && state)
        return state.emitOpError()
               << "expected no gradient of a frozen parameter, but got one";
    }
    return success();
  }
};

} // namespace
} // namespace trainc::autodiff
