//===- ExpandUpdate.cpp - the update rule as tensor code ------------------===//
//
// Decides the order: groups of parameters, then what is computed once per
// update, then the parameters' updates.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/UpdateExpander.h"

using namespace mlir;

namespace trainc::optimizer {

#define GEN_PASS_DEF_EXPANDUPDATEPASS
#include "compiler/optimizer/Passes.h.inc"

LogicalResult UpdateExpander::run() {
  auto module = update->getParentOfType<ModuleOp>();
  if (!program)
    return update.emitOpError()
           << "expected train.update in a plan.program after the objective "
              "stage, but got it elsewhere";
  findCopies(module);
  if (failed(formSweeps(module)) || failed(readScale()) ||
      failed(measureNorm()) || failed(runSchedule()) || failed(runStep()))
    return failure();
  for (const Sweep &sweep : sweeps)
    if (failed(updateParameters(sweep)))
      return failure();
  SmallVector<StringRef> metrics{"learning_rate", "grad_norm"};
  if (scaling) {
    if (failed(updateScale()))
      return failure();
    metrics.append({"loss_scale", "skipped"});
  }
  module->setAttr("train.metrics", builder.getStrArrayAttr(metrics));
  update.erase();
  return success();
}

namespace {

struct ExpandUpdatePass : impl::ExpandUpdatePassBase<ExpandUpdatePass> {
  void runOnOperation() override {
    SmallVector<train::UpdateOp> updates;
    getOperation().walk([&](train::UpdateOp op) { updates.push_back(op); });
    if (updates.size() > 1) {
      updates[1].emitOpError()
          << "expected one train.update in a module, but got a second";
      return signalPassFailure();
    }
    SymbolTable symbols(getOperation());
    for (train::UpdateOp update : updates)
      if (failed(UpdateExpander(update, symbols).run()))
        return signalPassFailure();
    for (auto scaling : llvm::make_early_inc_range(
             getOperation().getOps<train::ScaleLossOp>()))
      scaling.erase();
  }
};

} // namespace
} // namespace trainc::optimizer
