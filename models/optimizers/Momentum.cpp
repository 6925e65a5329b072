//===- Momentum.cpp - gradient descent with momentum ----------------------===//
//
// PyTorch's form: the learning rate multiplies the buffer
// (training-semantics.md 4.1), and the first step's buffer is the gradient,
// which dampening does not touch.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {
namespace {

StepValues step(const Settings &settings, Expression learningRate,
                llvm::ArrayRef<Expression> scalars) {
  Expression later = learningRate.constant(1 - settings.number("dampening"));
  return {.scalars = {later}, .derived = {learningRate, scalars[0]}};
}

ElementValues element(const Settings &settings, const Element &e) {
  double momentum = settings.number("momentum");
  Expression d = e.gradient + e.decay * e.theta;
  Expression buffer = momentum * e.states[0] + e.derived[1] * d;
  Expression direction =
      settings.flag("nesterov") ? d + momentum * buffer : buffer;
  return {.theta = e.theta - e.derived[0] * direction, .states = {buffer}};
}

} // namespace

Optimizer describeMomentum() {
  return {
      .name = "momentum",
      .keys = {numberKey("momentum", 0.9, fraction(), "decay of the buffer"),
               numberKey("dampening", 0.0, fraction(),
                         "taken off the gradient's part in the buffer"),
               flagKey("nesterov", false, "look ahead along the buffer"),
               numberKey("weight_decay", 0.0, atLeast(0),
                         "L2; spares one-dimensional parameters")},
      .states = {"momentum"},
      // Of the gradient in the buffer.
      .scalars = {{"gradient_weight", 1.0}},
      .step = step,
      .element = element};
}

} // namespace trainc::models
