//===- Files.h - whole files or none -----------------------------*- C++
//-*-===//
//
// Decides how files are read (never mapped) and written: under a temporary name
// in the same folder, fsynced, renamed, and the folder fsynced, so that a crash
// at any instant leaves either the old file or the whole new one.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CHECKPOINT_FILES_H
#define TRAINC_RUNTIME_CHECKPOINT_FILES_H

#include "runtime/core/Status.h"
#include "runtime/core/StreamHash.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trainc {

/// A regular file open for reading. Nothing is mapped: of a file that became
/// shorter while in use, a read is an error and not a signal.
class FileReader {
public:
  FileReader() = default;
  FileReader(FileReader &&other) noexcept;
  FileReader &operator=(FileReader &&other) noexcept;
  ~FileReader();

  /// A missing file or a folder is a user error.
  static Result<FileReader> open(const std::string &path);

  /// Fills all of `out` from `offset_bytes` on. File error where the file ends
  /// before. May be called from several threads.
  Status read(uint64_t offset_bytes, std::span<std::byte> out) const;

  /// When it was opened.
  uint64_t sizeBytes() const { return size_bytes_; }
  const std::string &path() const { return path_; }

private:
  std::string path_;
  int descriptor_ = -1;
  uint64_t size_bytes_ = 0;
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
  /// Replaces bytes that were written, from `offset` of the file on.
  Status overwrite(uint64_t offset, std::span<const std::byte> bytes);
  /// fsync; for Replace also rename to the final name, fsync of the folder.
  Status commit();
  /// Of all bytes appended so far, and so of no file with overwritten ones.
  uint64_t hash() const { return hash_.value(); }

private:
  Status flush();
  void discard();

  std::string path_;
  std::string temporary_path_;
  int descriptor_ = -1;
  std::vector<std::byte> pending_;
  StreamHash hash_;
};

/// Replaces `path` by `text` as a whole.
Status writeWholeFile(const std::string &path, std::string_view text,
                      Placement placement = Placement::Replace);

/// The text of a file (user error if it cannot be opened). A file error where
/// it has more than `limit_bytes`: what it is read for is never that long.
Result<std::string> readWholeFile(const std::string &path,
                                  uint64_t limit_bytes = UINT64_MAX);

/// StreamHash of a whole file.
Result<uint64_t> hashFile(const std::string &path);

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
