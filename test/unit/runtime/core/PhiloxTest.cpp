#include "runtime/core/Philox.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

using namespace trainc;

// kat_vectors of Random123 (Salmon et al. 2011), philox4x32-10.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                       {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                       {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxStream, FirstDrawsAreTheFirstBlock) {
  PhiloxStream stream(0, 0, 0, 0);
  EXPECT_EQ(stream.next32(), 0x6627e8d5u);
  EXPECT_EQ(stream.next32(), 0xe169c58du);
  EXPECT_EQ(stream.next64(), 0x9b00dbd8bc57ac4cu);
  const PhiloxCounter second = philox4x32({1, 0, 0, 0}, {0, 0});
  EXPECT_EQ(stream.next32(), second[0]);
}

TEST(PhiloxStream, EveryCoordinateMakesAnotherStream) {
  std::set<uint64_t> first;
  for (uint64_t seed : {0ull, 1ull, 1ull << 40})
    for (uint32_t domain : {0u, 1u})
      for (uint64_t step : {0ull, 1ull, 1ull << 40})
        for (uint32_t row : {0u, 1u})
          first.insert(PhiloxStream(seed, domain, step, row).next64());
  EXPECT_EQ(first.size(), 3u * 2 * 3 * 2);
}

TEST(PhiloxStream, UniformHasItsMoments) {
  PhiloxStream stream(7, 1, 1, 0);
  constexpr int draws = 100000;
  double sum = 0, squares = 0;
  for (int i = 0; i != draws; ++i) {
    const double value = stream.uniform();
    ASSERT_TRUE(value >= 0 && value < 1);
    sum += value;
    squares += value * value;
  }
  // Five standard errors of the mean and of the mean square.
  EXPECT_LT(std::abs(sum / draws - 0.5), 5 * std::sqrt(1.0 / 12 / draws));
  EXPECT_LT(std::abs(squares / draws - 1.0 / 3),
            5 * std::sqrt(4.0 / 45 / draws));
}

TEST(PhiloxStream, BelowIsUniformAndBounded) {
  PhiloxStream stream(3, 0, 1, 2);
  constexpr int bound = 7, draws = 70000;
  int counts[bound] = {};
  for (int i = 0; i != draws; ++i)
    ++counts[stream.below(bound)];
  double chiSquare = 0;
  for (const int count : counts)
    chiSquare += (count - draws / bound) * double(count - draws / bound) /
                 (draws / bound);
  EXPECT_LT(chiSquare, 22.5); // 6 degrees of freedom, p = 0.001
  EXPECT_EQ(stream.below(1), 0u);
  EXPECT_EQ(stream.below(0), 0u);
}
