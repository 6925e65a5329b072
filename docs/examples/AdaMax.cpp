//===- AdaMax.cpp - Adam with the largest recent gradient -----------------===//
//
// Kingma and Ba 2015, section 7.1, in PyTorch's form. Not one of trainc's
// rules: docs/OwnOptimizer.md shows with it how one is added; models-tests hold
// it to PyTorch's numbers.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {
namespace {

StepValues step(const Settings &settings, Expression learningRate,
                llvm::ArrayRef<Expression> scalars) {
  Expression beta1Power = scalars[0] * settings.number("beta1");
  return {.scalars = {beta1Power},
          .derived = {learningRate / (1.0 - beta1Power)}};
}

ElementValues element(const Settings &settings, const Element &e) {
  double beta1 = settings.number("beta1"), beta2 = settings.number("beta2");
  Expression g = e.gradient + e.decay * e.theta;
  Expression m = beta1 * e.states[0] + (1 - beta1) * g;
  Expression size = maximum(g, -g) + settings.number("epsilon");
  Expression u = maximum(beta2 * e.states[1], size);
  return {.theta = e.theta - e.derived[0] * (m / u), .states = {m, u}};
}

} // namespace

Optimizer describeAdaMax() {
  return {.name = "adamax",
          .keys = {numberKey("beta1", 0.9, fraction(), "decay of the mean"),
                   numberKey("beta2", 0.999, fraction(),
                             "decay of the largest gradient"),
                   numberKey("epsilon", 1e-8, above(0),
                             "added to a gradient's size"),
                   numberKey("weight_decay", 0.0, atLeast(0),
                             "L2; spares one-dimensional parameters")},
          .states = {"m", "u"},
          .scalars = {{"beta1_power", 1.0}},
          .step = step,
          .element = element};
}

} // namespace trainc::models
