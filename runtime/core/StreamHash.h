//===- StreamHash.h - XXH64 of long streams -----------------------*- C++
//-*-===//
//
// Decides how checkpoints notice altered bytes: XXH64 with seed 0 (Collet, the
// xxHash specification), which takes several bytes per cycle where FNV-1a takes
// a quarter of one. Detects damage, not attacks.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_STREAMHASH_H
#define TRAINC_RUNTIME_CORE_STREAMHASH_H

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace trainc {

class StreamHash {
public:
  /// Continues with `bytes`; how a stream is cut does not matter.
  void update(std::span<const std::byte> bytes) {
    if (bytes.empty())
      return;
    size_bytes_ += bytes.size();
    if (pending_bytes_ != 0) {
      const size_t taken = std::min(kStripe - pending_bytes_, bytes.size());
      std::memcpy(pending_.data() + pending_bytes_, bytes.data(), taken);
      pending_bytes_ += taken;
      bytes = bytes.subspan(taken);
      if (pending_bytes_ < kStripe)
        return;
      consume(pending_.data());
      pending_bytes_ = 0;
    }
    for (; bytes.size() >= kStripe; bytes = bytes.subspan(kStripe))
      consume(bytes.data());
    if (!bytes.empty())
      std::memcpy(pending_.data(), bytes.data(), bytes.size());
    pending_bytes_ = bytes.size();
  }

  /// Of everything so far.
  uint64_t value() const {
    uint64_t hash = kPrime5;
    if (size_bytes_ >= kStripe) {
      hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) +
             std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
      for (const uint64_t lane : lanes_)
        hash = (hash ^ mix(0, lane)) * kPrime1 + kPrime4;
    }
    hash += size_bytes_;
    const std::byte *at = pending_.data();
    const std::byte *end = at + pending_bytes_;
    for (; end - at >= 8; at += 8)
      hash =
          std::rotl(hash ^ mix(0, load<uint64_t>(at)), 27) * kPrime1 + kPrime4;
    for (; end - at >= 4; at += 4)
      hash = std::rotl(hash ^ load<uint32_t>(at) * kPrime1, 23) * kPrime2 +
             kPrime3;
    for (; at != end; ++at)
      hash = std::rotl(hash ^ std::to_integer<uint64_t>(*at) * kPrime5, 11) *
             kPrime1;
    hash = (hash ^ hash >> 33) * kPrime2;
    hash = (hash ^ hash >> 29) * kPrime3;
    return hash ^ hash >> 32;
  }

private:
  static constexpr size_t kStripe = 32;
  static constexpr uint64_t kPrime1 = 0x9e3779b185ebca87u;
  static constexpr uint64_t kPrime2 = 0xc2b2ae3d27d4eb4fu;
  static constexpr uint64_t kPrime3 = 0x165667b19e3779f9u;
  static constexpr uint64_t kPrime4 = 0x85ebca77c2b2ae63u;
  static constexpr uint64_t kPrime5 = 0x27d4eb2f165667c5u;

  template <typename T> static uint64_t load(const std::byte *from) {
    T value; // little endian, as all machines that run plans are
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static uint64_t mix(uint64_t lane, uint64_t input) {
    return std::rotl(lane + input * kPrime2, 31) * kPrime1;
  }
  void consume(const std::byte *stripe) {
    for (size_t i = 0; i != lanes_.size(); ++i)
      lanes_[i] = mix(lanes_[i], load<uint64_t>(stripe + 8 * i));
  }

  std::array<uint64_t, 4> lanes_ = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  std::array<std::byte, kStripe> pending_;
  size_t pending_bytes_ = 0;
  uint64_t size_bytes_ = 0;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_STREAMHASH_H
