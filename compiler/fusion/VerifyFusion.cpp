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
