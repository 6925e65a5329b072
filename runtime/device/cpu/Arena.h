//===- Arena.h - one planned allocation ---------------------------*- C++
//-*-===//
//
// Anonymous zero pages straight from the system, on huge pages where the system
// offers them. A page that is never touched costs nothing.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DEVICE_CPU_ARENA_H
#define TRAINC_RUNTIME_DEVICE_CPU_ARENA_H

#include "runtime/core/Status.h"
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trainc {

class Arena {
public:
  Arena() = default;
  /// Zero-filled memory aligned to `alignment_bytes`, a power of two of at most
  /// 2 MiB. Size 0 gives an empty arena. Errors: System, naming the arena.
  static Result<Arena> allocate(std::string_view name, uint64_t size_bytes,
                                uint64_t alignment_bytes);
  ~Arena();
  Arena(Arena &&other) noexcept;
  Arena &operator=(Arena &&other) noexcept;

  std::byte *data() const { return data_; }
  uint64_t sizeBytes() const { return size_bytes_; }

private:
  void *mapping_ = nullptr;
  uint64_t mapping_bytes_ = 0;
  std::byte *data_ = nullptr;
  uint64_t size_bytes_ = 0;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DEVICE_CPU_ARENA_H
