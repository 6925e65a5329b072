#include "runtime/abi/PlanVerifier.h"
#include "runtime/core/Hash.h"
#include "test/unit/runtime/support/TestPlan.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::test;

static std::vector<uint8_t> packed(const PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  FinishPlanBuffer(builder, CreatePlan(builder, &plan));
  return {builder.GetBufferPointer(),
          builder.GetBufferPointer() + builder.GetSize()};
}

TEST(FinalizePlan, FillsBothHashesAndChangesNothingElse) {
  const std::vector<uint8_t> before = packed(*makePlan());
  std::vector<uint8_t> after = before;
  ASSERT_TRUE(finalizePlan(after).ok());
  size_t changed = 0;
  for (size_t i = 0; i != before.size(); ++i)
    changed += before[i] != after[i];
  EXPECT_LE(changed, 16u);
  EXPECT_TRUE(verifyPlan(after.data(), after.size()).ok());
  EXPECT_FALSE(verifyPlan(before.data(), before.size()).ok());
}

TEST(FinalizePlan, HashIsFnvWithItsOwnBytesZero) {
  std::vector<uint8_t> bytes = serialize(*makePlan());
  const uint64_t stored = GetPlan(bytes.data())->content_hash();
  EXPECT_EQ(planContentHash(bytes), stored);
  // The eight bytes occur once in the file; zeroing them gives the hash's
  // input.
  size_t found = 0, at = 0;
  for (size_t i = 0; i + 8 <= bytes.size(); ++i)
    if (std::memcmp(bytes.data() + i, &stored, 8) == 0) {
      ++found;
      at = i;
    }
  ASSERT_EQ(found, 1u);
  std::memset(bytes.data() + at, 0, 8);
  EXPECT_EQ(fnv1a64(bytes.data(), bytes.size()), stored);
}

TEST(FinalizePlan, IsRepeatable) {
  std::vector<uint8_t> once = serialize(*makePlan());
  std::vector<uint8_t> twice = once;
  ASSERT_TRUE(finalizePlan(twice).ok());
  EXPECT_EQ(once, twice);
  EXPECT_EQ(once, serialize(*makePlan()));
}

TEST(FinalizePlan, NeedsPlaceholders) {
  auto plan = makePlan();
  plan->content_hash = 0;
  std::vector<uint8_t> bytes = packed(*plan);
  Status status = finalizePlan(bytes);
  EXPECT_NE(status.message().find("to hold content_hash"), std::string::npos);
  EXPECT_FALSE(verifyPlan(bytes.data(), bytes.size()).ok());

  plan = makePlan();
  plan->variants[0]->code_hash = 0;
  bytes = packed(*plan);
  status = finalizePlan(bytes);
  EXPECT_NE(status.message().find("to hold code_hash"), std::string::npos);
}
