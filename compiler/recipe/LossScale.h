//===- LossScale.h - how a recipe scales its loss ---------------*- C++ -*-===//
//
// The keys of [precision] about the scale of the loss, which is "none", a
// number or "dynamic", and what they mean together (training-semantics.md 5).
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_LOSSSCALE_H
#define TRAINC_COMPILER_RECIPE_LOSSSCALE_H

#include "compiler/recipe/RecipeFile.h"

#include <optional>

namespace trainc::recipe {

/// Fields as of train.scale_loss.
struct LossScale {
  double initial = 1;
  bool dynamic = false;
  double growth = 2;
  int64_t interval = 2000;
  double backoff = 0.5;
  int64_t hysteresis = 1;
  double floor = 0;
};

/// The keys of [precision] about it.
std::vector<models::Key> lossScaleKeys();

/// Reads all of [precision]: its settings, and the scale, none for "none".
/// Counts mistakes into `errors`.
models::Settings readPrecision(const RecipeFile &file,
                               std::optional<LossScale> &scale,
                               unsigned &errors);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_LOSSSCALE_H
