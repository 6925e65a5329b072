//===- Rules.h - one broken rule per test case --------------------*- C++
//-*-===//
//
// A rule spoils the valid plan in one way and names a part of the message with
// which the verifier must refuse it. Hashes are made right again afterwards, so
// that nothing but the rule can refuse it.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_RUNTIME_ABI_RULES_H
#define TRAINC_TEST_UNIT_RUNTIME_ABI_RULES_H

#include "runtime/abi/PlanVerifier.h"
#include "test/unit/runtime/support/TestPlan.h"
#include <gtest/gtest.h>

namespace trainc::test {

struct Rule {
  const char *name;
  void (*spoil)(abi::PlanT &plan);
  const char *message;
};

inline std::string ruleName(const testing::TestParamInfo<Rule> &info) {
  return info.param.name;
}

class RuleTest : public testing::TestWithParam<Rule> {
protected:
  void check() {
    auto plan = makePlan();
    const std::vector<uint8_t> valid = serialize(*plan);
    const Status accepted = abi::verifyPlan(valid.data(), valid.size());
    ASSERT_TRUE(accepted.ok()) << accepted.message();

    GetParam().spoil(*plan);
    const std::vector<uint8_t> spoiled = serialize(*plan);
    const Status refused = abi::verifyPlan(spoiled.data(), spoiled.size());
    EXPECT_EQ(refused.code(), StatusCode::File);
    EXPECT_NE(refused.message().find(GetParam().message), std::string::npos)
        << "the message was: " << refused.message();
  }
};

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_RUNTIME_ABI_RULES_H
