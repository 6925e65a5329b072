#include "runtime/plan/CodeImage.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <utility>

using namespace trainc;

Result<CodeImage> CodeImage::map(std::span<const uint8_t> code) {
  CodeImage image;
  if (code.empty())
    return image;
  void *base = mmap(nullptr, code.size(), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED)
    return Status::system(
        fmt::format("expected {} bytes of memory for the plan's code, but got: "
                    "{}; free memory and try again",
                    code.size(), std::strerror(errno)));
  image.base_ = base;
  image.size_bytes_ = code.size();
  std::memcpy(base, code.data(), code.size());
  // Never writable and executable at once.
  if (mprotect(base, code.size(), PROT_READ | PROT_EXEC) != 0)
    return Status::system(
        fmt::format("expected to make the plan's code executable, but got: {}; "
                    "allow anonymous executable memory for this process",
                    std::strerror(errno)));
  __builtin___clear_cache(static_cast<char *>(base),
                          static_cast<char *>(base) + code.size());
  return image;
}

CodeImage::~CodeImage() {
  if (base_)
    munmap(base_, size_bytes_);
}

CodeImage::CodeImage(CodeImage &&other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

CodeImage &CodeImage::operator=(CodeImage &&other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

TraincKernel CodeImage::entry(uint64_t entry_offset) const {
  return reinterpret_cast<TraincKernel>(reinterpret_cast<uintptr_t>(base_) +
                                        entry_offset);
}
