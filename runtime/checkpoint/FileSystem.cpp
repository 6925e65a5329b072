//===- FileSystem.cpp -----------------------------------------------------===//

#include "runtime/checkpoint/FileSystem.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace trainc::file_system {

static Fault current_fault = nullptr;

void setFault(Fault fault) { current_fault = fault; }

/// Whether the call may go on; sets errno otherwise.
static bool allowed(Call call, const std::string &path) {
  if (!current_fault)
    return true;
  errno = current_fault(call, path);
  return errno == 0;
}

int createFile(const std::string &path) {
  if (!allowed(Call::Create, path))
    return -1;
  int descriptor;
  do
    descriptor =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

static bool writeFully(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

bool write(int descriptor, std::span<const std::byte> bytes,
           const std::string &path) {
  // A full disk and a crash both leave a part.
  if (current_fault) {
    std::span<const std::byte> half = bytes.first(bytes.size() / 2);
    if (!allowed(Call::Write, path) || !writeFully(descriptor, half) ||
        !allowed(Call::Write, path))
      return false;
    bytes = bytes.subspan(half.size());
  }
  return writeFully(descriptor, bytes);
}

bool overwrite(int descriptor, uint64_t offset,
               std::span<const std::byte> bytes, const std::string &path) {
  off_t end = lseek(descriptor, 0, SEEK_CUR);
  return end >= 0 &&
         lseek(descriptor, static_cast<off_t>(offset), SEEK_SET) >= 0 &&
         write(descriptor, bytes, path) &&
         lseek(descriptor, end, SEEK_SET) >= 0;
}

bool sync(int descriptor, const std::string &path) {
  if (!allowed(Call::Sync, path))
    return false;
  int failed;
  do
    failed = ::fsync(descriptor);
  while (failed && errno == EINTR);
  return !failed;
}

bool rename(const std::string &from, const std::string &to) {
  return allowed(Call::Rename, to) &&
         std::rename(from.c_str(), to.c_str()) == 0;
}

bool exchange(const std::string &a, const std::string &b) {
  if (!allowed(Call::Exchange, b))
    return false;
#ifdef SYS_renameat2
  constexpr unsigned kExchange = 2; // RENAME_EXCHANGE, missing in old headers
  return syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(),
                 kExchange) == 0;
#else
  errno = ENOSYS;
  return false;
#endif
}

bool makeFolder(const std::string &path) {
  return allowed(Call::MakeFolder, path) && mkdir(path.c_str(), 0777) == 0;
}

bool removeTree(const std::string &path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0)
    return errno == ENOENT || errno == ENOTDIR;
  if (!S_ISDIR(info.st_mode))
    return allowed(Call::Remove, path) &&
           (unlink(path.c_str()) == 0 || errno == ENOENT);
  std::vector<std::string> entries;
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error), end;
  for (; !error && entry != end; entry.increment(error))
    entries.push_back(entry->path().string());
  if (error) {
    errno = error.value();
    return false;
  }
  for (const std::string &name : entries)
    if (!removeTree(name))
      return false;
  return allowed(Call::Remove, path) &&
         (rmdir(path.c_str()) == 0 || errno == ENOENT);
}

} // namespace trainc::file_system
