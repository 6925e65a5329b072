#include "runtime/plan/Plan.h"
#include "test/unit/runtime/TemporaryFolder.h"
#include "test/unit/runtime/support/TestPlan.h"

#include <cstdio>
#include <gtest/gtest.h>

using namespace trainc;
using namespace trainc::test;

static bool contains(const Status &status, const char *text) {
  return status.message().find(text) != std::string::npos;
}

static std::string writeFile(const TemporaryFolder &folder,
                             const std::vector<uint8_t> &bytes) {
  const std::string path = folder / "test.plan";
  std::FILE *file = std::fopen(path.c_str(), "wb");
  EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
  std::fclose(file);
  return path;
}

static std::unique_ptr<trainc::abi::VariantT>
variantFor(const trainc::abi::PlanT &plan, const char *target,
           const char *feature) {
  auto variant = std::make_unique<trainc::abi::VariantT>(*plan.variants[0]);
  variant->target = target;
  if (feature)
    variant->required_features = {feature};
  return variant;
}

TEST(Plan, LoadsAFileAndFindsNames) {
  TemporaryFolder folder;
  const std::string path = writeFile(folder, serialize(*makePlan(2, 3)));
  Result<std::unique_ptr<Plan>> plan = Plan::load(path);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ((*plan)->table().batch()->micro_batches(), 3u);
  EXPECT_EQ(view((*plan)->variant().target()), "cpu");
  EXPECT_EQ((*plan)->variableCount(), 15u);

  const auto weight = (*plan)->findVariable("table.weight");
  ASSERT_TRUE(weight);
  EXPECT_EQ((*plan)->variableSizeBytes(*weight), 16u);
  EXPECT_TRUE((*plan)->bufferOfVariable(*weight));
  EXPECT_FALSE((*plan)->findVariable("table"));
  ASSERT_TRUE((*plan)->findInput("targets"));
  EXPECT_EQ(*(*plan)->findInput("targets"), 1u);
  ASSERT_TRUE((*plan)->findProgram("apply"));
  EXPECT_EQ(view((*plan)->program(*(*plan)->findProgram("apply")).name()),
            "apply");
  EXPECT_FALSE((*plan)->findProgram("decode"));
  EXPECT_EQ((*plan)->arenaBytes(),
            (*plan)->variant().arenas()->Get(0)->size_bytes());
  EXPECT_EQ((*plan)->scratchBytesPerThread(), 0u);
}

TEST(Plan, BytesOfTheCallerAreNotCopied) {
  const std::vector<uint8_t> bytes = serialize(*makePlan());
  Result<std::unique_ptr<Plan>> plan = Plan::fromMemory(bytes, "memory");
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ((*plan)->bytes().data(), bytes.data());
  const auto *table = reinterpret_cast<const uint8_t *>(&(*plan)->table());
  EXPECT_TRUE(table > bytes.data() && table < bytes.data() + bytes.size());
  EXPECT_TRUE((*plan)->findProgram("apply"));
}

TEST(Plan, MissingFileIsTheUsersError) {
  const Status status = Plan::load("/no/such.plan").status();
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_TRUE(contains(status, "expected a plan at '/no/such.plan'"));
  EXPECT_EQ(Plan::load(testing::TempDir()).status().code(), StatusCode::User);
}

TEST(Plan, DamagedFileIsNamed) {
  std::vector<uint8_t> bytes = serialize(*makePlan());
  bytes.resize(bytes.size() / 2);
  TemporaryFolder folder;
  const std::string path = writeFile(folder, bytes);
  const Status status = Plan::load(path).status();
  EXPECT_EQ(status.code(), StatusCode::File);
  EXPECT_TRUE(contains(status, path.c_str()));
}

TEST(Plan, PrefersTheVariantWithMostFeatures) {
  auto plan = makePlan();
  plan->variants.push_back(variantFor(*plan, "cpu:never", "avx9000"));
#if defined(__x86_64__)
  plan->variants.push_back(variantFor(*plan, "cpu:better", "sse2"));
  const char *best = "cpu:better";
#else
  const char *best = "cpu";
#endif
  const std::vector<uint8_t> bytes = serialize(*plan);
  Result<std::unique_ptr<Plan>> chosen = Plan::fromBytes(bytes, "test");
  ASSERT_TRUE(chosen.ok()) << chosen.status().message();
  EXPECT_EQ(view((*chosen)->variant().target()), best);

  Result<std::unique_ptr<Plan>> named = Plan::fromBytes(bytes, "test", "cpu");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(view((*named)->variant().target()), "cpu");

  const Status never = Plan::fromBytes(bytes, "test", "cpu:never").status();
  EXPECT_TRUE(contains(never, "'cpu:never', which needs avx9000"));
  const Status unknown = Plan::fromBytes(bytes, "test", "cpu:mars").status();
  EXPECT_EQ(unknown.code(), StatusCode::User);
  EXPECT_TRUE(contains(unknown, "expected a variant for target 'cpu:mars'"));
}

TEST(Plan, NamesEveryMissingFeature) {
  auto plan = makePlan();
  plan->variants[0]->target = "cpu:future";
  plan->variants[0]->required_features = {"avx9000", "avx9001"};
  const std::vector<uint8_t> bytes = serialize(*plan);
  const Status status = Plan::fromBytes(bytes, "test").status();
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_TRUE(contains(status, "needs avx9000, avx9001"));
  EXPECT_TRUE(contains(status, "trainc compile"));

  // Inspection still works on a machine that cannot run it.
  TemporaryFolder folder;
  Result<std::unique_ptr<Plan>> seen = Plan::inspect(writeFile(folder, bytes));
  ASSERT_TRUE(seen.ok()) << seen.status().message();
  EXPECT_EQ(view((*seen)->variant().target()), "cpu:future");
}

TEST(Plan, RefusesOtherMachines) {
  auto plan = makePlan();
  plan->variants[0]->triple = "sparc64-unknown-linux";
  EXPECT_TRUE(contains(Plan::fromBytes(serialize(*plan), "test").status(),
                       "which is for sparc64-unknown-linux"));
  plan->variants[0]->triple = "";
  plan->variants[0]->target = "cuda:sm_90";
  EXPECT_TRUE(contains(Plan::fromBytes(serialize(*plan), "test").status(),
                       "'cuda:sm_90', which is not for CPUs"));
}
