//===- LossRules.cpp - derivatives of softmax and cross-entropy -----------===//

#include "compiler/autodiff/rules/Rules.h"

using namespace mlir;

namespace trainc::autodiff {

// y = softmax(x) over the last dimension: x' = y·(g - Σ g·y)
static LogicalResult softmax(nn::SoftmaxOp op, RuleContext &c) {
  Value y = op.getResult(), g = c.gradient();
  int64_t last = op.getType().getRank() - 1;
  Value inner = c.reduceSum(c.mul(g, y), last);
  c.set(0, c.mul(y, c.sub(g, c.broadcastAlong(inner, last, y))));
  return success();
}

// loss = lse - (1-s)·x_target - s·mean(x) + z·lse², lse = ln Σ exp x, p = exp(x
// - lse): x' = g_loss·(p·(1 + 2z·lse) - (1-s)·[target] - s/V) + g_lse·p
static LogicalResult crossEntropy(nn::CrossEntropyOp op, RuleContext &c) {
  Value x = op.getLogits(), lse = op.getLse();
  Value gradient;
  if (Value g = c.gradient(0))
    gradient = c.build<nn::CrossEntropyGradOp>(
        x.getType(), g, x, op.getTargets(), lse, op.getIgnoreIndex(),
        op.getLabelSmoothing(), op.getZLoss());
  if (Value g = c.gradient(1)) {
    Value p = c.unary<nn::ExpOp>(c.sub(x, c.broadcastAlong(lse, 1, x)));
    Value term = c.mul(c.broadcastAlong(g, 1, x), p);
    gradient = gradient ? c.add(gradient, term) : term;
  }
  c.set(0, gradient);
  return success();
}

void registerLossRules(MLIRContext *context) {
  attach<softmax, crossEntropy>(context);
}

} // namespace trainc::autodiff
