//===- NoiseRules.cpp - derivatives of stochastic operations --------------===//

#include "compiler/autodiff/rules/Rules.h"

using namespace mlir;

namespace trainc::autodiff {

// y = m·x/(1 - rate) with the mask m of the counters: x' = m·g/(1 - rate), the
// same operation on g, so the mask is recomputed and never stored.
static LogicalResult dropout(nn::DropoutOp op, RuleContext &c) {
  c.set(0, c.build<nn::DropoutOp>(op.getType(), c.gradient(), op.getCounters(),
                                  op.getRate(), op.getBatchRows(),
                                  op.getStream()));
  return success();
}

void registerNoiseRules(MLIRContext *context) { attach<dropout>(context); }

} // namespace trainc::autodiff
