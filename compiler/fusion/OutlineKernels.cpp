//===- OutlineKernels.cpp - a kernel for every remaining nn operation -----===//

#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/KernelTable.h"
#include "compiler/fusion/Tiles.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

LogicalResult outline(nn::LowerableOpInterface op, KernelTable &kernels) {
  OpBuilder builder(op);
  KernelRequest request;
  request.stem = op->getName().stripDialect().str();
  request.computes = op->getName().getStringRef().str();
  request.flops = op.flops();
  request.inputs = llvm::to_vector(op->getOperands());
  // The operation is about to go: without its own stream it equals others.
  if (auto noise = dyn_cast<nn::NoiseStreamOpInterface>(op.getOperation())) {
    request.constant = noise.getNoiseStream();
    noise.setNoiseStream(0);
  }
  request.key.add(op.getOperation());
  for (Type type : op->getResultTypes()) {
    auto tensor = cast<RankedTensorType>(type);
    request.destinations.push_back(tensor::EmptyOp::create(
        builder, op.getLoc(), tensor.getShape(), tensor.getElementType()));
  }
  auto launch = kernels.launch(
      builder, op.getLoc(), request,
      [&](OpBuilder &b, ValueRange inputs, ValueRange destinations) {
        return op.lower(b, inputs, destinations);
      });
  if (failed(launch))
    return failure();
  op->replaceAllUsesWith(*launch);
  op->erase();
  return success();
}

struct OutlineKernelsPass : impl::OutlineKernelsPassBase<OutlineKernelsPass> {
  void runOnOperation() override {
    KernelTable kernels(getOperation());
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      for (Operation &op :
           llvm::make_early_inc_range(program.getBody().front())) {
        if (auto view = dyn_cast<nn::ReshapeOp>(op)) {
          OpBuilder builder(view);
          view.replaceAllUsesWith(reshape(builder, view.getLoc(),
                                          view.getInput(),
                                          view.getType().getShape()));
          view.erase();
          continue;
        }
        if (!isa<nn::NNDialect>(op.getDialect()))
          continue;
        auto lowerable = dyn_cast<nn::LowerableOpInterface>(op);
        if (!lowerable) {
          op.emitError() << "expected an operation with a lowering, but got '"
                         << op.getName() << "', which has none";
          return signalPassFailure();
        }
        if (failed(outline(lowerable, kernels)))
          return signalPassFailure();
      }
  }
};

} // namespace
} // namespace trainc::fusion
