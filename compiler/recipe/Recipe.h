//===- Recipe.h - the recipe stage: TOML to module --------------*- C++ -*-===//
//
// Reads a recipe, checks everything a person can get wrong, and builds the
// module that the other stages lower: parameters, one train.step, and @prefill
// where the family generates text.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_RECIPE_H
#define TRAINC_COMPILER_RECIPE_RECIPE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace mlir {
class DialectRegistry;
}

namespace trainc::recipe {

/// Adds the dialects that modules of recipes are made of.
void registerRecipeDialects(mlir::DialectRegistry &registry);

/// The module of the recipe at `path` after `overrides`, each
/// "section.key=value" with a TOML value (a bare word is a string). Returns
/// null after emitting diagnostics "expected X, but got Y" at the file and line
/// of every mistake found; the location of a mistake in an override is a
/// NameLoc with the override's text.
mlir::OwningOpRef<mlir::ModuleOp>
loadRecipe(mlir::MLIRContext &context, llvm::StringRef path,
           llvm::ArrayRef<std::string> overrides);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_RECIPE_H
