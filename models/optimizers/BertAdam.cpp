//===- BertAdam.cpp - BERT's AdamWeightDecayOptimizer ---------------------===//
//
// Devlin et al. 2019: Adam without bias correction, weight decay inside the
// learning rate (training-semantics.md 4.4).
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {
namespace {

StepValues step(const Settings &, Expression learningRate,
                llvm::ArrayRef<Expression>) {
  return {.scalars = {}, .derived = {learningRate}};
}

ElementValues element(const Settings &settings, const Element &e) {
  double beta1 = settings.number("beta1"), beta2 = settings.number("beta2");
  Expression m = beta1 * e.states[0] + (1 - beta1) * e.gradient;
  Expression v = beta2 * e.states[1] + (1 - beta2) * (e.gradient * e.gradient);
  Expression direction =
      m / (sqrt(v) + settings.number("epsilon")) + e.decay * e.theta;
  return {.theta = e.theta - e.derived[0] * direction, .states = {m, v}};
}

} // namespace

Optimizer describeBertAdam() {
  return {.name = "bert_adam",
          .keys = {numberKey("beta1", 0.9, fraction(), "decay of the mean"),
                   numberKey("beta2", 0.999, fraction(),
                             "decay of the mean square"),
                   numberKey("epsilon", 1e-6, above(0),
                             "added to the root of the mean square"),
                   numberKey("weight_decay", 0.01, atLeast(0),
                             "spares one-dimensional parameters")},
          .states = {"m", "v"},
          .scalars = {},
          .step = step,
          .element = element};
}

} // namespace trainc::models
