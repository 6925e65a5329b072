#include "runtime/step/Inputs.h"
#include "test/unit/runtime/support/TestPlan.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace trainc;
using namespace trainc::test;

namespace {

/// Fills inputs and targets with one value each.
class ConstantSource : public DataSource {
public:
  int32_t inputs = 0, targets = 0;
  Status fill(uint64_t, uint32_t, std::span<const InputSlot> slots) override {
    for (const InputSlot &slot : slots)
      for (size_t i = 0; i != slot.bytes.size(); i += 4)
        std::memcpy(slot.bytes.data() + i,
                    slot.name == "inputs" ? &inputs : &targets, 4);
    return {};
  }
};

std::unique_ptr<Session> session(const trainc::abi::PlanT &table) {
  Result<std::unique_ptr<Plan>> plan =
      Plan::fromBytes(serialize(table), "test");
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  Result<std::unique_ptr<Session>> made =
      Session::create(std::move(*plan), SessionOptions{1, {}});
  EXPECT_TRUE(made.ok()) << made.status().message();
  return std::move(*made);
}

} // namespace

TEST(InputSet, UnitesTheProgramsInThePlansOrder) {
  const auto s = session(*makePlan());
  const InputSet training(*s, {"count", "accumulate"});
  ASSERT_EQ(training.slots().size(), 2u); // control inputs are none of its
  EXPECT_EQ(training.slots()[0].name, "inputs");
  EXPECT_EQ(training.slots()[1].name, "targets");
  EXPECT_EQ(training.slots()[0].element_type, trainc::abi::ElementType::I32);
  EXPECT_EQ(training.slots()[0].shape.size(), 2u);
  EXPECT_EQ(training.slots()[0].bytes.size(), 2 * length * 4u);
  EXPECT_EQ(InputSet(*s, {"predict"}).slots().size(), 1u);
  EXPECT_EQ(InputSet(*s, {"decode"}).slots().size(), 0u);
}

TEST(InputSet, ChecksLimits) {
  const auto s = session(*makePlan());
  const InputSet set(*s, {"accumulate"});
  ConstantSource source;
  source.inputs = vocabulary - 1;
  source.targets = ignored;
  EXPECT_TRUE(set.fill(source, 1, 0).ok());

  source.inputs = vocabulary;
  Status status = set.fill(source, 1, 0);
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("expected values of input 'inputs' from 0 to "
                                  "15, but got 16 at position 0"),
            std::string::npos)
      << status.message();

  source.inputs = ignored; // ignored in targets only
  EXPECT_NE(set.fill(source, 1, 0).message().find("but got -100"),
            std::string::npos);
  source.inputs = 0;
  source.targets = -1;
  EXPECT_NE(set.fill(source, 1, 0).message().find("input 'targets'"),
            std::string::npos);
}

TEST(ControlInputs, WritesThePlansVariables) {
  const auto s = session(*makePlan());
  ControlInputs control(*s);
  control.setRandom(uint64_t{7} << 40, 3, 12);
  control.setMicroBatch(5);
  control.setPosition(9); // the plan has none: nothing happens
  int64_t random[3], micro_batch;
  std::memcpy(random, s->data("control.random").data(), sizeof random);
  std::memcpy(&micro_batch, s->data("control.micro_batch").data(), 8);
  EXPECT_EQ(random[0], int64_t{7} << 40);
  EXPECT_EQ(random[1], 3);
  EXPECT_EQ(random[2], 12);
  EXPECT_EQ(micro_batch, 5);
}

TEST(ControlInputs, LeavesDataInputsOfThatNameAlone) {
  auto plan = makePlan();
  plan->inputs[3]->source = trainc::abi::InputSource::Data;
  const auto s = session(*plan);
  ControlInputs control(*s);
  control.setMicroBatch(5);
  EXPECT_EQ(s->data("control.micro_batch")[0], std::byte{0});
}
