//===- OwnModel.h - a person's model in a recipe -----------------*- C++
//-*-===//
//
// Decides what `[model] module = "phi.mlir"` may name: a text module whose one
// train.step makes hidden states [B, T, C] of token ids [B, T], and nothing
// else. It becomes a family like ours, so any objective and optimizer of a
// recipe goes with it. Errors are at the line and column of that file.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_OWNMODEL_H
#define TRAINC_COMPILER_RECIPE_OWNMODEL_H

#include "compiler/recipe/RecipeFile.h"
#include "models/Registry.h"

#include <memory>

namespace trainc::recipe {

/// The family that model.module describes; its text is appended to `text`, what
/// the plan says it was made of. Null after a diagnostic.
std::shared_ptr<const models::Family>
loadOwnModel(const RecipeFile &file, const models::Settings &model,
             const models::BatchShape &batch, std::string &text);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_OWNMODEL_H
