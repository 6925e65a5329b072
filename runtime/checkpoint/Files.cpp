//===- Files.cpp ----------------------------------------------------------===//

#include "runtime/checkpoint/Files.h"

#include "runtime/checkpoint/FileSystem.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trainc {

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

MappedFile::MappedFile(MappedFile &&other) noexcept {
  *this = std::move(other);
}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_)
    munmap(const_cast<std::byte *>(data_), size_bytes_);
}

Result<MappedFile> MappedFile::open(const std::string &path) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    // A disk that cannot be read is no reason to look for another file.
    if (errno == EIO || errno == EMFILE || errno == ENFILE || errno == ENOMEM)
      return systemError(path, "open the file");
    return Status::user(
        fmt::format("{}: expected a readable file, but got: {}; check the path",
                    path, std::strerror(errno)));
  }
  struct stat info;
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(descriptor);
    return Status::user(
        fmt::format("{}: expected a regular file, but got something else "
                    "(a folder or a device)",
                    path));
  }
  MappedFile file;
  file.path_ = path;
  if (info.st_size > 0) {
    void *data = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ,
                      MAP_SHARED, descriptor, 0);
    if (data == MAP_FAILED) {
      Status status = systemError(path, "map the file");
      close(descriptor);
      return status;
    }
    file.data_ = static_cast<const std::byte *>(data);
    file.size_bytes_ = static_cast<size_t>(info.st_size);
  }
  close(descriptor);
  return file;
}

void MappedFile::release(std::span<const std::byte> part) const {
  static const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) / page * page;
  uintptr_t end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
  if (!part.empty())
    madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

Result<std::string> readWholeFile(const std::string &path) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file.ok())
    return file.status();
  return std::string(file->text());
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static constexpr size_t kGatherBytes = size_t(1) << 18;

FileWriter::FileWriter(FileWriter &&other) noexcept {
  *this = std::move(other);
}

FileWriter &FileWriter::operator=(FileWriter &&other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_path_, other.temporary_path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(pending_, other.pending_);
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
