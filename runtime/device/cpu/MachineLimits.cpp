#include "runtime/device/cpu/MachineLimits.h"

#include "runtime/device/cpu/Arena.h"
#include "runtime/device/cpu/MachineSweeps.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <unistd.h>

using namespace trainc;

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

double MachineLimits::bandwidth(double size_bytes) const {
  if (bandwidths.empty())
    return 0;
  double result = bandwidths.front().bytes_per_second;
  for (const Bandwidth &step : bandwidths)
    if (static_cast<double>(step.size_bytes) <= size_bytes)
      result = step.bytes_per_second;
  return result;
}

double MachineLimits::memorySeconds(double bytes) const {
  const double speed = bandwidth(bytes);
  return speed > 0 ? bytes / speed : 0;
}

double MachineLimits::computeSeconds(double flops, Factors factors) const {
  const double speed =
      factors == Factors::BFloat16
          ? std::max(flops_per_second, bfloat16_flops_per_second)
          : flops_per_second;
  return speed > 0 ? flops / speed : 0;
}

double MachineLimits::leastSeconds(double flops, double bytes,
                                   Factors factors) const {
  return std::max(computeSeconds(flops, factors), memorySeconds(bytes));
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

static double now_s() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// The most work per second over repeated runs, for at least `seconds`. The
/// best and not the mean: a limit is what nothing exceeds.
template <typename Run>
static double bestRate(double work, double seconds, Run run) {
  const double end = now_s() + seconds;
  double best = 0;
  for (int runs = 0; runs < 3 || now_s() < end; ++runs) {
    const double begin = now_s();
    run();
    best = std::max(best, work / std::max(now_s() - begin, 1e-9));
  }
  return best;
}

double trainc::measureSweep(ThreadPool &pool, Sweep sweep,
                            std::span<float> memory, double seconds) {
  const detail::SweepFunctions &functions = detail::sweepFunctions();
  // Whole steps of the widest unrolled loop, in both halves of a copy.
  const size_t part = memory.size() / pool.threads() / (2 * detail::sweepStep) *
                      (2 * detail::sweepStep);
  if (part == 0)
    return 0;
  const double part_bytes = static_cast<double>(part) * sizeof(float);
  // Small parts are swept many times, so that handing out costs nothing.
  constexpr double least_bytes = 32e6;
  const auto rounds =
      static_cast<uint64_t>(std::max(1.0, least_bytes / part_bytes));
  std::atomic<float> sink{0};
  auto scale = functions.scale[0];
  auto body = [&](unsigned, uint64_t index) {
    float *const begin = memory.data() + index * part;
    for (uint64_t round = 0; round != rounds; ++round)
      switch (sweep) {
      case Sweep::Read:
        sink.store(functions.read(begin, part), std::memory_order_relaxed);
        break;
      case Sweep::Copy:
        functions.copy(begin, begin + part / 2, part / 2);
        break;
      case Sweep::Scale:
        scale(begin, part);
        break;
      }
  };
  const double bytes = part_bytes * pool.threads() *
                       static_cast<double>(rounds) *
                       (sweep == Sweep::Scale ? 2 : 1);
  const auto sweepOnce = [&] { pool.parallelFor(pool.threads(), body); };
  if (sweep != Sweep::Scale || !functions.scale[1])
    return bestRate(bytes, seconds, sweepOnce);
  const double plain = bestRate(bytes, seconds / 2, sweepOnce);
  scale = functions.scale[1];
  return std::max(plain, bestRate(bytes, seconds / 2, sweepOnce));
}

static double rateOf(ThreadPool &pool, const detail::MultiplyAdds &kind,
                     double seconds) {
  // A few milliseconds.
  const auto steps = static_cast<uint64_t>(1.6e8 / kind.flops_per_step);
  std::atomic<float> sink{0};
  auto body = [&](unsigned, uint64_t) {
    sink.store(kind.run(steps), std::memory_order_relaxed);
  };
  const double flops =
      kind.flops_per_step * static_cast<double>(steps) * pool.threads();
  return bestRate(flops, seconds,
                  [&] { pool.parallelFor(pool.threads(), body); });
}

double trainc::measureMultiplyAdds(ThreadPool &pool, double seconds,
                                   Factors factors) {
  const detail::SweepFunctions &functions = detail::sweepFunctions();
  double best = 0;
  for (const detail::MultiplyAdds &kind : functions.multiply_adds)
    if (kind.run)
      best = std::max(best, rateOf(pool, kind, seconds / 2));
  if (factors == Factors::BFloat16)
    for (const detail::MultiplyAdds &kind : functions.multiply_pairs)
      if (kind.run)
        best = std::max(best, rateOf(pool, kind, seconds / 2));
  return best;
}

/// Enough memory that no cache helps, where the machine has that much to spare.
static uint64_t defaultLargestBytes() {
  const auto value = [](int name) {
    return static_cast<uint64_t>(std::max(0L, sysconf(name)));
  };
  constexpr uint64_t least = uint64_t{64} << 20, most = uint64_t{2} << 30;
  uint64_t size_bytes = least;
#ifdef _SC_LEVEL3_CACHE_SIZE
  size_bytes = std::max(size_bytes, 4 * value(_SC_LEVEL3_CACHE_SIZE));
#endif
  const uint64_t free_bytes = value(_SC_AVPHYS_PAGES) * value(_SC_PAGESIZE);
  return std::clamp(std::min(size_bytes, free_bytes / 4), least, most);
}

Result<MachineLimits> trainc::measureMachineLimits(ThreadPool &pool,
                                                   uint64_t largest_bytes) {
  if (largest_bytes == 0)
    largest_bytes = defaultLargestBytes();
  Result<Arena> arena = Arena::allocate("machine limits", largest_bytes, 4096);
  if (!arena.ok())
    return arena.status();
  std::span<float> memory(reinterpret_cast<float *>(arena->data()),
                          largest_bytes / sizeof(float));
  // Pages that were never written are all the same one, and would come from a
  // cache.
  constexpr size_t piece = size_t{1} << 18;
  pool.parallelFor(memory.size() / piece, [&](unsigned, uint64_t index) {
    std::fill_n(memory.data() + index * piece, piece, 1.0f);
  });
  std::fill(memory.begin() + memory.size() / piece * piece, memory.end(), 1.0f);
  MachineLimits limits;
  limits.flops_per_second = measureMultiplyAdds(pool, 0.1);
  limits.bfloat16_flops_per_second =
      measureMultiplyAdds(pool, 0.1, Factors::BFloat16);
  // From a first-level cache of each thread upwards.
  uint64_t size_bytes = uint64_t{16 << 10} * pool.threads();
  for (; size_bytes < largest_bytes; size_bytes *= 4)
    limits.bandwidths.push_back({size_bytes, 0});
  limits.bandwidths.push_back({largest_bytes, 0});
  for (MachineLimits::Bandwidth &step : limits.bandwidths)
    for (const Sweep sweep : {Sweep::Read, Sweep::Scale})
      step.bytes_per_second = std::max(
          step.bytes_per_second,
          measureSweep(pool, sweep,
                       memory.first(step.size_bytes / sizeof(float)), 0.02));
  // A smaller sweep is never slower than a larger one, whatever disturbed it.
  for (size_t i = limits.bandwidths.size() - 1; i-- > 0;)
    limits.bandwidths[i].bytes_per_second =
        std::max(limits.bandwidths[i].bytes_per_second,
                 limits.bandwidths[i + 1].bytes_per_second);
  return limits;
}
