//===- StepShapesTest.cpp - how large each step is ------------------------===//

#include "runtime/core/StepShapes.h"

#include <gtest/gtest.h>
#include <random>

namespace trainc {
namespace {

// training-semantics.md 6.2: 32,768 tokens to 3.2 M over 12 B.
TEST(StepShapes, RampOfGpt3) {
  const StepSizes sizes{1, 2048, 1562, 16, 12'000'000'000};
  EXPECT_EQ(microBatchesAt(sizes, 0), 16u);
  EXPECT_EQ(microBatchesAt(sizes, 1'000'000'000), 145u);
  EXPECT_EQ(microBatchesAt(sizes, 6'000'000'000), 789u);
  EXPECT_EQ(microBatchesAt(sizes, 12'000'000'000), 1562u);
  const StepShapes shapes(sizes);
  const uint64_t last = shapes.stepThatReaches(260'000'000'000);
  EXPECT_LT(shapes.tokensBefore(last), 260'000'000'000u);
  EXPECT_GE(shapes.tokensBefore(last + 1), 260'000'000'000u);
}

TEST(StepShapes, AsStepByStep) {
  std::mt19937_64 random(1);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  for (int round = 0; round < 300; ++round) {
    StepSizes sizes{static_cast<uint32_t>(1 + below(4)),
                    static_cast<uint32_t>(1 + below(9)),
                    static_cast<uint32_t>(1 + below(40)), 0, 0};
    if (below(4)) {
      sizes.ramp_from = static_cast<uint32_t>(1 + below(sizes.micro_batches));
      sizes.ramp_tokens = 1 + below(5000);
    }
    const uint64_t first = 1 + below(5);
    uint64_t tokens = below(3) ? 0 : below(6000), micro_batches = 0;
    const StepShapes shapes(sizes, first, tokens);
    for (uint64_t step = first; step < first + 400; ++step) {
      ASSERT_EQ(shapes.tokensBefore(step), tokens);
      ASSERT_EQ(shapes.microBatchesBefore(step), micro_batches);
      const uint32_t now = microBatchesAt(sizes, tokens);
      ASSERT_EQ(shapes.microBatches(step), now);
      ASSERT_LE(now, sizes.micro_batches);
      const uint64_t after = tokens + now * sizes.tokensPerMicroBatch();
      ASSERT_EQ(shapes.stepThatReaches(after), step);
      if (after > tokens + 1) {
        ASSERT_EQ(shapes.stepThatReaches(tokens + 1), step);
      }
      tokens = after;
      micro_batches += now;
    }
  }
}

/// A run that continues has the steps it would have had.
TEST(StepShapes, ContinueInTheMiddle) {
  const StepSizes sizes{2, 8, 20, 3, 10'000};
  const StepShapes whole(sizes);
  for (const uint64_t step : {2u, 17u, 60u, 500u}) {
    const StepShapes rest(sizes, step, whole.tokensBefore(step));
    for (uint64_t later = step; later < step + 100; ++later) {
      EXPECT_EQ(rest.microBatches(later), whole.microBatches(later));
      EXPECT_EQ(rest.tokensBefore(later), whole.tokensBefore(later));
    }
  }
}

} // namespace
} // namespace trainc
