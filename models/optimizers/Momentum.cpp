//===- Momentum.cpp - gradient descent with momentum ----------------------===//
//
// PyTorch's form: the learning rate multiplies the buffer
// (training-semantics.md 4.1). The buffer starts at 0, so the first step's is
// the gradient, which dampening does not touch in PyTorch either: none here.
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
  double momentum = settings.number("momentum");
  Expression d = e.gradient + e.decay * e.theta;
  Expression buffer = momentum * e.states[0] + d;
  Expression direction =
      settings.flag("nesterov") ? d + momentum * buffer : buffer;
  return {.theta = e.theta - e.derived[0] * direction, .states = {buffer}};
}

} // namespace

Optimizer describeMomentum() {
  return {
      .name = "momentum",
      .keys = {numberKey("momentum", 0.9, fraction(), "decay of the buffer"),
               flagKey("nesterov", false, "look ahead along the buffer"),
               numberKey("weight_decay", 0.0, atLeast(0),
                         "L2; spares one-dimensional parameters")},
      .states = {"momentum"},
      .scalars = {},
      .step = step,
      .element = element};
}

} // namespace trainc::models
