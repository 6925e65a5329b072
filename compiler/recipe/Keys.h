//===- Keys.h - reading a section by its keys -------------------*- C++ -*-===//
//
// Turns the entries of one section into Settings by the keys it may have:
// unknown keys, wrong types and values out of range become diagnostics.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_KEYS_H
#define TRAINC_COMPILER_RECIPE_KEYS_H

#include "compiler/recipe/RecipeFile.h"

namespace trainc::recipe {

/// "; did you mean X?" for the candidate nearest to `text` by edit distance,
/// with `open` and `close` around it; empty where none is near.
std::string suggest(llvm::StringRef text,
                    llvm::ArrayRef<std::string> candidates,
                    llvm::StringRef open = "\"", llvm::StringRef close = "\"");

/// Settings of a section with the defaults of `keys`; counts mistakes into
/// `errors`. A key without default that the recipe leaves out is not set.
models::Settings readSection(const RecipeFile &file, llvm::StringRef section,
                             llvm::ArrayRef<models::Key> keys,
                             unsigned &errors);

/// Reports a key that has to be given and is not.
void requireKey(const RecipeFile &file, const models::Settings &settings,
                llvm::StringRef section, llvm::StringRef key, unsigned &errors);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_KEYS_H
