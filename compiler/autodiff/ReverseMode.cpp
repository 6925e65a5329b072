//===- ReverseMode.cpp ----------------------------------------------------===//

#include "compiler/autodiff/ReverseMode.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace trainc::autodiff {

void ReverseMode::spread(Operation &op) {
  if (llvm::none_of(op.getOperands(), [&](Value v) { return isActive(v); }))
    return;
  // Integers and truth values carry no derivative.
  for (Value result : op.getResults())
    if (isa<FloatType>(getElementTypeOrSelf(result.getType())))
      activate(result);
}

void ReverseMode::accumulate(Value value, Value gradient) {
  Value &total = gradients[value];
  total = total ? nn::AddOp::create(builder, gradient.getLoc(),
                                    gradient.getType(), total, gradient)
                      .getResult()
                : gradient;
}

LogicalResult ReverseMode::propagate(ArrayRef<Operation *> forward) {
  for (Operation *op : llvm::reverse(forward)) {
    if (llvm::none_of(op->getResults(), [&](Value v) { return isActive(v); }))
      continue;
    SmallVector<Value> incoming;
    for (Value result : op->getResults())
      incoming.push_back(gradients.lookup(result));
    if (llvm::none_of(incoming, [](Value v) { return bool(v); }))
      continue; // does not reach a loss
    auto rule = dyn_cast<nn::DifferentiableOpInterface>(op);
    if (!rule)
      return op->emitOpError()
             << "expected an operation with a derivative between trainable "
                "parameters and a loss, but got this one, which has none; "
                "freeze the parameters it depends on or use other operations";
    SmallVector<bool> needed;
    for (Value operand : op->getOperands())
      needed.push_back(isActive(operand));
    SmallVector<Value> outgoing(op->getNumOperands());
    if (failed(rule.buildGradient(builder, incoming, needed, outgoing)))
      return failure();
    for (auto [operand, gradient, wanted] :
         llvm::zip(op->getOperands(), outgoing, needed))
      if (wanted && gradient)
        accumulate(operand, gradient);
  }
  return success();
}

} // namespace trainc::autodiff
