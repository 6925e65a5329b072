//===- FileSystem.h - the calls that change the disk -------------*- C++
//-*-===//
//
// Decides which calls the runtime changes files and folders with. Each one
// goes on after an interruption by a signal, fails with errno set, and can be
// made to fail, or be cut off, by a test.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CHECKPOINT_FILESYSTEM_H
#define TRAINC_RUNTIME_CHECKPOINT_FILESYSTEM_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace trainc::file_system {

enum class Call { Create, Write, Sync, Rename, Exchange, MakeFolder, Remove };

/// Asked before each call, and in the middle of each write. Returns the errno
/// that the call is to fail with, or 0.
using Fault = int (*)(Call call, const std::string &path);

/// For tests that fill the disk or kill the process at a call. Null, as in the
/// tools, for none.
void setFault(Fault fault);

/// A new, empty file open for writing, or -1.
int createFile(const std::string &path);
/// `path` is what a fault is asked about.
bool write(int descriptor, std::span<const std::byte> bytes,
           const std::string &path);
/// The same at `offset`, over what is there; appending goes on at the end.
bool overwrite(int descriptor, uint64_t offset,
               std::span<const std::byte> bytes, const std::string &path);
bool sync(int descriptor, const std::string &path);
bool rename(const std::string &from, const std::string &to);
/// Swaps two names in one step; false with EINVAL or ENOSYS where the file
/// system cannot.
bool exchange(const std::string &a, const std::string &b);
bool makeFolder(const std::string &path);
/// Removes a file or a folder with all that is in it; true when nothing is
/// there. Follows no links.
bool removeTree(const std::string &path);

} // namespace trainc::file_system

#endif // TRAINC_RUNTIME_CHECKPOINT_FILESYSTEM_H
