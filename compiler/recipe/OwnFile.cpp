//===- OwnFile.cpp --------------------------------------------------------===//

#include "compiler/recipe/OwnFile.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace trainc::recipe {

std::string OwnFile::asComment() const {
  std::string comment =
      llvm::formatv("\n# {0}, {1} bytes, xxh3 {2:x-16}:\n", name, text().size(),
                    llvm::xxh3_64bits(text()));
  SmallVector<StringRef> lines;
  text().rtrim('\n').split(lines, '\n');
  for (StringRef line : lines)
    comment += line.empty() ? "#\n" : ("# " + line + "\n").str();
  return comment;
}

FailureOr<OwnFile> readOwnFile(const RecipeFile &recipe, StringRef section,
                               StringRef key,
                               const models::Settings &settings) {
  OwnFile own;
  own.name = settings.text(key);
  SmallString<128> path(own.name);
  if (!llvm::sys::path::is_absolute(path)) {
    SmallString<128> beside(llvm::sys::path::parent_path(recipe.path));
    llvm::sys::path::append(beside, path);
    path = beside;
  }
  own.path = path.str();
  // Of devices and pipes there may be no end.
  std::error_code missing = std::make_error_code(std::errc::invalid_argument);
  llvm::sys::fs::file_status status;
  auto buffer = llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>>(missing);
  if (std::error_code error = llvm::sys::fs::status(path, status))
    buffer = error;
  else if (llvm::sys::fs::is_regular_file(status))
    buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return recipe.error(section, key)
           << "expected " << section << "." << key
           << " to be a file to read, but got \"" << path
           << "\": " << buffer.getError().message();
  own.buffer = std::move(*buffer);
  return own;
}

} // namespace trainc::recipe
