//===- MachineSweeps.h - the inner loops of MachineLimits ---------*- C++
//-*-===//
//
// Loops that do nothing but load, store or multiply and add, for each width of
// vectors, chosen at run time. Private to MachineLimits.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DEVICE_CPU_MACHINESWEEPS_H
#define TRAINC_RUNTIME_DEVICE_CPU_MACHINESWEEPS_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace trainc::detail {

/// Counts given to the sweeps are multiples of this; 8 vectors of 16 floats.
inline constexpr size_t sweepStep = 128;

struct MultiplyAdds {
  /// Independent chains in registers; returns what they made, so that no
  /// compiler drops them. Null where the processor has no such vectors.
  float (*run)(uint64_t steps) = nullptr;
  double flops_per_step = 0;
};

struct SweepFunctions {
  float (*read)(const float *data, size_t count);
  void (*copy)(float *to, const float *from, size_t count);
  /// Without and with asking for memory ahead; null where there is no other.
  std::array<void (*)(float *data, size_t count), 2> scale;
  /// All that this processor has: wide vectors may lower the clock, so the
  /// fastest is found by trying.
  std::array<MultiplyAdds, 3> multiply_adds;
  /// The same of pairs of bfloat16, in vectors and in tiles.
  std::array<MultiplyAdds, 2> multiply_pairs;
};

/// For this processor.
const SweepFunctions &sweepFunctions();

} // namespace trainc::detail

#endif // TRAINC_RUNTIME_DEVICE_CPU_MACHINESWEEPS_H
