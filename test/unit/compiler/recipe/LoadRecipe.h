//===- LoadRecipe.h - recipes from text, and what they say ------*- C++ -*-===//
//
// Loads a recipe from text or file and keeps its diagnostics as
// "FILE:LINE: message" (or the message alone where it has no line).
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_COMPILER_RECIPE_LOADRECIPE_H
#define TRAINC_TEST_UNIT_COMPILER_RECIPE_LOADRECIPE_H

#include "compiler/recipe/Recipe.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "test/unit/runtime/TemporaryFolder.h"
#include "llvm/Support/Path.h"

#include <memory>
#include <string>
#include <vector>

namespace trainc::test {

struct LoadedRecipe {
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<std::string> errors;

  template <typename Op> std::vector<Op> all() {
    std::vector<Op> ops;
    module->walk([&](Op op) { ops.push_back(op); });
    return ops;
  }
  int64_t integer(llvm::StringRef attribute) {
    auto value = (*module)->getAttrOfType<mlir::IntegerAttr>(attribute);
    return value ? value.getInt() : -1;
  }
};

inline LoadedRecipe loadFile(const std::string &path,
                             std::vector<std::string> overrides = {}) {
  LoadedRecipe result{std::make_unique<mlir::MLIRContext>(), {}, {}};
  mlir::ScopedDiagnosticHandler handler(
      result.context.get(), [&](mlir::Diagnostic &diagnostic) {
        std::string text;
        if (auto at =
                llvm::dyn_cast<mlir::FileLineColLoc>(diagnostic.getLocation()))
          text = llvm::sys::path::filename(at.getFilename().getValue()).str() +
                 ":" + std::to_string(at.getLine()) + ": ";
        if (auto name = llvm::dyn_cast<mlir::NameLoc>(diagnostic.getLocation()))
          text = name.getName().str() + ": ";
        result.errors.push_back(text + diagnostic.str());
        return mlir::success();
      });
  result.module = recipe::loadRecipe(*result.context, path, overrides);
  return result;
}

inline LoadedRecipe loadText(const std::string &text,
                             std::vector<std::string> overrides = {}) {
  TemporaryFolder folder;
  writeText(folder / "recipe.toml", text);
  return loadFile(folder / "recipe.toml", std::move(overrides));
}

/// A ready-made recipe of models/recipes.
inline LoadedRecipe loadReady(const std::string &name,
                              std::vector<std::string> overrides = {}) {
  return loadFile(TRAINC_RECIPES "/" + name + ".toml", std::move(overrides));
}

/// A small valid recipe; tests change a line of it.
inline const std::string kRecipe = R"([model]
family = "gpt2"
vocab_size = 96
max_positions = 16
hidden_size = 32
num_layers = 2
num_heads = 2
[objective]
name = "causal_lm"
[batch]
sequences = 2
length = 16
[optimizer]
name = "adamw"
learning_rate = 1e-3
[schedule]
name = "cosine"
warmup_steps = 10
total_steps = 110
final_ratio = 0.1
)";

/// `text` with its one `from` replaced; empty where it is not there.
inline std::string replaced(std::string text, const std::string &from,
                            const std::string &to) {
  size_t position = text.find(from);
  return position == std::string::npos
             ? ""
             : text.replace(position, from.size(), to);
}

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_COMPILER_RECIPE_LOADRECIPE_H
