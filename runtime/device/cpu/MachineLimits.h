//===- MachineLimits.h - how fast this machine can be -------------*- C++
//-*-===//
//
// Measures what no kernel can exceed with the threads of one pool: fused
// multiply-adds in registers, and bytes moved by sweeps over more and more
// memory. Both limits together bound the time of a kernel from below (the
// roofline of Williams et al. 2009), so that measured speeds can be read as
// shares of what is possible.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DEVICE_CPU_MACHINELIMITS_H
#define TRAINC_RUNTIME_DEVICE_CPU_MACHINELIMITS_H

#include "runtime/core/Status.h"
#include "runtime/core/ThreadPool.h"
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace trainc {

/// What is multiplied; sums are in f32.
enum class Factors { Float32, BFloat16 };

struct MachineLimits {
  /// The fastest sweep over `size_bytes`, shared out among the threads.
  struct Bandwidth {
    uint64_t size_bytes = 0;
    double bytes_per_second = 0;
  };

  double flops_per_second = 0; ///< f32; a multiply-add is two
  /// By growing size: caches first, memory last.
  std::vector<Bandwidth> bandwidths;
  /// Of factors in bfloat16, where the processor multiplies pairs of them;
  /// never less than in f32.
  double bfloat16_flops_per_second = 0;

  /// What a kernel that touches `size_bytes` can at most move per second: the
  /// speed of the largest sweep that is not larger, as if its data lay in the
  /// nearest cache that holds them.
  double bandwidth(double size_bytes) const;
  /// Time to move `bytes` at best.
  double memorySeconds(double bytes) const;
  /// Time to compute `flops` at best.
  double computeSeconds(double flops, Factors factors = {}) const;
  /// The longer of the two: no kernel takes less.
  double leastSeconds(double flops, double bytes, Factors factors = {}) const;
};

/// The ways to go through memory. Bytes read and bytes written both count, so
/// Copy and Scale count every element twice.
enum class Sweep {
  Read,  ///< sum += x[i]
  Copy,  ///< x[i] = x[i + n/2] over half of the memory
  Scale, ///< x[i] *= c
};

/// Bytes per second of the best of some sweeps, each thread through its own
/// part of `memory`. At least `seconds` pass. What fits into a cache is read
/// from there. Write to all of `memory` first: fresh pages are one page of
/// zeros.
double measureSweep(ThreadPool &pool, Sweep sweep, std::span<float> memory,
                    double seconds);

/// Operations per second of the best of some runs of multiply-adds in
/// registers, on the widest vectors, or tiles, that pay. At least `seconds`
/// pass.
double measureMultiplyAdds(ThreadPool &pool, double seconds,
                           Factors factors = Factors::Float32);

/// Measures both kinds of limits in about a second. `largest_bytes` of memory
/// are taken and given back; 0: four times the last cache, at most 2 GiB and a
/// quarter of what is free. Errors: System, when there is no memory.
Result<MachineLimits> measureMachineLimits(ThreadPool &pool,
                                           uint64_t largest_bytes = 0);

} // namespace trainc

#endif // TRAINC_RUNTIME_DEVICE_CPU_MACHINELIMITS_H
