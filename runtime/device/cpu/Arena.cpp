#include "runtime/device/cpu/Arena.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <utility>

using namespace trainc;

static constexpr uint64_t hugePageBytes = uint64_t{2} << 20;

Result<Arena> Arena::allocate(std::string_view name, uint64_t size_bytes,
                              uint64_t alignment_bytes) {
  Arena arena;
  if (size_bytes == 0)
    return arena;
  // Room to align by; the rest of it is never touched, so never resident.
  const uint64_t alignment = size_bytes >= hugePageBytes
                                 ? hugePageBytes
                                 : std::max<uint64_t>(alignment_bytes, 4096);
  const uint64_t mapping_bytes = size_bytes + alignment;
  void *mapping = mmap(nullptr, mapping_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    return Status::system(fmt::format("expected {} bytes of memory for arena "
                                      "'{}', but got: {}; compile with a "
                                      "smaller batch or a memory budget",
                                      size_bytes, name, std::strerror(errno)));
  arena.mapping_ = mapping;
  arena.mapping_bytes_ = mapping_bytes;
  const uintptr_t start = reinterpret_cast<uintptr_t>(mapping);
  arena.data_ = reinterpret_cast<std::byte *>((start + alignment - 1) /
                                              alignment * alignment);
  arena.size_bytes_ = size_bytes;
  // A wish only; small pages work as well. Whole huge pages inside the arena,
  // so that the process's size stays what the plan predicts.
  if (const uint64_t whole = size_bytes / hugePageBytes * hugePageBytes)
    (void)madvise(arena.data_, whole, MADV_HUGEPAGE);
  return arena;
}

Arena::~Arena() {
  if (mapping_)
    munmap(mapping_, mapping_bytes_);
}

Arena::Arena(Arena &&other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(std::exchange(other.mapping_bytes_, 0)),
      data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

Arena &Arena::operator=(Arena &&other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}
