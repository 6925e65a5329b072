//===- NamePatterns.h - parameters chosen by name ---------------*- C++ -*-===//
//
// Lists of patterns in recipes, such as model.trainable = ["*.attn.*"]: `*`,
// `?` and `[…]` against parameters' names in weight files. A pattern that
// matches nothing is a typing error.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_NAMEPATTERNS_H
#define TRAINC_COMPILER_RECIPE_NAMEPATTERNS_H

#include "compiler/recipe/RecipeFile.h"
#include "dialects/train/Train.h"
#include "mlir/IR/BuiltinOps.h"

namespace trainc::recipe {

/// Patterns without numbers: calls `visit` for every parameter with whether one
/// matches. Nothing where the recipe lacks the key.
mlir::LogicalResult
matchParameters(mlir::ModuleOp module, const RecipeFile &file,
                llvm::StringRef section, llvm::StringRef key,
                const models::Settings &settings,
                llvm::function_ref<void(train::ParameterOp, bool)> visit);

/// Items `PATTERN = NUMBER` with numbers of at least 0: calls `visit` for every
/// parameter that one matches, with the number of the last.
mlir::LogicalResult
matchNumbers(mlir::ModuleOp module, const RecipeFile &file,
             llvm::StringRef section, llvm::StringRef key,
             const models::Settings &settings,
             llvm::function_ref<void(train::ParameterOp, double)> visit);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_NAMEPATTERNS_H
