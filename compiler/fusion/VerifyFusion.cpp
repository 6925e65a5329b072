//===- VerifyFusion.cpp - the contract of the fusion stage ----------------===//

#include "compiler/fusion/Fusion.h"
#include "compiler/support/RowSlice.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_VERIFYFUSIONPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

/// What a launch that may be left out leaves undefined: a destination that held
/// nothing, or something undefined itself.
bool isUndefined(plan::LaunchOp launch, unsigned result,
                 const SymbolTable &symbols) {
  if (!launch.getBound())
    return false;
  auto kernel = symbols.lookup<plan::KernelOp>(launch.getKernel());
  unsigned parameter = launch.getInputs().size() + result;
  if (kernel.getAccess()[parameter] == int32_t(plan::Access::Write))
    return true;
  Value old = launch.getDestinations()[result];
  while (auto *view = old.getDefiningOp()) {
    if (auto maker = dyn_cast<plan::LaunchOp>(view))
      return isUndefined(maker, cast<OpResult>(old).getResultNumber(), symbols);
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
             tensor::ExtractSliceOp>(view))
      return isa<tensor::EmptyOp>(view);
    old = view->getOperand(0);
  }
  return false;
}

/// The first reader of `value` that runs where its launch, of bound `bound`,
/// may not; none behind joins, whose readers know which rows there are.
Operation *findReader(Value value, Value bound) {
  for (Operation *user : value.getUsers()) {
    if (auto launch = dyn_cast<plan::LaunchOp>(user)) {
      if (launch.getBound() != bound)
        return user;
    } else if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
                   tensor::ExtractSliceOp>(user)) {
      if (Operation *reader = findReader(user->getResult(0), bound))
        return reader;
    } else if (!isa<plan::JoinOp>(user)) {
      return user;
    }
  }
  return nullptr;
}

LogicalResult verifyBounded(plan::LaunchOp launch, const SymbolTable &symbols) {
  for (OpResult result : launch.getResults())
    if (isUndefined(launch, result.getResultNumber(), symbols))
      if (Operation *reader = findReader(result, launch.getBound()))
        return reader->emitError()
               << "expected operands that are there whenever this runs, but "
                  "got one of a launch with another bound; add to what is "
                  "there, or join";
  return success();
}

struct VerifyFusionPass : impl::VerifyFusionPassBase<VerifyFusionPass> {
  void runOnOperation() override {
    WalkResult nn = getOperation().walk([](Operation *op) {
      if (!isa_and_present<nn::NNDialect>(op->getDialect()))
        return WalkResult::advance();
      op->emitError() << "expected no nn operations after fusion, but got '"
                      << op->getName() << "'";
      return WalkResult::interrupt();
    });
    if (nn.wasInterrupted())
      return signalPassFailure();
    SymbolTable symbols(getOperation());
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      for (auto launch : program.getOps<plan::LaunchOp>())
        if (failed(verifyBounded(launch, symbols)))
          return signalPassFailure();
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      for (Operation &op : program.getBody().front())
        if (!isa<train::ReadOp, train::WriteOp, tensor::EmptyOp,
                 tensor::CollapseShapeOp, tensor::ExpandShapeOp,
                 tensor::ExtractSliceOp, plan::LaunchOp, plan::JoinOp>(op)) {
          op.emitError() << "expected a flat list of reads, views, launches "
                            "and writes after "
                            "fusion, but got '"
                         << op.getName() << "'";
          return signalPassFailure();
        } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
                   slice && !rowSliceOffsetBytes(slice)) {
          op.emitError() << "expected slices of whole rows from a multiple of "
                            "64 bytes, but got another; make it with a kernel";
          return signalPassFailure();
        }
  }
};

} // namespace
} // namespace trainc::fusion
