//===- OutlineKernels.cpp - a kernel for every remaining nn operation -----===//

#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/KernelTable.h"
#include "compiler/fusion/Tiles.h"
#include "compiler/support/RowSlice.h"
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

bool isLaunched(Value value);

/// The operand that is only there to be overwritten by `result`, if there is
/// one.
std::optional<unsigned> overwrittenBy(nn::LowerableOpInterface op,
                                      unsigned result) {
  std::optional<unsigned> operand = op.getOverwritten(result);
  if (!operand || !op->getOperand(*operand).hasOneUse() ||
      !isLaunched(op->getOperand(*operand)))
    return std::nullopt;
  return operand;
}

LogicalResult outline(nn::LowerableOpInterface op, KernelTable &kernels) {
  OpBuilder builder(op);
  KernelRequest request;
  request.stem = op->getName().stripDialect().str();
  request.computes = op->getName().getStringRef().str();
  request.flops = op.flops();
  request.bytes = op.bytes();
  SmallVector<std::optional<unsigned>> destinationOf(op->getNumOperands());
  for (unsigned result = 0; result < op->getNumResults(); ++result)
    if (std::optional<unsigned> operand = overwrittenBy(op, result))
      destinationOf[*operand] = result;
  for (auto [operand, destination] :
       llvm::zip(op->getOperands(), destinationOf))
    if (!destination)
      request.inputs.push_back(operand);
  // The operation is about to go: without its own stream it equals others.
  if (auto noise = dyn_cast<nn::NoiseStreamOpInterface>(op.getOperation())) {
    request.constant = noise.getNoiseStream();
    noise.setNoiseStream(0);
  }
  request.key.add(op.getOperation());
  for (auto [index, type] : llvm::enumerate(op->getResultTypes())) {
    std::optional<unsigned> overwritten = overwrittenBy(op, index);
    request.updates.push_back(overwritten.has_value());
    auto tensor = cast<RankedTensorType>(type);
    request.destinations.push_back(
        overwritten
            ? op->getOperand(*overwritten)
            : tensor::EmptyOp::create(builder, op.getLoc(), tensor.getShape(),
                                      tensor.getElementType())
                  .getResult());
  }
  auto launch = kernels.launch(
      builder, op.getLoc(), request,
      [&](OpBuilder &b, ValueRange inputs, ValueRange destinations) {
        SmallVector<Value> operands;
        for (std::optional<unsigned> destination : destinationOf) {
          operands.push_back(destination ? destinations[*destination]
                                         : inputs.front());
          inputs = inputs.drop_front(destination ? 0 : 1);
        }
        llvm::append_range(operands, inputs);
        return op.lower(b, operands, destinations);
      });
  if (failed(launch))
    return failure();
  op->replaceAllUsesWith(*launch);
  op->erase();
  return success();
}

/// Whether `value` or what it is a view of is made by a launch.
bool isLaunched(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<plan::LaunchOp, plan::JoinOp>(op))
      return true;
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
             tensor::ExtractSliceOp>(op))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

/// `op` as a view, or null where it needs a kernel.
Value asView(Operation *op) {
  OpBuilder builder(op);
  if (auto view = dyn_cast<nn::ReshapeOp>(op))
    return reshape(builder, view.getLoc(), view.getInput(),
                   view.getType().getShape());
  auto box = dyn_cast<nn::SliceOp>(op);
  if (!box || !isLaunched(box.getInput()))
    return {};
  auto rows = cast<tensor::ExtractSliceOp>(
      slice(builder, box.getLoc(), box.getInput(),
            getAsIndexOpFoldResult(op->getContext(), box.getOffsets()),
            getAsIndexOpFoldResult(op->getContext(), box.getType().getShape()))
          .getDefiningOp());
  if (rowSliceOffsetBytes(rows))
    return rows;
  rows->erase();
  return {};
}

struct OutlineKernelsPass : impl::OutlineKernelsPassBase<OutlineKernelsPass> {
  void runOnOperation() override {
    KernelTable kernels(getOperation());
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      for (Operation &op :
           llvm::make_early_inc_range(program.getBody().front())) {
        if (Value view = asView(&op)) {
          op.getResult(0).replaceAllUsesWith(view);
          op.erase();
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
