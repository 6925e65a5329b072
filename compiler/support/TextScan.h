//===- TextScan.h - what MLIR's parser relies on ----------------*- C++ -*-===//
//
// Decides, before MLIR's parser sees a text, what the parser takes for granted
// and a hostile text need not have: brackets nested a little, not without end
// (each is one level of its stack), and values defined before they are used.
// A use of a value that a later region defines survives a parse that fails
// after the region is gone, as a pointer into freed memory.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_SUPPORT_TEXTSCAN_H
#define TRAINC_COMPILER_SUPPORT_TEXTSCAN_H

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace trainc {

/// Where a text breaks a rule; lines and columns count from 1.
struct TextFinding {
  unsigned line = 1, column = 1;
  std::string message; ///< expected X, but got Y
};

/// The first finding in the text of a module, or nothing.
std::optional<TextFinding> scanText(llvm::StringRef text);

} // namespace trainc

#endif // TRAINC_COMPILER_SUPPORT_TEXTSCAN_H
