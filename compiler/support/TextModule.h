//===- TextModule.h - modules that a person wrote ---------------*- C++ -*-===//
//
// Decides what a text module may be: text, not nested without end, of the
// operations that models are written in, with attributes of their types and
// tensors of possible sizes. The stages rely on it as on a module of a recipe.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_SUPPORT_TEXTMODULE_H
#define TRAINC_COMPILER_SUPPORT_TEXTMODULE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"

namespace trainc {

/// Reads the module at `path`. Null after diagnostics.
mlir::OwningOpRef<mlir::ModuleOp> loadTextModule(mlir::MLIRContext &context,
                                                 llvm::StringRef path);

/// The module that `text` says; `path` is for diagnostics. Null after those.
mlir::OwningOpRef<mlir::ModuleOp> parseTextModule(mlir::MLIRContext &context,
                                                  llvm::StringRef text,
                                                  llvm::StringRef path);

} // namespace trainc

#endif // TRAINC_COMPILER_SUPPORT_TEXTMODULE_H
