//===- Muon.cpp - momentum, orthogonalised --------------------------------===//
//
// Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural
// networks": matrices of hidden layers step along the nearest (semi-)orthogonal
// matrix to their momentum; everything else takes AdamW. torch.optim.Muon has
// the same formulas.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {

Optimizer describeAdamW();

namespace {

/// AdamW's, and the matrices' learning rate behind what it derives.
StepValues step(const Settings &settings, Expression learningRate,
                llvm::ArrayRef<Expression> scalars) {
  StepValues values = describeAdamW().step(
      settings, learningRate * settings.number("adamw_rate"), scalars);
  values.derived.push_back(learningRate);
  return values;
}

ElementValues matrix(const Settings &settings, const Element &e) {
  double momentum = settings.number("momentum");
  Expression rate = e.derived.back();
  Expression m = momentum * e.states[0] + (1 - momentum) * e.gradient;
  Expression update = settings.flag("nesterov")
                          ? momentum * m + (1 - momentum) * e.gradient
                          : m;
  Expression direction =
      orthogonalize(*train::symbolizeScale(settings.text("scale")), update,
                    settings.integer("newton_schulz_steps"));
  return {.theta = e.theta * (1.0 - rate * e.decay) - rate * direction,
          .states = {m}};
}

} // namespace

Optimizer describeMuon() {
  return {
      .name = "muon",
      .keys = {numberKey("momentum", 0.95, fraction(),
                         "decay of matrices' momentum"),
               flagKey("nesterov", true, "look ahead along the momentum"),
               integerKey("newton_schulz_steps", 5,
                          {.minimum = 1, .maximum = 100},
                          "steps of the orthogonalisation"),
               choiceKey("scale", "largest",
                         {"one", "rows", "columns", "largest"},
                         "times 1, sqrt(max(1, rows/columns)), the same with "
                         "columns/rows, or 0.2 sqrt(max(rows, columns))"),
               numberKey("adamw_rate", 0.015, above(0),
                         "AdamW's learning rate over the matrices'"),
               numberKey("beta1", 0.9, fraction(), "AdamW's decay of the mean"),
               numberKey("beta2", 0.95, fraction(),
                         "AdamW's decay of the mean square"),
               numberKey("epsilon", 1e-10, above(0),
                         "AdamW's, added to the root of the mean square"),
               flagKey("correct_epsilon", true,
                       "AdamW's, added after the bias correction"),
               numberKey("weight_decay", 0.0, atLeast(0),
                         "decoupled; spares one-dimensional parameters")},
      .states = {"m", "v"},
      .scalars = {{"beta1_power", 1.0}, {"beta2_power", 1.0}},
      .step = step,
      .element = describeAdamW().element,
      .matrix = matrix,
      .matrixStates = {"momentum"},
      .matrixMinimum = "",
      .sparesTables = true};
}

} // namespace trainc::models
