//===- Permutation.h - a shuffled order without memory -----------*- C++
//-*-===//
//
// Decides the shuffled order of an epoch: a Feistel network over the smallest
// even number of bits that holds the range, walked until it lands inside
// (cycle walking), with Philox as round function. A pure function of (seed,
// epoch, index): any worker finds any window without a table, and a resumed run
// finds the same ones.
//
// Black and Rogaway 2002, "Ciphers with arbitrary finite domains".
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_PERMUTATION_H
#define TRAINC_RUNTIME_DATA_PERMUTATION_H

#include "runtime/core/Philox.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace trainc {

/// A permutation of 0 .. size-1.
class Permutation {
public:
  /// `size` is at least 1.
  Permutation(uint64_t seed, uint64_t epoch, uint64_t size)
      : seed_(seed), epoch_(epoch), size_(size),
        half_bits_(
            std::max(1, (static_cast<int>(std::bit_width(size - 1)) + 1) / 2)) {
  }

  /// Where index (below size) goes.
  uint64_t operator()(uint64_t index) const {
    // The domain is below four times the range: a few walks on average.
    do
      index = encrypt(index);
    while (index >= size_);
    return index;
  }

private:
  static constexpr uint32_t kRounds = 8;
  /// Separates these draws from the other uses of Philox.
  static constexpr uint32_t kDomain = 0x53485546; // "SHUF"

  uint64_t encrypt(uint64_t value) const {
    uint64_t mask = (uint64_t(1) << half_bits_) - 1;
    uint64_t left = value >> half_bits_, right = value & mask;
    for (uint32_t round = 0; round < kRounds; ++round) {
      PhiloxCounter draw = philox4x32(
          {static_cast<uint32_t>(right), round, static_cast<uint32_t>(epoch_),
           static_cast<uint32_t>(epoch_ >> 32)},
          {static_cast<uint32_t>(seed_),
           static_cast<uint32_t>(seed_ >> 32) ^ kDomain});
      uint64_t mixed = left ^ (draw[0] & mask);
      left = right;
      right = mixed;
    }
    return left << half_bits_ | right;
  }

  uint64_t seed_, epoch_, size_;
  int half_bits_;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_PERMUTATION_H
