#include "runtime/core/ThreadPool.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using namespace trainc;

class ThreadPoolTest : public testing::TestWithParam<unsigned> {
protected:
  void SetUp() override {
    Result<std::unique_ptr<ThreadPool>> made = ThreadPool::create(GetParam());
    ASSERT_TRUE(made.ok()) << made.status().message();
    pool = std::move(*made);
  }
  std::unique_ptr<ThreadPool> pool;
};

// More threads than this machine's CPUs, too.
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest,
                         testing::Values(1u, 2u, 3u, 16u),
                         [](const auto &info) {
                           return std::to_string(info.param);
                         });

TEST_P(ThreadPoolTest, EveryIndexRunsOnce) {
  EXPECT_EQ(pool->threads(), GetParam());
  for (const uint64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> runs(count);
    pool->parallelFor(count, [&](unsigned worker, uint64_t index) {
      ASSERT_LT(worker, GetParam());
      ++runs[index];
    });
    for (const std::atomic<int> &run : runs)
      EXPECT_EQ(run.load(), 1);
  }
}

TEST_P(ThreadPoolTest, NoTwoCallsShareAWorker) {
  std::vector<std::atomic<int>> inside(GetParam());
  std::atomic<int> clashes{0};
  pool->parallelFor(2000, [&](unsigned worker, uint64_t) {
    if (inside[worker].fetch_add(1) != 0)
      ++clashes;
    std::this_thread::yield(); // time for a clash
    inside[worker].fetch_sub(1);
  });
  EXPECT_EQ(clashes.load(), 0);
}

// What a loop wrote is visible after it, and a loop sees what came before it;
// plain memory, so that ThreadSanitizer would report a missing order.
TEST_P(ThreadPoolTest, LoopsFollowEachOther) {
  std::vector<uint64_t> values(64, 0);
  for (int round = 0; round != 5000; ++round) {
    pool->parallelFor(values.size(), [&](unsigned, uint64_t index) {
      values[index] += index;
    });
    values[0] += 1;
  }
  EXPECT_EQ(values[0], 5000u);
  for (uint64_t i = 1; i != values.size(); ++i)
    EXPECT_EQ(values[i], 5000 * i);
}

TEST(ThreadPool, ZeroMeansAllowedCpus) {
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(0);
  ASSERT_TRUE(pool.ok());
  EXPECT_EQ((*pool)->threads(), allowedCpuCount());
}

TEST(ThreadPool, RefusesAbsurdNumbers) {
  Result<std::unique_ptr<ThreadPool>> pool =
      ThreadPool::create(ThreadPool::maximumThreads + 1);
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.status().code(), StatusCode::User);
  EXPECT_EQ(pool.status().message(),
            "expected at most 1024 threads, but got 1025");
}

TEST(ThreadPool, HelpersShareTheWork) {
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(2);
  ASSERT_TRUE(pool.ok());
  // Both indices wait for each other: only two workers at once can finish.
  std::atomic<int> arrived{0};
  (*pool)->parallelFor(2, [&](unsigned, uint64_t) {
    ++arrived;
    while (arrived.load() != 2)
      ;
  });
  EXPECT_EQ(arrived.load(), 2);
}
