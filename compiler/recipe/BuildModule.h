//===- BuildModule.h - a checked recipe as a module -------------*- C++ -*-===//
#ifndef TRAINC_COMPILER_RECIPE_BUILDMODULE_H
#define TRAINC_COMPILER_RECIPE_BUILDMODULE_H

#include "compiler/recipe/Check.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace trainc::recipe {

/// Parameters, train.step @step and, where the family generates text,
/// plan.program @prefill. Null after a diagnostic (a pattern of model.trainable
/// that names no parameter, a module that does not verify).
mlir::OwningOpRef<mlir::ModuleOp> buildModule(mlir::MLIRContext &context,
                                              const RecipeFile &file,
                                              const Recipe &recipe);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_BUILDMODULE_H
