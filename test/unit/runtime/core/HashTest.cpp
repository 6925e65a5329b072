#include "runtime/core/Hash.h"

#include <gtest/gtest.h>
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

TEST(Hash, PiecesEqualTheWhole) {
  EXPECT_EQ(fnv1a64("bar", 3, hash("foo")), hash("foobar"));
}
