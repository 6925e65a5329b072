//===- VerifyCounts.cpp - counts depend on inputs only --------------------===//

#include "compiler/objective/Passes.h"
#include "mlir/Analysis/SliceAnalysis.h"

using namespace mlir;

namespace trainc::objective {

#define GEN_PASS_DEF_VERIFYCOUNTSPASS
#include "compiler/objective/Passes.h.inc"

namespace {

/// Fails where the count's value can differ between two runs over one batch.
LogicalResult verifyCount(train::LossOp loss) {
  llvm::SetVector<Operation *> slice;
  BackwardSliceOptions options;
  options.omitBlockArguments = true;
  if (failed(getBackwardSlice(loss.getCount(), &slice, options)))
    return loss.emitOpError("expected a count that can be traced to inputs, "
                            "but got one that cannot");
  for (Operation *op : slice) {
    llvm::StringRef reason;
    if (isa<train::ReadOp>(op))
      reason = "a variable";
    else if (isa<nn::StochasticOpInterface>(op))
      reason = "noise";
    else
      continue;
    InFlightDiagnostic diagnostic =
        loss.emitOpError() << "expected the count of term \"" << loss.getName()
                           << "\" to depend on inputs only, but got one that "
                              "depends on "
                           << reason;
    diagnostic.attachNote(op->getLoc()) << "through this operation";
    return diagnostic;
  }
  return success();
}

struct VerifyCountsPass : impl::VerifyCountsPassBase<VerifyCountsPass> {
  void runOnOperation() override {
    auto steps = getOperation().getOps<train::StepOp>();
    if (std::distance(steps.begin(), steps.end()) != 1) {
      getOperation().emitError("expected one train.step, but got ")
          << std::distance(steps.begin(), steps.end());
      return signalPassFailure();
    }
    auto losses = (*steps.begin()).getOps<train::LossOp>();
    if (losses.empty()) {
      (*steps.begin())
          .emitOpError("expected at least one train.loss, but got none");
      return signalPassFailure();
    }
    for (train::LossOp loss : losses)
      if (failed(verifyCount(loss)))
        return signalPassFailure();
  }
};

} // namespace
} // namespace trainc::objective
