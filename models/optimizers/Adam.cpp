//===- Adam.cpp - adaptive moment estimation ------------------------------===//
//
// Kingma and Ba 2015, in PyTorch's form: weight decay is L2 added to the
// gradient (training-semantics.md 4.2).
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {
namespace {

StepValues step(const Settings &settings, Expression learningRate,
                llvm::ArrayRef<Expression> scalars) {
  Expression beta1Power = scalars[0] * settings.number("beta1");
  Expression beta2Power = scalars[1] * settings.number("beta2");
  Expression stepSize = learningRate / (1.0 - beta1Power);
  return {.scalars = {beta1Power, beta2Power},
          .derived = {stepSize, sqrt(1.0 - beta2Power)}};
}

ElementValues element(const Settings &settings, const Element &e) {
  double beta1 = settings.number("beta1"), beta2 = settings.number("beta2");
  Expression stepSize = e.derived[0], correction2 = e.derived[1];
  Expression g = e.gradient + e.decay * e.theta;
  Expression m = beta1 * e.states[0] + (1 - beta1) * g;
  Expression v = beta2 * e.states[1] + (1 - beta2) * (g * g);
  double epsilon = settings.number("epsilon");
  Expression direction = settings.flag("correct_epsilon")
                             ? m / (sqrt(v) / correction2 + epsilon)
                             : m / (sqrt(v) + epsilon) * correction2;
  return {.theta = e.theta - stepSize * direction, .states = {m, v}};
}

} // namespace

Optimizer describeAdam() {
  return {.name = "adam",
          .keys = {numberKey("beta1", 0.9, fraction(), "decay of the mean"),
                   numberKey("beta2", 0.999, fraction(),
                             "decay of the mean square"),
                   numberKey("epsilon", 1e-8, above(0),
                             "added to the root of the mean square"),
                   flagKey("correct_epsilon", true,
                           "added after the bias correction, as PyTorch does; "
                           "false for fairseq's form"),
                   numberKey("weight_decay", 0.0, atLeast(0),
                             "L2; spares one-dimensional parameters")},
          .states = {"m", "v"},
          .scalars = {{"beta1_power", 1.0}, {"beta2_power", 1.0}},
          .step = step,
          .element = element};
}

} // namespace trainc::models
