//===- Sgd.cpp - stochastic gradient descent ------------------------------===//
//
// θ ← θ − η(g + λθ) (training-semantics.md 4.1).
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {
namespace {

StepValues step(const Settings &, Expression learningRate,
                llvm::ArrayRef<Expression>) {
  return {.scalars = {}, .derived = {learningRate}};
}

ElementValues element(const Settings &, const Element &e) {
  Expression d = e.gradient + e.decay * e.theta;
  return {.theta = e.theta - e.derived[0] * d, .states = {}};
}

} // namespace

Optimizer describeSgd() {
  return {.name = "sgd",
          .keys = {numberKey("weight_decay", 0.0, atLeast(0),
                             "L2; spares one-dimensional parameters")},
          .states = {},
          .scalars = {},
          .step = step,
          .element = element};
}

} // namespace trainc::models
