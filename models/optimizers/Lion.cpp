//===- Lion.cpp - evolved sign momentum -----------------------------------===//
//
// Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms",
// algorithm 2: the sign of an interpolated momentum, decoupled decay.
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
  Expression m = e.states[0];
  Expression update = sign(beta1 * m + (1 - beta1) * e.gradient);
  Expression theta = e.theta - e.derived[0] * (update + e.decay * e.theta);
  return {.theta = theta, .states = {beta2 * m + (1 - beta2) * e.gradient}};
}

} // namespace

Optimizer describeLion() {
  return {
      .name = "lion",
      .keys = {numberKey("beta1", 0.9, fraction(),
                         "weight of the momentum in the update"),
               numberKey("beta2", 0.99, fraction(), "decay of the momentum"),
               numberKey("weight_decay", 0.0, atLeast(0),
                         "decoupled; spares one-dimensional parameters")},
      .states = {"m"},
      .scalars = {},
      .step = step,
      .element = element};
}

} // namespace trainc::models
