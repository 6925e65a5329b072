//===- RecipeFile.h - a TOML recipe as sections and keys --------*- C++ -*-===//
//
// The text side of recipes: values as written, with where they stand. Knows no
// key; Check.cpp gives them meaning.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_RECIPE_RECIPEFILE_H
#define TRAINC_COMPILER_RECIPE_RECIPEFILE_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "mlir/Support/LLVM.h"
#include "models/Settings.h"

#include <map>

namespace trainc::recipe {

/// A value as written in the file or in an override.
struct Entry {
  /// Empty for arrays of something else than strings, dates and tables.
  std::optional<models::SettingValue> value;
  std::string written;     ///< as messages show it: `string "x"`, `integer 4`
  mlir::Location location; ///< in the file; "--set a.b=c" for an override
};

struct Section {
  mlir::Location location;
  std::map<std::string, Entry> entries;
};

struct RecipeFile {
  std::string path;
  std::string text; ///< TOML with the overrides in it
  mlir::Location location;
  std::map<std::string, Section> sections;

  /// The entry, or null.
  const Entry *find(llvm::StringRef section, llvm::StringRef key) const;
  /// Starts a diagnostic about a key: at its value, else its section, else the
  /// file.
  mlir::InFlightDiagnostic error(llvm::StringRef section,
                                 llvm::StringRef key) const;
};

/// Reads and parses; fails after a diagnostic.
mlir::FailureOr<RecipeFile> readRecipe(mlir::MLIRContext &context,
                                       llvm::StringRef path,
                                       llvm::ArrayRef<std::string> overrides);

} // namespace trainc::recipe

#endif // TRAINC_COMPILER_RECIPE_RECIPEFILE_H
