//===- LossOps.cpp - verifiers of losses and noise ------------------------===//

#include "dialects/nn/Nn.h"

using namespace mlir;

namespace trainc::nn {

LogicalResult SoftmaxOp::verify() {
  if (getType().getRank() == 0)
    return emitOpError() << "expected an input of rank at least 1, but got "
                         << getType();
  return success();
}

template <typename Op> static LogicalResult verifyCrossEntropy(Op op) {
  auto logits = op.getLogits().getType();
  ArrayRef<int64_t> targets = op.getTargets().getType().getShape();
  ArrayRef<int64_t> lse = op.getLse().getType().getShape();
  if (logits.getRank() != 2 || targets != logits.getShape().drop_back() ||
      lse != targets) // cross_entropy_c1
    return op.emitOpError()
           << "expected logits [N, V] and targets, loss, lse [N], but got "
           << logits << ", [" << targets << "] and [" << lse << "]";
  double smoothing = op.getLabelSmoothing().convertToDouble();
  double z = op.getZLoss().convertToDouble();
  if (!(smoothing >= 0 && smoothing < 1) || !(z >= 0)) // cross_entropy_c2
    return op.emitOpError()
           << "expected label_smoothing in [0, 1) and z_loss >= 0, but got "
           << smoothing << " and " << z;
  return success();
}

LogicalResult CrossEntropyOp::verify() { return verifyCrossEntropy(*this); }
LogicalResult CrossEntropyGradOp::verify() { return verifyCrossEntropy(*this); }
LogicalResult CrossEntropyWithGradOp::verify() {
  return verifyCrossEntropy(*this);
}

Value CrossEntropyOp::getIndices() { return getTargets(); }
Value CrossEntropyGradOp::getIndices() { return getTargets(); }
Value CrossEntropyWithGradOp::getIndices() { return getTargets(); }

int64_t CrossEntropyOp::getIndexLimit() {
  return getLogits().getType().getDimSize(1);
}
int64_t CrossEntropyGradOp::getIndexLimit() {
  return getLogits().getType().getDimSize(1);
}
int64_t CrossEntropyWithGradOp::getIndexLimit() {
  return getLogits().getType().getDimSize(1);
}

std::optional<int64_t> CrossEntropyOp::getIgnoredIndex() {
  return static_cast<int64_t>(getIgnoreIndex());
}
std::optional<int64_t> CrossEntropyGradOp::getIgnoredIndex() {
  return static_cast<int64_t>(getIgnoreIndex());
}
std::optional<int64_t> CrossEntropyWithGradOp::getIgnoredIndex() {
  return static_cast<int64_t>(getIgnoreIndex());
}

static LogicalResult verifyCounters(Operation *op, Value counters) {
  auto type = cast<RankedTensorType>(counters.getType());
  if (type.getRank() == 1 && type.getDimSize(0) == 3) // dropout_c2, random_c1
    return success();
  return op->emitOpError()
         << "expected counters of type tensor<3xi64>, but got " << type;
}

LogicalResult DropoutOp::verify() {
  double rate = getRate().convertToDouble();
  if (!(rate >= 0 && rate < 1)) // dropout_c1
    return emitOpError() << "expected a rate in [0, 1), but got " << rate;
  if (int64_t rows = getBatchRows();
      rows <= 0 || getType().getNumElements() % rows != 0) // dropout_c3
    return emitOpError() << "expected batch_rows to divide "
                         << getType().getNumElements() << " elements, but got "
                         << rows;
  return verifyCounters(*this, getCounters());
}

void DropoutOp::removeNoise(RewriterBase &rewriter) {
  rewriter.replaceOp(*this, getInput());
}

LogicalResult RandomOp::verify() {
  if (!(getScale().convertToDouble() >= 0)) // random_c2
    return emitOpError() << "expected a scale of at least 0, but got "
                         << getScale().convertToDouble();
  return verifyCounters(*this, getCounters());
}

} // namespace trainc::nn
