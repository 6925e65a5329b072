//===- MemoryFile.h - a file for readers that take a path ---------*- C++
//-*-===//
//
// A file in memory under a path, so that a fuzzer's executions cost no disk.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_FUZZ_MEMORYFILE_H
#define TRAINC_TEST_FUZZ_MEMORYFILE_H

#include "test/fuzz/Fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

namespace trainc::fuzz {

class MemoryFile {
public:
  MemoryFile() : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    require(descriptor_ >= 0, "no file in memory", "memfd_create");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile &) = delete;

  std::string path() const {
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }
  /// Replaces all that is in it.
  void write(std::string_view text) {
    require(ftruncate(descriptor_, 0) == 0 &&
                pwrite(descriptor_, text.data(), text.size(), 0) ==
                    ssize_t(text.size()),
            "no file in memory", "write");
  }

private:
  int descriptor_;
};

/// A safetensors file of that header and data.
inline std::string safetensors(std::string_view header, std::string_view data) {
  std::string file;
  for (size_t i = 0; i < 8; ++i)
    file += static_cast<char>(header.size() >> (8 * i));
  return (file += header) += data;
}

/// A safetensors file of the input: up to its first zero byte the header, whose
/// size is made right, then the data. An input that starts with a zero is the
/// file as it is, without that zero.
inline std::string asSafetensors(std::span<const uint8_t> input) {
  std::string_view text(reinterpret_cast<const char *>(input.data()),
                        input.size());
  if (text.starts_with('\0'))
    return std::string(text.substr(1));
  const size_t end = std::min(text.find('\0'), text.size());
  return safetensors(text.substr(0, end),
                     text.substr(std::min(end + 1, text.size())));
}

} // namespace trainc::fuzz

#endif // TRAINC_TEST_FUZZ_MEMORYFILE_H
