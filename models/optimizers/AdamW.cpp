//===- AdamW.cpp - Adam with decoupled weight decay -----------------------===//
//
// Loshchilov and Hutter 2019, in PyTorch's form (training-semantics.md 4.3).
// The powers of beta are states, so no pow is needed and a skipped step does
// not advance them.
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
          .derived = {learningRate, stepSize, sqrt(1.0 - beta2Power)}};
}

ElementValues element(const Settings &settings, const Element &e) {
  double beta1 = settings.number("beta1"), beta2 = settings.number("beta2");
  Expression learningRate = e.derived[0], stepSize = e.derived[1];
  Expression correction2 = e.derived[2];
  Expression m = beta1 * e.states[0] + (1 - beta1) * e.gradient;
  Expression v = beta2 * e.states[1] + (1 - beta2) * (e.gradient * e.gradient);
  Expression decayed = e.theta * (1.0 - learningRate * e.decay);
  double epsilon = settings.number("epsilon");
  Expression direction = settings.flag("correct_epsilon")
                             ? m / (sqrt(v) / correction2 + epsilon)
                             : m / (sqrt(v) + epsilon) * correction2;
  return {.theta = decayed - stepSize * direction, .states = {m, v}};
}

} // namespace

Optimizer describeAdamW() {
  return {.name = "adamw",
          .keys = {numberKey("beta1", 0.9, fraction(), "decay of the mean"),
                   numberKey("beta2", 0.999, fraction(),
                             "decay of the mean square"),
                   numberKey("epsilon", 1e-8, above(0),
                             "added to the root of the mean square"),
                   flagKey("correct_epsilon", true,
                           "added after the bias correction, as PyTorch does; "
                           "false for fairseq's form"),
                   numberKey("weight_decay", 0.01, atLeast(0),
                             "decoupled; spares one-dimensional parameters")},
          .states = {"m", "v"},
          .scalars = {{"beta1_power", 1.0}, {"beta2_power", 1.0}},
          .step = step,
          .element = element};
}

} // namespace trainc::models
