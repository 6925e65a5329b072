//===- OwnFile.h - files that a recipe names --------------------*- C++ -*-===//
//
// Decides where a file of a person's own is looked for (beside the recipe), and
// how the plan keeps its text: as a comment of the recipe.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_OWNFILE_H
#define TRAINC_COMPILER_RECIPE_OWNFILE_H

#include "compiler/recipe/RecipeFile.h"
#include "llvm/Support/MemoryBuffer.h"

namespace trainc::recipe {

struct OwnFile {
  std::string name; ///< as the recipe has it
  std::string path;
  std::unique_ptr<llvm::MemoryBuffer> buffer;

  llvm::StringRef text() const { return buffer->getBuffer(); }
  /// For the recipe's text, so that the plan says all it is made of.
  std::string asComment() const;
};

/// The file that `section`.`key` names; fails after a diagnostic.
mlir::FailureOr<OwnFile> readOwnFile(const RecipeFile &recipe,
                                     llvm::StringRef section,
                                     llvm::StringRef key,
                                     const models::Settings &settings);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_OWNFILE_H
