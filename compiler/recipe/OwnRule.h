//===- OwnRule.h - a person's update rule in a recipe -----------*- C++ -*-===//
//
// Decides what `[optimizer] rule = "adamax.mlir"` may name: a text with one
// train.update and nothing else. Its regions step, element and matrix become an
// optimizer like ours, so that schedule, clipping, weight decay and lists of
// patterns of a recipe go with it. Errors are at the line and column of that
// file.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_OWNRULE_H
#define TRAINC_COMPILER_RECIPE_OWNRULE_H

#include "compiler/recipe/RecipeFile.h"
#include "models/Registry.h"

#include <memory>

namespace trainc::recipe {

/// The optimizer that optimizer.rule describes; its text is appended to `text`,
/// what the plan says it was made of. What it says of matrices becomes a
/// setting. Null after a diagnostic.
std::shared_ptr<const models::Optimizer>
loadOwnRule(const RecipeFile &file, models::Settings &optimizer,
            std::string &text);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_OWNRULE_H
