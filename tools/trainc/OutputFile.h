//===- OutputFile.h - files that are whole or absent --------------*- C++
//-*-===//
//
// How every command of trainc writes its outcome.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINC_OUTPUTFILE_H
#define TRAINC_TOOLS_TRAINC_OUTPUTFILE_H

#include "llvm/ADT/StringRef.h"
#include <string>

namespace trainc::tools {

/// Writes all of `bytes` under a temporary name, flushes, and renames: never a
/// half-written file. "-": to standard output. Returns an exit status.
int writeFile(const std::string &path, llvm::StringRef bytes);

} // namespace trainc::tools

#endif // TRAINC_TOOLS_TRAINC_OUTPUTFILE_H
