//===- Files.h - whole files or none -----------------------------*- C++
//-*-===//
//
// Decides how files are read (mapped, read-only) and written: under a temporary
// name in the same folder, fsynced, renamed, and the folder fsynced, so that a
// crash at any instant leaves either the old file or the whole new one.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CHECKPOINT_FILES_H
#define TRAINC_RUNTIME_CHECKPOINT_FILES_H

#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trainc {

/// A whole regular file mapped read-only; unmapped with the object.
class MappedFile {
public:
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  /// Maps `path`. A missing file or a folder is a user error.
  static Result<MappedFile> open(const std::string &path);

  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }
  std::string_view text() const {
    return {reinterpret_cast<const char *>(data_), size_bytes_};
  }
  const std::string &path() const { return path_; }

  /// Gives the memory behind `part` of bytes() back; it is read from the file
  /// again when touched. Keeps the peak of a pass over a large file low.
  void release(std::span<const std::byte> part) const;

private:
  std::string path_;
  const std::byte *data_ = nullptr;
  size_t size_bytes_ = 0;
};

/// How a file that is being written is kept apart from a finished one.
enum class Placement {
  /// Under a temporary name, until commit() puts it in place, durably.
  Replace,
  /// Under its own name, in a folder that is not in place yet itself; whoever
  /// makes the folder syncs and renames it.
  NewFolder
};

/// Writes one file. Without a commit the file is removed.
class FileWriter {
public:
  FileWriter() = default;
  FileWriter(FileWriter &&other) noexcept;
  FileWriter &operator=(FileWriter &&other) noexcept;
  ~FileWriter();

  static Result<FileWriter> create(const std::string &path,
                                   Placement placement = Placement::Replace);

  /// Appends; small pieces are gathered before they reach the kernel.
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text);
  /// fsync; for Replace also rename to the final name, fsync of the folder.
  Status commit();

private:
  Status flush();
  void discard();

  std::string path_;
  std::string temporary_path_;
  int descriptor_ = -1;
  std::vector<std::byte> pending_;
};

/// Replaces `path` by `text` as a whole.
Status writeWholeFile(const std::string &path, std::string_view text,
                      Placement placement = Placement::Replace);

/// The text of a file (user error if it cannot be opened).
Result<std::string> readWholeFile(const std::string &path);

/// Makes renames and new names in `folder` durable.
Status syncFolder(const std::string &folder);

/// Makes `folder` and the missing ones above it. Returns the folders that
/// syncFolder must be called with before it counts on being there after a loss
/// of power. User error where it cannot be made.
Result<std::vector<std::string>> makeFolders(const std::string &folder);

/// Keeps other processes that ask for the same folder out, as long as the
/// object or the process lives.
class FolderLock {
public:
  FolderLock() = default;
  FolderLock(FolderLock &&other) noexcept;
  FolderLock &operator=(FolderLock &&other) noexcept;
  ~FolderLock();

  /// User error when another process holds `folder`.
  static Result<FolderLock> take(const std::string &folder);
  bool held() const { return descriptor_ >= 0; }
  /// System error when the folder was removed, or another one took its name.
  Status check() const;

private:
  std::string folder_;
  int descriptor_ = -1;
};

/// Folder part of a path ("." if it has none).
std::string parentFolder(const std::string &path);

/// A Status::system about `path` from errno, e.g.
/// "runs/a/model.safetensors: expected to write the file, but got: No space".
Status systemError(const std::string &path, std::string_view expected);

} // namespace trainc

#endif // TRAINC_RUNTIME_CHECKPOINT_FILES_H
