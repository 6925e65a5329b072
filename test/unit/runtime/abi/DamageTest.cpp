// Damaged files are refused and never crash the verifier; run under
// AddressSanitizer by the asan-ubsan preset.
#include "runtime/abi/PlanVerifier.h"
#include "runtime/abi/VerifierDetail.h"
#include "runtime/core/Hash.h"
#include "runtime/core/Philox.h"
#include "test/unit/runtime/support/TestPlan.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::test;

static Status verify(const std::vector<uint8_t> &bytes) {
  return verifyPlan(bytes.data(), bytes.size());
}

TEST(Damage, ValidPlansPass) {
  for (const uint32_t rows : {2u, 4u})
    for (const uint32_t micro_batches : {1u, 3u}) {
      const Status status = verify(serialize(*makePlan(rows, micro_batches)));
      EXPECT_TRUE(status.ok()) << status.message();
    }
}

TEST(Damage, OtherFilesAreNamedAsSuch) {
  EXPECT_NE(verify({}).message().find("expected a plan of 16 bytes to 2 GiB"),
            std::string::npos);
  const char text[] = "# this is a recipe, not a plan at all\n";
  EXPECT_NE(
      verify({text, text + sizeof text}).message().find("another kind of file"),
      std::string::npos);
}

TEST(Damage, EveryTruncationIsRefused) {
  const std::vector<uint8_t> whole = serialize(*makePlan());
  for (size_t size = 0; size < whole.size(); size += size < 4096 ? 1 : 97) {
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + size);
    EXPECT_EQ(verify(part).code(), StatusCode::File) << size;
  }
}

TEST(Damage, EveryFlippedBitIsRefused) {
  const std::vector<uint8_t> whole = serialize(*makePlan());
  PhiloxStream random(11, 0, 0, 0);
  for (int i = 0; i != 4000; ++i) {
    std::vector<uint8_t> damaged = whole;
    const size_t at = random.below(damaged.size());
    damaged[at] ^= static_cast<uint8_t>(1u << random.below(8));
    EXPECT_EQ(verify(damaged).code(), StatusCode::File) << "byte " << at;
  }
}

// Parts of a flatbuffer may be used many times: what a plan asks for is counted
// before it is done.
TEST(Damage, EffortIsBounded) {
  const std::vector<uint8_t> whole = serialize(*makePlan());
  const Plan &table = *GetPlan(whole.data());
  EXPECT_TRUE(detail::verifyEffort(table, whole.size()).ok());
  EXPECT_NE(detail::verifyEffort(table, 100)
                .message()
                .find("expected code of at most the file's 100 bytes, but got"),
            std::string::npos);
  auto plan = makePlan();
  program(*plan, "apply").inputs.assign(1u << 24, 0);
  EXPECT_NE(
      verify(serialize(*plan))
          .message()
          .find("expected at most 16777216 operands in all programs, but got"),
      std::string::npos);
  plan = makePlan();
  program(*plan, "predict").name.assign(1025, 'n');
  EXPECT_NE(verify(serialize(*plan))
                .message()
                .find("names of programs of at most 1024 bytes, but got 1025"),
            std::string::npos);
}

TEST(Damage, MisalignedBytesAreRefused) {
  const std::vector<uint8_t> whole = serialize(*makePlan());
  std::vector<uint8_t> shifted(whole.size() + 8);
  std::memcpy(shifted.data() + 4, whole.data(), whole.size());
  EXPECT_NE(verifyPlan(shifted.data() + 4, whole.size())
                .message()
                .find("address aligned to 8"),
            std::string::npos);
}

TEST(Damage, CodeHashIsCheckedByItself) {
  auto plan = makePlan();
  flatbuffers::FlatBufferBuilder builder;
  plan->variants[0]->code_hash = 12345;
  FinishPlanBuffer(builder, CreatePlan(builder, plan.get()));
  std::vector<uint8_t> bytes(builder.GetBufferPointer(),
                             builder.GetBufferPointer() + builder.GetSize());
  GetMutablePlan(bytes.data())->mutate_content_hash(planContentHash(bytes));
  EXPECT_NE(verify(bytes).message().find("expected code hash"),
            std::string::npos);
}

// With hashes made right again, nothing but the structural and semantic rules
// stands between damage and the runtime: it may be accepted where it is
// harmless (a letter of a name), but it must never crash or read outside.
TEST(Damage, HashedDamageNeverCrashes) {
  const std::vector<uint8_t> whole = serialize(*makePlan());
  PhiloxStream random(12, 0, 0, 0);
  int refused = 0;
  constexpr int trials = 6000;
  for (int i = 0; i != trials; ++i) {
    std::vector<uint8_t> damaged = whole;
    // Everything but the code, which is most of the file and trusted.
    const size_t tables =
        whole.size() -
        GetPlan(whole.data())->variants()->Get(0)->code()->size();
    for (uint64_t flips = 1 + random.below(4); flips != 0; --flips) {
      size_t at = random.below(tables);
      const size_t code = static_cast<size_t>(
          GetPlan(whole.data())->variants()->Get(0)->code()->data() -
          whole.data());
      if (at >= code)
        at += whole.size() - tables;
      damaged[at] = static_cast<uint8_t>(random.next32());
    }
    if (!finalizePlan(damaged).ok() || !verify(damaged).ok())
      ++refused;
  }
  EXPECT_GT(refused, trials / 2);
  EXPECT_LT(refused, trials);
}
