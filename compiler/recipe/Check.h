//===- Check.h - recipes with meaning ---------------------------*- C++ -*-===//
//
// The checked form of a recipe: every value present, of its type and possible.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_CHECK_H
#define TRAINC_COMPILER_RECIPE_CHECK_H

#include "compiler/recipe/LossScale.h"
#include "compiler/recipe/RecipeFile.h"
#include "models/Registry.h"

#include <memory>

namespace trainc::recipe {

struct Recipe {
  std::string name; ///< the file's stem
  std::string text;
  const models::Family *family = nullptr;
  /// The family where model.module is a person's own.
  std::shared_ptr<const models::Family> ownFamily;
  const models::Objective *objective = nullptr;
  const models::Optimizer *optimizer = nullptr;
  /// The optimizer where optimizer.rule is a person's own.
  std::shared_ptr<const models::Optimizer> ownOptimizer;
  const models::Schedule *schedule = nullptr;
  models::Settings model, objectiveSettings, optimizerSettings;
  models::Settings scheduleSettings, precision, run;
  models::BatchShape batch;
  models::ScheduleShape shape;
  std::optional<LossScale> lossScale;       ///< none: the loss as it is
  int64_t totalSteps = 0;                   ///< 0 where the recipe names none
  std::optional<int64_t> memoryBudgetBytes; ///< of memory.budget
};

/// Checks a recipe; fails after diagnostics for all mistakes found.
mlir::FailureOr<Recipe> checkRecipe(const RecipeFile &file);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_CHECK_H
