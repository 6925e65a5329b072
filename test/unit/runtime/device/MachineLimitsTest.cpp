#include "runtime/device/cpu/MachineLimits.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

using namespace trainc;

namespace {

/// 100 flop/s, 400 of bfloat16; two caches, and memory from 1024 bytes on.
MachineLimits limits() {
  return {100, {{64, 1000}, {256, 200}, {1024, 50}}, 400};
}

std::unique_ptr<ThreadPool> makePool(unsigned threads) {
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads);
  EXPECT_TRUE(pool.ok());
  return std::move(*pool);
}

} // namespace

TEST(MachineLimits, BandwidthIsThatOfTheLargestSweepThatFits) {
  EXPECT_EQ(limits().bandwidth(0), 1000);
  EXPECT_EQ(limits().bandwidth(63), 1000);
  EXPECT_EQ(limits().bandwidth(255), 1000);
  EXPECT_EQ(limits().bandwidth(256), 200);
  EXPECT_EQ(limits().bandwidth(1023), 200);
  EXPECT_EQ(limits().bandwidth(1024), 50);
  EXPECT_EQ(limits().bandwidth(1e12), 50);
}

TEST(MachineLimits, TheLongerOfBothTimesBounds) {
  EXPECT_EQ(limits().computeSeconds(300), 3);
  EXPECT_EQ(limits().memorySeconds(2000), 40);
  EXPECT_EQ(limits().memorySeconds(512), 512.0 / 200);
  EXPECT_EQ(limits().leastSeconds(300, 64), 3);       // compute
  EXPECT_EQ(limits().leastSeconds(300, 1024), 20.48); // memory
  EXPECT_EQ(limits().leastSeconds(0, 0), 0);
  EXPECT_EQ(limits().computeSeconds(400, Factors::BFloat16), 1);
  EXPECT_EQ(limits().leastSeconds(400, 64, Factors::BFloat16), 1);
  // Without instructions for pairs they are multiplied in f32.
  EXPECT_EQ((MachineLimits{100, {}}.computeSeconds(400, Factors::BFloat16)), 4);
}

TEST(MachineLimits, UnmeasuredBoundsNothing) {
  EXPECT_EQ(MachineLimits().bandwidth(1e6), 0);
  EXPECT_EQ(MachineLimits().leastSeconds(1e9, 1e9), 0);
}

// What is measured depends on the machine; its form does not.
TEST(MachineLimits, MeasuresBothLimits) {
  for (const unsigned threads : {1u, 3u}) {
    std::unique_ptr<ThreadPool> pool = makePool(threads);
    Result<MachineLimits> measured =
        measureMachineLimits(*pool, uint64_t{4} << 20);
    ASSERT_TRUE(measured.ok()) << measured.status().message();
    // A core of any x86-64 does more than 1 and less than 1000 GFLOP/s.
    EXPECT_GT(measured->flops_per_second, 1e8);
    EXPECT_LT(measured->flops_per_second, 1e12 * threads);
    EXPECT_GT(measured->bfloat16_flops_per_second, 1e8);
    EXPECT_LT(measured->bfloat16_flops_per_second, 2e13 * threads);
    ASSERT_GE(measured->bandwidths.size(), 3u);
    EXPECT_EQ(measured->bandwidths.back().size_bytes, uint64_t{4} << 20);
    for (size_t i = 0; i != measured->bandwidths.size(); ++i) {
      EXPECT_TRUE(std::isfinite(measured->bandwidths[i].bytes_per_second));
      EXPECT_GT(measured->bandwidths[i].bytes_per_second, 1e7);
      if (i == 0)
        continue;
      EXPECT_GT(measured->bandwidths[i].size_bytes,
                measured->bandwidths[i - 1].size_bytes);
      EXPECT_LE(measured->bandwidths[i].bytes_per_second,
                measured->bandwidths[i - 1].bytes_per_second);
    }
  }
}

// The loops do what their names say, on sizes that their steps do not divide.
TEST(MachineLimits, SweepsKeepTheirMemory) {
  std::unique_ptr<ThreadPool> pool = makePool(2);
  std::vector<float> memory(10'007);
  std::iota(memory.begin(), memory.end(), 1.0f);
  std::vector<float> before = memory;
  EXPECT_GT(measureSweep(*pool, Sweep::Read, memory, 0), 0);
  EXPECT_GT(measureSweep(*pool, Sweep::Scale, memory, 0), 0);
  EXPECT_EQ(memory, before) << "scales by one";
  EXPECT_GT(measureSweep(*pool, Sweep::Copy, memory, 0), 0);
  // Each thread's part: its second half lies in its first half now.
  const size_t part = 10'007 / 2 / 256 * 256;
  for (size_t i = 0; i != 2 * part; ++i)
    ASSERT_EQ(memory[i], before[i % part < part / 2 ? i + part / 2 : i]) << i;
  for (size_t i = 2 * part; i != memory.size(); ++i)
    ASSERT_EQ(memory[i], before[i]) << i;
}

TEST(MachineLimits, TooLittleMemoryGivesNothing) {
  std::unique_ptr<ThreadPool> pool = makePool(2);
  std::vector<float> memory(100);
  EXPECT_EQ(measureSweep(*pool, Sweep::Read, memory, 0), 0);
}
