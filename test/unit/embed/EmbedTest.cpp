// The header of a plan against the plan itself, and training through both.
#include <embedded_tiny.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

using namespace app;

static void fillRows(tiny::Session &session, uint64_t step,
                     uint32_t micro_batch) {
  auto inputs = session.data(tiny::inputs::inputs);
  auto targets = session.data(tiny::inputs::targets);
  for (size_t i = 0; i != inputs.size(); ++i) {
    const uint64_t at = i + 7 * micro_batch + 3 * step;
    inputs[i] = static_cast<int32_t>(at % 13);
    targets[i] = static_cast<int32_t>((at + 1) % 13);
  }
}

TEST(Embed, TableIsThePlans) {
  tiny::Session session;
  ASSERT_EQ(session.open(1), 0) << trainc_last_error();
  trainc_session *handle = session.handle();
  ASSERT_EQ(trainc_session_variable_count(handle), tiny::variable_infos.size());
  for (size_t i = 0; i != tiny::variable_infos.size(); ++i) {
    const trainc::embed::VariableInfo &info = tiny::variable_infos[i];
    SCOPED_TRACE(std::string(info.name));
    EXPECT_EQ(trainc_session_variable_name(handle, i), info.name);
    EXPECT_EQ(trainc_session_variable_role(handle, i),
              static_cast<int>(info.role));
    uint64_t size_bytes = 0;
    int type = 0, rank = 0;
    const uint64_t *shape = nullptr;
    ASSERT_EQ(trainc_session_variable(handle, std::string(info.name).c_str(),
                                      nullptr, &size_bytes, &type, &rank,
                                      &shape),
              0);
    EXPECT_EQ(size_bytes, info.size_bytes);
    EXPECT_EQ(type, static_cast<int>(info.element_type));
    EXPECT_TRUE(std::ranges::equal(std::span(shape, rank), info.shape()));
  }
  ASSERT_EQ(trainc_session_program_count(handle), tiny::program_names.size());
  for (size_t i = 0; i != tiny::program_names.size(); ++i)
    EXPECT_EQ(trainc_session_program_name(handle, i), tiny::program_names[i]);
}

TEST(Embed, ConstantsAreKnownWhenCompiling) {
  static_assert(tiny::batch::micro_batches == 2);
  static_assert(tiny::batch::objective == "causal_lm");
  static_assert(tiny::Plan::name == "tiny");
  constexpr auto table = tiny::parameters::transformer_wte_weight;
  static_assert(table.rank == 2 && table.extent(0) == 96 &&
                table.extent(1) == 32);
  static_assert(tiny::inputs::control_random.size == 3);
  static_assert(tiny::metrics::loss_causal_lm_sum.rank == 0 &&
                tiny::metrics::loss_causal_lm_sum.size_bytes == 8);
  constexpr auto find = [](std::string_view name) {
    for (const trainc::embed::InputInfo &info : tiny::input_infos)
      if (info.name == name)
        return info;
    return trainc::embed::InputInfo{};
  };
  static_assert(find("targets").is_data && find("targets").limit == 96 &&
                find("targets").has_ignore_value &&
                find("targets").ignore_value == tiny::batch::ignore_index);
  static_assert(!find("control.random").is_data);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tiny::Plan::bytes()) % 64, 0u);
}

TEST(Embed, LearnsAndGivesTheSameBitsTwice) {
  std::vector<float> weights[2];
  for (unsigned run : {0u, 1u}) {
    tiny::Session session;
    ASSERT_EQ(session.open(run + 1), 0) << trainc_last_error();
    ASSERT_EQ(session.initialize(), 0) << trainc_last_error();
    double first = 0, loss = 0;
    for (uint64_t step = 1; step <= 30; ++step) {
      auto fill = [&](uint32_t micro_batch) {
        fillRows(session, step, micro_batch);
      };
      ASSERT_EQ(session.step(step, fill, loss), 0) << trainc_last_error();
      first = step == 1 ? loss : first;
    }
    EXPECT_NEAR(first, std::log(96.0), 0.2);
    EXPECT_LT(loss, 0.8 * first);
    auto table = session.data(tiny::parameters::transformer_wte_weight);
    weights[run].assign(table.begin(), table.end());
  }
  EXPECT_EQ(std::memcmp(weights[0].data(), weights[1].data(),
                        weights[0].size() * sizeof(float)),
            0);
}

TEST(Embed, BadTokensNeverReachAProgram) {
  tiny::Session session;
  ASSERT_EQ(session.open(1), 0);
  ASSERT_EQ(session.initialize(), 0);
  auto table = session.data(tiny::parameters::transformer_wte_weight);
  const std::vector<float> before(table.begin(), table.end());
  double loss = -1;
  auto fill = [&](uint32_t micro_batch) {
    fillRows(session, 1, micro_batch);
    session.data(tiny::inputs::inputs)[5] = 96;
  };
  EXPECT_EQ(session.step(1, fill, loss), 1);
  EXPECT_NE(std::strstr(trainc_last_error(), "0 to 95, but got 96"), nullptr)
      << trainc_last_error();
  EXPECT_EQ(loss, -1);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), table.begin()));
}

TEST(Embed, SessionsMove) {
  tiny::Session session, other;
  ASSERT_EQ(session.open(1), 0);
  float *memory = session.data(tiny::parameters::transformer_wte_weight).data();
  other = std::move(session);
  EXPECT_EQ(other.data(tiny::parameters::transformer_wte_weight).data(),
            memory);
  EXPECT_EQ(session.handle(), nullptr);
  EXPECT_EQ(session.run(tiny::programs::evaluate), 1);
  EXPECT_EQ(other.run(tiny::programs::evaluate), 0) << trainc_last_error();
}
