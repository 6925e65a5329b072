#include "runtime/core/Hash.h"
#include "runtime/core/StreamHash.h"

#include <gtest/gtest.h>
#include <string>
#include <string_view>

using namespace trainc;

static uint64_t hash(std::string_view text) {
  return fnv1a64(text.data(), text.size());
}

// Vectors of draft-eastlake-fnv, appendix C.
TEST(Hash, KnownAnswers) {
  EXPECT_EQ(hash(""), 0xcbf29ce484222325u);
  EXPECT_EQ(hash("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(hash("foobar"), 0x85944171f73967e8u);
}

static uint64_t streamHash(std::string_view text, size_t piece) {
  StreamHash hash;
  for (size_t at = 0; at < text.size(); at += piece)
    hash.update(std::as_bytes(std::span(text.substr(at, piece))));
  return hash.value();
}

// As libxxhash 0.8.1 gives them; the last three take every branch.
TEST(StreamHash, KnownAnswers) {
  std::string long_text;
  for (int i = 0; i != 1000; ++i)
    long_text += static_cast<char>(i * 7 + 3);
  const std::string_view text = long_text;
  const std::pair<std::string_view, uint64_t> answers[] = {
      {"", 0xef46db3751d8e999u},
      {"a", 0xd24ec4f1a98c6e5bu},
      {"abc", 0x44bc2cf5ad770999u},
      {text.substr(0, 31), 0xa2aa5f33cc4a6119u},
      {text.substr(0, 32), 0x23c3c17ef790fd97u},
      {text, 0x5f235fa033f1a3fbu}};
  for (const auto &[input, answer] : answers)
    for (size_t piece : {1, 5, 31, 32, 33, 1000})
      EXPECT_EQ(streamHash(input, piece), answer)
          << input.size() << " bytes by " << piece;
}

TEST(Hash, PiecesEqualTheWhole) {
  EXPECT_EQ(fnv1a64("bar", 3, hash("foo")), hash("foobar"));
}
