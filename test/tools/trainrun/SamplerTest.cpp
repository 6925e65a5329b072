//===- SamplerTest.cpp - drawing tokens, and text from pieces -------------===//

#include "tools/trainrun/Sampler.h"
#include "tools/trainrun/MetricsFile.h"
#include "tools/trainrun/Support.h"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace trainc::trainrun {
namespace {

TEST(SamplerTest, GreedyTakesTheFirstLargest) {
  Sampler greedy(0, 0, 1);
  EXPECT_EQ(greedy.draw(std::vector<float>{1, 5, 5, 2}, 0), 1u);
  EXPECT_EQ(greedy.draw(std::vector<float>{NAN, -3, NAN, -4}, 0), 1u);
  EXPECT_EQ(greedy.draw(std::vector<float>{NAN, NAN}, 0), 0u);
}

TEST(SamplerTest, DrawsFollowTheSoftmax) {
  std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f),
                               std::log(0.5f)};
  // Temperature 1, top 3: 1/8, 2/8, 5/8, 0. Temperature 0.5 squares them.
  for (auto [temperature, expected] :
       {std::pair{1.0, std::vector<double>{1. / 8, 2. / 8, 5. / 8, 0}},
        {0.5, std::vector<double>{1. / 30, 4. / 30, 25. / 30, 0}}}) {
    Sampler sampler(temperature, 3, 42);
    constexpr int kDraws = 20000;
    std::vector<int> counts(4);
    for (int i = 0; i < kDraws; ++i)
      ++counts[sampler.draw(logits, i)];
    for (int id = 0; id < 4; ++id) {
      double p = expected[id];
      EXPECT_LE(std::abs(counts[id] - kDraws * p),
                5 * std::sqrt(kDraws * p * (1 - p)));
    }
  }
}

TEST(SamplerTest, SeedAndPositionDecide) {
  std::vector<float> logits(1000, 0.0f);
  Sampler a(1, 0, 1), b(1, 0, 1), c(1, 0, 2);
  int differ = 0;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(a.draw(logits, i), b.draw(logits, i));
    differ += a.draw(logits, i) != c.draw(logits, i);
  }
  EXPECT_GT(differ, 40);
}

TEST(Utf8StreamTest, CharactersComeWhole) {
  std::string text = "a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80z";
  Utf8Stream stream;
  std::string out;
  for (char c : text) {
    out += stream.push(std::string(1, c));
    EXPECT_TRUE(text.starts_with(out));
  }
  EXPECT_EQ(out + stream.finish(), text);
}

TEST(Utf8StreamTest, BrokenBytesAreReplaced) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(stream.push("\xe4"), "");
  EXPECT_EQ(stream.push("A"), "\xef\xbf\xbd"
                              "A");
  EXPECT_EQ(stream.push("\xed\xa0\x80"),
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); // a surrogate
  EXPECT_EQ(stream.push("\xf0\x9f"), "");
  EXPECT_EQ(stream.finish(), "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(NumbersTest, ComeBackFromJson) {
  std::mt19937_64 random(8);
  for (int i = 0; i < 1000; ++i) {
    double value = std::ldexp(static_cast<double>(random()),
                              static_cast<int>(random() % 200) - 150);
    EXPECT_EQ(std::strtod(jsonNumber(value).c_str(), nullptr), value);
  }
  EXPECT_EQ(jsonNumber(0.1), "0.1");
  EXPECT_EQ(jsonNumber(NAN), "null");
  EXPECT_EQ(jsonNumber(-std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(jsonString("a\"\\\n"), "\"a\\\"\\\\\\u000a\"");
  EXPECT_EQ(humanBytes(1536), "1.5 KiB");
  EXPECT_EQ(humanTime(3725), "1h02m");
}

} // namespace
} // namespace trainc::trainrun
