//===- Sections.h - the sections of a recipe and their keys -----*- C++ -*-===//
//
// The one list of what a recipe may say. Checking and the generated reference
// page read it; families, objectives, optimizers and schedules add their keys.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_SECTIONS_H
#define TRAINC_COMPILER_RECIPE_SECTIONS_H

#include "models/Registry.h"

namespace trainc::recipe {

/// Names of all sections, in the order of the reference.
const std::vector<std::string> &sectionNames();
/// Names of special tokens.
const std::vector<std::string> &tokenNames();

/// Keys that a section has whatever its name or family.
std::vector<models::Key> commonKeys(llvm::StringRef section);

/// Keys of [model] beside them where model.module is a person's own.
std::vector<models::Key> moduleKeys();
/// The same of [optimizer] with a rule of a person's own.
std::vector<models::Key> ruleKeys();

/// The reference page of all recipe keys, in Markdown.
std::string recipeReference();

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_SECTIONS_H
