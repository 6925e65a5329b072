//===- Hash.h - FNV-1a, the plan's hash ---------------------------*- C++
//-*-===//
//
// Detects damage, not attacks: 64-bit FNV-1a (Fowler, Noll, Vo; the IETF draft
// draft-eastlake-fnv), chosen because it is a few lines and never changes.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_HASH_H
#define TRAINC_RUNTIME_CORE_HASH_H

#include <cstddef>
#include <cstdint>

namespace trainc {

inline constexpr uint64_t fnvOffsetBasis = 0xcbf29ce484222325u;
inline constexpr uint64_t fnvPrime = 0x100000001b3u;

/// FNV-1a 64 of `size_bytes` bytes, continuing from `hash` so that a hash over
/// pieces equals the hash over their concatenation.
inline uint64_t fnv1a64(const void *data, size_t size_bytes,
                        uint64_t hash = fnvOffsetBasis) {
  const auto *bytes = static_cast<const unsigned char *>(data);
  for (size_t i = 0; i != size_bytes; ++i)
    hash = (hash ^ bytes[i]) * fnvPrime;
  return hash;
}

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_HASH_H
