#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/core/Philox.h"
#include "test/unit/runtime/support/TestPlan.h"

#include <cstring>
#include <gtest/gtest.h>
#include <limits>

using namespace trainc;
using namespace trainc::test;
using trainc::abi::Access;
using trainc::abi::ElementType;
using trainc::abi::Role;

namespace {

struct Machine {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Plan> plan;
  std::unique_ptr<CpuDevice> device;

  template <typename T> T *data(std::string_view name) {
    return reinterpret_cast<T *>(
        device->data(*plan->findVariable(name)).data());
  }
  void run(std::string_view name) {
    ASSERT_TRUE(device->run(*plan->findProgram(name)).ok());
  }
};

Machine machine(const trainc::abi::PlanT &table, unsigned threads) {
  Machine made;
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads);
  Result<std::unique_ptr<Plan>> plan =
      Plan::fromBytes(serialize(table), "test");
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  made.pool = std::move(*pool);
  made.plan = std::move(*plan);
  Result<std::unique_ptr<CpuDevice>> device =
      CpuDevice::create(*made.plan, *made.pool);
  EXPECT_TRUE(device.ok()) << device.status().message();
  made.device = std::move(*device);
  return made;
}

constexpr uint32_t stampCount = 1000;

/// A plan with a program "stamp" of stampCount workgroups under a device bound.
std::unique_ptr<trainc::abi::PlanT> stampPlan() {
  auto plan = makePlan();
  const uint32_t stamps = addVariable(*plan, "stamps", Role::Optimizer,
                                      ElementType::I32, {stampCount});
  const uint32_t bound =
      addVariable(*plan, "bound", Role::Optimizer, ElementType::I64, {});
  addLaunch(*plan, "stamp", "stamp", Stamp, {{stamps, Access::ReadWrite}},
            stampCount, 4096)
      .bound = bound + 1;
  return plan;
}

} // namespace

TEST(CpuDevice, VariablesAreZeroAlignedAndApart) {
  const Machine m = machine(*makePlan(), 2);
  EXPECT_EQ(m.device->arenaBytes(), m.plan->arenaBytes());
  std::vector<std::span<std::byte>> seen;
  for (size_t i = 0; i != m.plan->variableCount(); ++i) {
    const std::span<std::byte> bytes = m.device->data(i);
    ASSERT_EQ(bytes.size(), m.plan->variableSizeBytes(i));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 64, 0u);
    for (const std::byte byte : bytes)
      EXPECT_EQ(byte, std::byte{0});
    for (const std::span<std::byte> other : seen)
      EXPECT_TRUE(bytes.data() + bytes.size() <= other.data() ||
                  other.data() + other.size() <= bytes.data());
    seen.push_back(bytes);
  }
}

TEST(CpuDevice, RunsLaunchesAndCopies) {
  Machine m = machine(*makePlan(), 2);
  float *weight = m.data<float>("table.weight");
  for (int i = 0; i != 4; ++i)
    weight[i] = 10.0f + i;
  int32_t *inputs = m.data<int32_t>("inputs");
  for (int i = 0; i != 8; ++i)
    inputs[i] = 15 - i;
  m.run("predict");
  for (const char *name : {"predictions", "logits"})
    for (int i = 0; i != 8; ++i)
      EXPECT_EQ(m.data<float>(name)[i], 10.0f + (15 - i) % 4) << name << i;
}

TEST(CpuDevice, BoundLimitsWorkgroupsAndScratchIsPrivate) {
  for (const unsigned threads : {1u, 2u, 5u}) {
    Machine m = machine(*stampPlan(), threads);
    EXPECT_EQ(m.device->scratchBytes(), threads * uint64_t{4096});
    int32_t expected[stampCount] = {};
    for (const int64_t bound :
         {int64_t{0}, int64_t{1}, int64_t{37}, int64_t{stampCount},
          int64_t{1} << 40, int64_t{-5}}) {
      *m.data<int64_t>("bound") = bound;
      m.run("stamp");
      for (int64_t i = 0; i != stampCount; ++i)
        expected[i] += i < bound ? 1 : 0;
      EXPECT_EQ(
          std::memcmp(m.data<int32_t>("stamps"), expected, sizeof expected), 0)
          << "bound " << bound << ", threads " << threads;
    }
  }
}

/// Launches of one kernel that differ in their constant only.
TEST(CpuDevice, LaunchesPassTheirConstants) {
  auto plan = makePlan();
  constexpr int64_t constants[] = {0, 7, -1, int64_t{1} << 40, INT64_MIN};
  constexpr uint32_t count = 50;
  uint32_t first = 0;
  for (const int64_t constant : constants) {
    const uint32_t numbers =
        addVariable(*plan, "numbers." + std::to_string(constant), Role::Output,
                    ElementType::I64, {count});
    const std::string name = "constant." + std::to_string(constant);
    trainc::abi::LaunchT &launch = addLaunch(*plan, "number", name, Constant,
                                             {{numbers, Access::Write}}, count);
    kernel(*plan, name).reads_constant = true;
    if (first == 0)
      first = launch.kernel;
    launch.kernel = first;
    launch.constant = constant;
  }
  Machine m = machine(*plan, 3);
  m.run("number");
  for (const int64_t constant : constants)
    for (int64_t i = 0; i != count; ++i)
      EXPECT_EQ(
          m.data<int64_t>("numbers." + std::to_string(constant))[i],
          static_cast<int64_t>(static_cast<uint64_t>(constant) + uint64_t(i)));
}

/// Arguments were only appended to: kernels of the first version still run.
TEST(CpuDevice, OldKernelsRun) {
  auto plan = makePlan();
  for (auto &kernel : plan->variants[0]->kernels)
    kernel->abi_version = TRAINC_KERNEL_ABI_OLDEST_VERSION;
  Machine m = machine(*plan, 2);
  m.data<float>("table.weight")[1] = 3.5f;
  m.data<int32_t>("inputs")[0] = 1;
  m.run("predict");
  EXPECT_EQ(m.data<float>("predictions")[0], 3.5f);
}

TEST(CpuDevice, CopiesOfManyPieces) {
  auto plan = makePlan();
  // Three whole pieces of 1 MiB and a rest.
  constexpr uint64_t count = 3 * (1u << 20) + 12345;
  const uint32_t from =
      addVariable(*plan, "from", Role::Optimizer, ElementType::U8, {count});
  const uint32_t to =
      addVariable(*plan, "to", Role::Optimizer, ElementType::U8, {count});
  addCopy(*plan, "copy", from, to);
  Machine m = machine(*plan, 3);
  PhiloxStream random(5, 0, 0, 0);
  uint8_t *source = m.data<uint8_t>("from");
  for (uint64_t i = 0; i != count; ++i)
    source[i] = static_cast<uint8_t>(random.next32());
  m.run("copy");
  EXPECT_EQ(std::memcmp(m.data<uint8_t>("to"), source, count), 0);
}

TEST(CpuDevice, ProfileCountsEveryCommand) {
  Machine m = machine(*makePlan(), 2);
  const size_t predict = *m.plan->findProgram("predict");
  m.run("predict");
  EXPECT_TRUE(m.device->profile(predict).empty());
  m.device->enableProfile();
  m.run("predict");
  m.run("predict");
  ASSERT_EQ(m.device->profile(predict).size(), 3u);
  for (const LaunchTime &time : m.device->profile(predict)) {
    EXPECT_EQ(time.runs, 2u);
    EXPECT_GT(time.elapsed_ns, 0u);
    EXPECT_LT(time.elapsed_ns, 10'000'000'000u);
  }
  EXPECT_EQ(m.device->profile(*m.plan->findProgram("count"))[0].runs, 0u);
}

TEST(CpuDevice, ProfileDoesNotCountWhatABoundLeavesOut) {
  Machine m = machine(*stampPlan(), 2);
  const size_t stamp = *m.plan->findProgram("stamp");
  m.device->enableProfile();
  uint64_t runs = 0;
  for (const int64_t bound : {int64_t{0}, int64_t{1}, int64_t{-5},
                              std::numeric_limits<int64_t>::max()}) {
    *m.data<int64_t>("bound") = bound;
    m.run("stamp");
    runs += bound > 0;
    EXPECT_EQ(m.device->profile(stamp)[0].runs, runs) << "bound " << bound;
  }
}

TEST(CpuDevice, TooLargeArenasAreTheSystemsError) {
  auto plan = makePlan();
  plan->variants[0]->arenas[0]->size_bytes = uint64_t{1} << 46;
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(1);
  Result<std::unique_ptr<Plan>> loaded =
      Plan::fromBytes(serialize(*plan), "test");
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const Status status = CpuDevice::create(**loaded, **pool).status();
  EXPECT_EQ(status.code(), StatusCode::System);
  EXPECT_NE(status.message().find("for arena 'main'"), std::string::npos);
}
