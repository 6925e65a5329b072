//===- Philox.h - counter-based random numbers --------------------*- C++
//-*-===//
//
// Philox4x32-10 of Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
// easy as 1, 2, 3" (SC 2011). A draw is a pure function of key and counter, so
// noise depends on seed, step and global row, never on threads, order or how a
// batch is cut. Generated kernels compute the same function.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_PHILOX_H
#define TRAINC_RUNTIME_CORE_PHILOX_H

#include <array>
#include <cstdint>

namespace trainc {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

/// One block of four 32-bit draws.
inline PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round != 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// A sequence of draws for one (seed, domain, step, row). Streams that differ
/// in any of these are independent. `domain` separates uses (shuffling,
/// masking,
/// ...); each use takes its own constant.
class PhiloxStream {
public:
  PhiloxStream(uint64_t seed, uint32_t domain, uint64_t step, uint32_t row)
      : key_{static_cast<uint32_t>(seed),
             static_cast<uint32_t>(seed >> 32) ^ domain},
        counter_{0, row, static_cast<uint32_t>(step),
                 static_cast<uint32_t>(step >> 32)} {}

  uint32_t next32() {
    if (used_ == 4) {
      block_ = philox4x32(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return block_[used_++];
  }

  uint64_t next64() {
    const uint64_t low = next32();
    return low | uint64_t{next32()} << 32;
  }

  /// Uniform in [0, 1), 53 random bits.
  double uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }

  /// Uniform in [0, bound), without bias; 0 when bound is 0. Rejects the
  /// lowest 2^64 mod bound values.
  uint64_t below(uint64_t bound) {
    if (bound == 0)
      return 0;
    const uint64_t rejected = (0 - bound) % bound;
    uint64_t draw = next64();
    while (draw < rejected)
      draw = next64();
    return draw % bound;
  }

private:
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  unsigned used_ = 4;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_PHILOX_H
