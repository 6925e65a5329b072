//===- VerifyOptimizer.cpp - what holds after the optimizer stage ---------===//

#include "compiler/optimizer/Passes.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace trainc::optimizer {

#define GEN_PASS_DEF_VERIFYOPTIMIZERPASS
#include "compiler/optimizer/Passes.h.inc"

namespace {

/// Variables that a program writes, by themselves or in a group.
llvm::StringSet<> writtenBy(plan::ProgramOp program) {
  llvm::StringSet<> names;
  for (auto write : program.getOps<train::WriteOp>()) {
    auto group = SymbolTable::lookupNearestSymbolFrom<train::GroupOp>(
        program, write.getSymbolAttr());
    if (!group)
      names.insert(write.getSymbol());
    else
      for (auto member : group.getMembers().getAsRange<FlatSymbolRefAttr>())
        names.insert(member.getValue());
  }
  return names;
}

LogicalResult verifyApply(ModuleOp module, plan::ProgramOp apply) {
  llvm::StringSet<> written = writtenBy(apply);
  for (auto parameter : module.getOps<train::ParameterOp>())
    if (parameter.getTrainable() != written.contains(parameter.getSymName()))
      return parameter.emitOpError()
             << "expected program @apply to write "
             << (parameter.getTrainable() ? "every trainable parameter"
                                          : "no frozen parameter")
             << ", but it "
             << (parameter.getTrainable() ? "does not write" : "writes")
             << " this one";
  for (auto state : module.getOps<train::StateOp>())
    if (state.getRole() == train::Role::Copy &&
        written.contains(*state.getParameter()) !=
            written.contains(state.getSymName()))
      return state.emitOpError()
             << "expected program @apply to write the copy with its parameter, "
                "but it writes one of them only";
  return success();
}

LogicalResult verifyInitialize(ModuleOp module, plan::ProgramOp initialize) {
  if (!initialize)
    return module.emitError("expected a program @initialize, but got none");
  llvm::StringSet<> written = writtenBy(initialize);
  llvm::StringMap<Operation *> externalNames;
  auto verify = [&](Operation *op, StringRef symbol,
                    StringRef external) -> LogicalResult {
    if (!written.contains(symbol))
      return op->emitOpError() << "expected program @initialize to write this, "
                                  "but it does not";
    if (auto [it, fresh] = externalNames.try_emplace(external, op); !fresh)
      return op->emitOpError() << "expected distinct external names, but got '"
                               << external << "' twice";
    return success();
  };
  for (Operation &op : *module.getBody()) {
    if (auto parameter = dyn_cast<train::ParameterOp>(op))
      if (failed(
              verify(&op, parameter.getSymName(), parameter.getExternalName())))
        return failure();
    if (auto state = dyn_cast<train::StateOp>(op))
      if (state.getRole() == train::Role::Optimizer &&
          failed(verify(&op, state.getSymName(), *state.getExternalName())))
        return failure();
  }
  return success();
}

struct VerifyOptimizerPass
    : impl::VerifyOptimizerPassBase<VerifyOptimizerPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    WalkResult walk = module.walk([](train::UpdateOp op) {
      op.emitOpError("expected none after the optimizer stage, but got one");
      return WalkResult::interrupt();
    });
    if (walk.wasInterrupted())
      return signalPassFailure();
    SymbolTable symbols(module);
    auto apply = symbols.lookup<plan::ProgramOp>("apply");
    if ((apply && failed(verifyApply(module, apply))) ||
        failed(verifyInitialize(module,
                                symbols.lookup<plan::ProgramOp>("initialize"))))
      signalPassFailure();
  }
};

} // namespace
} // namespace trainc::optimizer
