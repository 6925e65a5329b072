//===- Files.cpp ----------------------------------------------------------===//

#include "runtime/checkpoint/Files.h"

#include "runtime/checkpoint/FileSystem.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trainc {

/// What one call of the system moves.
static constexpr size_t kGatherBytes = size_t(1) << 18;

Status systemError(const std::string &path, std::string_view expected) {
  return Status::system(fmt::format("{}: expected to {}, but got: {}", path,
                                    expected, std::strerror(errno)));
}

std::string parentFolder(const std::string &path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

FileReader::FileReader(FileReader &&other) noexcept {
  *this = std::move(other);
}

FileReader &FileReader::operator=(FileReader &&other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

FileReader::~FileReader() {
  if (descriptor_ >= 0)
    close(descriptor_);
}

Result<FileReader> FileReader::open(const std::string &path) {
  FileReader file;
  file.path_ = path;
  // A pipe that nobody writes to must not stop the program.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.descriptor_ < 0) {
    // A disk that cannot be read is no reason to look for another file.
    if (errno == EIO || errno == EMFILE || errno == ENFILE || errno == ENOMEM)
      return systemError(path, "open the file");
    return Status::user(
        fmt::format("{}: expected a readable file, but got: {}; check the path",
                    path, std::strerror(errno)));
  }
  struct stat info;
  if (fstat(file.descriptor_, &info) != 0 || !S_ISREG(info.st_mode))
    return Status::user(
        fmt::format("{}: expected a regular file, but got something else "
                    "(a folder or a device); check the path",
                    path));
  file.size_bytes_ = static_cast<uint64_t>(info.st_size);
  return file;
}

Status FileReader::read(uint64_t offset_bytes, std::span<std::byte> out) const {
  const uint64_t end_bytes = offset_bytes + out.size();
  while (!out.empty()) {
    const ssize_t count = pread(descriptor_, out.data(), out.size(),
                                static_cast<off_t>(end_bytes - out.size()));
    if (count > 0)
      out = out.subspan(static_cast<size_t>(count));
    else if (count == 0)
      return Status::file(fmt::format(
          "{}: expected at least {} bytes as when it was opened, but got {}; "
          "the file became shorter while in use: restore it",
          path_, end_bytes, end_bytes - out.size()));
    else if (errno != EINTR)
      return systemError(path_, "read the file");
  }
  return {};
}

Result<std::string> readWholeFile(const std::string &path,
                                  uint64_t limit_bytes) {
  Result<FileReader> file = FileReader::open(path);
  if (!file.ok())
    return file.status();
  if (file->sizeBytes() > limit_bytes)
    return Status::file(fmt::format(
        "{}: expected a file of at most {} bytes, but got {}; it is of another "
        "kind",
        path, limit_bytes, file->sizeBytes()));
  std::string text(file->sizeBytes(), '\0');
  TRAINC_RETURN_IF_ERROR(
      file->read(0, std::as_writable_bytes(std::span(text))));
  return text;
}

Result<uint64_t> hashFile(const std::string &path) {
  Result<FileReader> file = FileReader::open(path);
  if (!file.ok())
    return file.status();
  StreamHash hash;
  std::vector<std::byte> buffer(kGatherBytes);
  for (uint64_t begin = 0; begin < file->sizeBytes(); begin += buffer.size()) {
    const std::span<std::byte> piece = std::span(buffer).first(
        std::min<uint64_t>(buffer.size(), file->sizeBytes() - begin));
    TRAINC_RETURN_IF_ERROR(file->read(begin, piece));
    hash.update(piece);
  }
  return hash.value();
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

FileWriter::FileWriter(FileWriter &&other) noexcept {
  *this = std::move(other);
}

FileWriter &FileWriter::operator=(FileWriter &&other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_path_, other.temporary_path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(pending_, other.pending_);
  std::swap(hash_, other.hash_);
  return *this;
}

FileWriter::~FileWriter() { discard(); }

void FileWriter::discard() {
  if (descriptor_ < 0)
    return;
  close(descriptor_);
  descriptor_ = -1;
  unlink(temporary_path_.c_str());
}

Result<FileWriter> FileWriter::create(const std::string &path,
                                      Placement placement) {
  FileWriter writer;
  size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty())
    return Status::user(fmt::format(
        "expected the name of a file to write, but got '{}'", path));
  writer.path_ = path;
  writer.temporary_path_ =
      placement == Placement::NewFolder
          ? path
          : fmt::format("{}/.tmp-{}-{}", parentFolder(path), name, getpid());
  writer.descriptor_ = file_system::createFile(writer.temporary_path_);
  if (writer.descriptor_ < 0) {
    // A wrong folder is the user's to fix; a full disk is the system's.
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES)
      return Status::user(
          fmt::format("{}: expected a folder that can be written, but got: {}",
                      path, std::strerror(errno)));
    return systemError(path, "create the file");
  }
  return writer;
}

static Status writeFully(int descriptor, std::span<const std::byte> bytes,
                         const std::string &path) {
  if (!file_system::write(descriptor, bytes, path))
    return systemError(path, "write the file");
  return {};
}

Status FileWriter::flush() {
  if (pending_.empty())
    return {};
  Status status = writeFully(descriptor_, pending_, path_);
  pending_.clear();
  return status;
}

Status FileWriter::write(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  if (bytes.size() >= kGatherBytes) {
    TRAINC_RETURN_IF_ERROR(flush());
    return writeFully(descriptor_, bytes, path_);
  }
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  return pending_.size() >= kGatherBytes ? flush() : Status();
}

Status FileWriter::write(std::string_view text) {
  return write(std::as_bytes(std::span(text.data(), text.size())));
}

Status FileWriter::overwrite(uint64_t offset,
                             std::span<const std::byte> bytes) {
  TRAINC_RETURN_IF_ERROR(flush());
  if (!file_system::overwrite(descriptor_, offset, bytes, path_))
    return systemError(path_, "write the file");
  return {};
}

Status FileWriter::commit() {
  TRAINC_RETURN_IF_ERROR(flush());
  if (!file_system::sync(descriptor_, path_))
    return systemError(path_, "write the file to disk");
  int descriptor = descriptor_;
  descriptor_ = -1;
  bool in_place = temporary_path_ == path_;
  if (close(descriptor) != 0 ||
      (!in_place && !file_system::rename(temporary_path_, path_))) {
    Status status = systemError(path_, "put the finished file in place");
    unlink(temporary_path_.c_str());
    return status;
  }
  return in_place ? Status() : syncFolder(parentFolder(path_));
}

Status writeWholeFile(const std::string &path, std::string_view text,
                      Placement placement) {
  Result<FileWriter> writer = FileWriter::create(path, placement);
  if (!writer.ok())
    return writer.status();
  TRAINC_RETURN_IF_ERROR(writer->write(text));
  return writer->commit();
}

Status syncFolder(const std::string &folder) {
  int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return systemError(folder, "open the folder");
  bool synced = file_system::sync(descriptor, folder);
  // Some file systems cannot fsync a folder; their renames are durable anyway.
  bool unsupported = !synced && (errno == EINVAL || errno == ENOTSUP);
  Status status = synced || unsupported
                      ? Status()
                      : systemError(folder, "write the folder to disk");
  close(descriptor);
  return status;
}

static bool isFolder(const std::string &path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<std::vector<std::string>> makeFolders(const std::string &folder) {
  if (isFolder(folder))
    return std::vector<std::string>();
  std::string path = folder;
  while (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  std::string parent = parentFolder(path);
  Result<std::vector<std::string>> changed = makeFolders(parent);
  if (!changed.ok())
    return changed;
  // Another process may have been quicker.
  if (!file_system::makeFolder(path) && errno != EEXIST)
    return Status::user(
        fmt::format("{}: expected a folder that can be made, but got: {}; "
                    "choose another one",
                    folder, std::strerror(errno)));
  if (!isFolder(path))
    return Status::user(fmt::format(
        "{}: expected a folder, but got a file of that name", path));
  changed->push_back(parent);
  return changed;
}

//===----------------------------------------------------------------------===//
// Locking
//===----------------------------------------------------------------------===//

FolderLock::FolderLock(FolderLock &&other) noexcept {
  *this = std::move(other);
}

FolderLock &FolderLock::operator=(FolderLock &&other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0)
    close(descriptor_);
}

Result<FolderLock> FolderLock::take(const std::string &folder) {
  FolderLock lock;
  lock.folder_ = folder;
  lock.descriptor_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock.descriptor_ < 0)
    return systemError(folder, "open the folder");
  if (flock(lock.descriptor_, LOCK_EX | LOCK_NB) == 0)
    return lock;
  if (errno == EWOULDBLOCK)
    return Status::user(fmt::format(
        "{}: expected a folder that no other process writes to, but got one in "
        "use; wait for the other run, or choose another folder",
        folder));
  // Some network file systems have no locks; the run is then the user's care.
  return lock;
}

Status FolderLock::check() const {
  struct stat held, named;
  if (stat(folder_.c_str(), &named) != 0)
    return systemError(folder_, "find the folder");
  if (fstat(descriptor_, &held) == 0 && held.st_dev == named.st_dev &&
      held.st_ino == named.st_ino)
    return {};
  return Status::system(fmt::format(
      "{}: expected the folder from before, but got another one of that name",
      folder_));
}

} // namespace trainc
