//===- Adafactor.cpp - second moments in rows and columns -----------------===//
//
// Shazeer and Stern 2018, "Adafactor", algorithms 4 to 6 (training-semantics.md
// 4.5): a matrix keeps the means of its squared gradient per row and column;
// updates are clipped by their own size and scaled by that of the parameter.
// docs/decisions/adafactor.md says which keys give which implementation's form.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {
namespace {

using train::Extent;

StepValues step(const Settings &settings, Expression learningRate,
                llvm::ArrayRef<Expression> scalars) {
  Expression t = scalars[0] + 1.0;
  Expression rate = learningRate;
  if (settings.flag("relative_step")) {
    Expression most = settings.flag("warmup_init") ? 1e-6 * t : rate;
    rate = minimum(most, 1.0 / sqrt(t));
  }
  if (!settings.flag("scale_parameter"))
    rate = rate * settings.number("unscaled_rate");
  Expression fresh = exp(-settings.number("decay_exponent") * log(t));
  return {.scalars = {t}, .derived = {rate, 1.0 - fresh, fresh}};
}

Expression rootMeanSquare(Expression x) {
  return sqrt(mean(Extent::Tensor, x * x));
}

/// Old and new mean squares, by how old they are.
Expression average(const Element &e, Expression before, Expression now) {
  return e.derived[1] * before + e.derived[2] * now;
}

Expression square(const Settings &settings, const Element &e) {
  return e.gradient * e.gradient + settings.number("epsilon1");
}

/// The step along `u`, the gradient over the root of its mean square.
ElementValues move(const Settings &settings, const Element &e, Expression u,
                   std::vector<Expression> states) {
  Expression rate = e.derived[0], scale = rate;
  if (settings.flag("scale_parameter"))
    scale = rate =
        rate * maximum(rootMeanSquare(e.theta), settings.number("epsilon2"));
  if (double threshold = settings.number("clip_threshold"))
    scale = rate / maximum(rootMeanSquare(u) / threshold, 1.0);
  Expression update = scale * u;
  if (double beta1 = settings.number("beta1")) {
    update = beta1 * e.states.back() + (1 - beta1) * update;
    states.push_back(update);
  }
  Expression decay = settings.flag("decay_by_rate") ? rate * e.decay : e.decay;
  return {.theta = e.theta * (1.0 - decay) - update, .states = states};
}

ElementValues element(const Settings &settings, const Element &e) {
  Expression v = average(e, e.states[0], square(settings, e));
  return move(settings, e, e.gradient * rsqrt(v), {v});
}

ElementValues matrix(const Settings &settings, const Element &e) {
  Expression s = square(settings, e);
  Expression row = average(e, e.states[0], mean(Extent::Row, s));
  Expression column = average(e, e.states[1], mean(Extent::Column, s));
  // Roots one by one: a quotient of them all could leave the range of f32.
  Expression u =
      e.gradient * rsqrt(row) * rsqrt(column) * sqrt(mean(Extent::Tensor, row));
  return move(settings, e, u, {row, column});
}

} // namespace

Optimizer describeAdafactor() {
  return {
      .name = "adafactor",
      .keys =
          {numberKey("epsilon1", 1e-30, above(0), "added to squared gradients"),
           onlyWhere("scale_parameter", true,
                     numberKey("epsilon2", 1e-3, atLeast(0),
                               "smallest size of a parameter that scales "
                               "updates")),
           numberKey("clip_threshold", 1.0, atLeast(0),
                     "d, largest root mean square of an update; 0 for any"),
           numberKey("decay_exponent", 0.8,
                     {.minimum = 0, .maximum = 1, .openMinimum = true},
                     "c of the mean squares' decay, 1 - t^-c"),
           flagKey("relative_step", true,
                   "learn at min(learning_rate, 1/sqrt(t)) in update t"),
           onlyWhere(
               "relative_step", true,
               flagKey("warmup_init", false,
                       "the same with 1e-6 t instead of the learning rate")),
           flagKey("scale_parameter", true,
                   "times the root mean square of the parameter"),
           onlyWhere("scale_parameter", false,
                     numberKey("unscaled_rate", 1.0, above(0),
                               "times this where parameters do not scale: "
                               "T2T's 0.05")),
           numberKey("beta1", 0.0, fraction(),
                     "decay of the updates' mean; 0 for none, and no state"),
           numberKey("weight_decay", 0.0, atLeast(0),
                     "decoupled; spares one-dimensional parameters"),
           flagKey("decay_by_rate", true,
                   "decay times the scaled rate; false for optax's form"),
           integerKey("min_dim_to_factor", 1, atLeast(1),
                      "matrices with a smaller side keep all squares: "
                      "optax's 128")},
      .states = {"v", {"m", Extent::Element, "beta1"}},
      .scalars = {{"t", 0.0}},
      .step = step,
      .element = element,
      .matrix = matrix,
      .matrixStates = {{"v_row", Extent::Row},
                       {"v_col", Extent::Column},
                       {"m", Extent::Element, "beta1"}},
      .matrixMinimum = "min_dim_to_factor"};
}

} // namespace trainc::models
