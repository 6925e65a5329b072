//===- OutputFile.cpp - files that are whole or absent --------------------===//

#include "tools/trainc/OutputFile.h"

#include "tools/trainc/Commands.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <fmt/format.h>
#include <unistd.h>

namespace trainc::tools {

int writeFile(const std::string &path, llvm::StringRef bytes) {
  if (path == "-") {
    llvm::outs() << bytes;
    llvm::outs().flush();
    return llvm::outs().has_error()
               ? fail(3, "expected to write to standard output, but could not")
               : 0;
  }
  std::string temporary = fmt::format("{}.tmp-{}", path, getpid());
  int descriptor = -1;
  std::error_code error =
      llvm::sys::fs::openFileForWrite(temporary, descriptor);
  if (!error) {
    llvm::raw_fd_ostream out(descriptor, /*shouldClose=*/true);
    out << bytes;
    out.flush();
    error = out.error();
    if (!error && fsync(descriptor) != 0)
      error = std::error_code(errno, std::generic_category());
    out.clear_error();
  }
  if (!error)
    error = llvm::sys::fs::rename(temporary, path);
  if (!error)
    return 0;
  llvm::sys::fs::remove(temporary);
  return fail(3, fmt::format("expected to write '{}', but got: {}", path,
                             error.message()));
}

} // namespace trainc::tools
