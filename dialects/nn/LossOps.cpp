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

/// Each of `values` must be a tensor of rank 0.
static LogicalResult verifyScalars(Operation *op, ValueRange values) {
  for (Type type : values.getTypes())
    if (cast<RankedTensorType>(type).getRank() != 0)
      return op->emitOpError()
             << "expected numbers of rows of type tensor<i64>, but got "
             << type;
  return success();
}

LogicalResult OrderRowsOp::verify() {
  RankedTensorType targets = getTargets().getType();
  if (targets.getRank() != 1) // order_rows_c1
    return emitOpError() << "expected targets of shape [N], but got "
                         << targets;
  ArrayRef<int64_t> firsts = getFirsts();
  bool inside = llvm::all_of(firsts, [&](int64_t first) {
    return first >= 0 && first < targets.getDimSize(0);
  });
  if (!inside || firsts.size() != getBounds().size()) // order_rows_c2
    return emitOpError() << "expected a bound for each of `firsts`, which are "
                            "from 0 to "
                         << targets.getDimSize(0) - 1 << ", but got "
                         << getBounds().size() << " for [" << firsts << "]";
  return verifyScalars(*this, getResults().drop_front(2)); // order_rows_c1
}

LogicalResult GatherRowsOp::verify() {
  ArrayRef<int64_t> input = getType().getShape();
  if (input.empty() ||
      getRows().getType().getShape() != input.take_front()) // gather_rows_c1
    return emitOpError() << "expected input [N, …] and rows [N], but got "
                         << getType() << " and " << getRows().getType();
  if (!getRows().getDefiningOp<OrderRowsOp>()) // gather_rows_c2
    return emitOpError() << "expected rows that nn.order_rows makes, but got "
                            "others";
  return verifyScalars(*this, getBelow() ? ValueRange(getBelow())
                                         : ValueRange()); // gather_rows_c3
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
