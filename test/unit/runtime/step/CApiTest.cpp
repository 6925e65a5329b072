// Only what the shared library exports: no other library of ours is linked.
#include "runtime/include/trainc/trainc.h"
#include "test/unit/runtime/TemporaryFolder.h"
#include "test/unit/runtime/step/Squares.h"
#include "test/unit/runtime/support/TestPlan.h"

#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <string>

using namespace trainc::test;

class CApi : public testing::Test {
protected:
  void SetUp() override {
    const std::vector<uint8_t> bytes = serialize(*makePlan());
    path = folder / "test.plan";
    std::FILE *file = std::fopen(path.c_str(), "wb");
    ASSERT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
    ASSERT_EQ(trainc_plan_load(path.c_str(), 2, &session), 0)
        << trainc_last_error();
  }
  void TearDown() override { trainc_session_destroy(session); }

  template <typename T> T *data(const char *name) {
    void *pointer = nullptr;
    EXPECT_EQ(trainc_session_variable(session, name, &pointer, nullptr, nullptr,
                                      nullptr, nullptr),
              0)
        << trainc_last_error();
    return static_cast<T *>(pointer);
  }

  /// Its own: tests run at the same time.
  TemporaryFolder folder;
  std::string path;
  trainc_session *session = nullptr;
};

TEST_F(CApi, DescribesVariables) {
  uint64_t size_bytes = 0;
  int type = 0, rank = 0;
  const uint64_t *shape = nullptr;
  ASSERT_EQ(trainc_session_variable(session, "inputs", nullptr, &size_bytes,
                                    &type, &rank, &shape),
            0);
  EXPECT_EQ(size_bytes, 32u);
  EXPECT_EQ(type, TRAINC_I32);
  ASSERT_EQ(rank, 2);
  EXPECT_EQ(shape[0], 2u);
  EXPECT_EQ(shape[1], 4u);

  ASSERT_EQ(trainc_session_variable_count(session), 15u);
  EXPECT_STREQ(trainc_session_variable_name(session, 0), "table.weight");
  EXPECT_EQ(trainc_session_variable_role(session, 0), TRAINC_PARAMETER);
  EXPECT_EQ(trainc_session_variable_role(session, 1), TRAINC_GRADIENT);
  EXPECT_EQ(trainc_session_variable_name(session, 15), nullptr);
  EXPECT_EQ(trainc_session_variable_role(session, 15), 0);
  ASSERT_EQ(trainc_session_program_count(session), 6u);
  EXPECT_STREQ(trainc_session_program_name(session, 0), "initialize");
  EXPECT_EQ(trainc_session_program_name(session, 6), nullptr);
}

TEST_F(CApi, RunsProgramsOnTheCallersData) {
  float *weight = data<float>("table.weight");
  weight[0] = 1, weight[1] = 2, weight[2] = 4, weight[3] = 8;
  int32_t *inputs = data<int32_t>("inputs"),
          *targets = data<int32_t>("targets");
  for (int i = 0; i != 8; ++i) {
    inputs[i] = i;
    targets[i] = i == 7 ? ignored : 1;
  }
  ASSERT_EQ(trainc_session_run(session, "evaluate"), 0) << trainc_last_error();
  // Distances 0 1 3 7 0 1 3; the last token does not count.
  EXPECT_EQ(*data<double>("loss.squares.evaluate_sum"), 69.0);
  EXPECT_EQ(*data<double>("loss.squares.evaluate_count"), 7.0);
  ASSERT_EQ(trainc_session_run(session, "count"), 0);
  ASSERT_EQ(trainc_session_run(session, "accumulate"), 0);
  const float *gradient = data<float>("table.weight.grad");
  EXPECT_FLOAT_EQ(gradient[0], 0);
  EXPECT_FLOAT_EQ(gradient[1], 4.0f / 7);
  EXPECT_FLOAT_EQ(gradient[2], 12.0f / 7);
  EXPECT_FLOAT_EQ(gradient[3], 14.0f / 7);
}

/// Rows of Squares.h into the session's inputs.
struct Rows {
  trainc_session *session;
  int status = 0;
  int calls = 0;

  static int fill(void *context, uint64_t step, uint32_t micro_batch) {
    Rows &rows = *static_cast<Rows *>(context);
    ++rows.calls;
    void *inputs = nullptr, *targets = nullptr;
    trainc_session_variable(rows.session, "inputs", &inputs, nullptr, nullptr,
                            nullptr, nullptr);
    trainc_session_variable(rows.session, "targets", &targets, nullptr, nullptr,
                            nullptr, nullptr);
    for (uint32_t r = 0; r != 2; ++r)
      makeRow(step, micro_batch * 2 + r,
              static_cast<int32_t *>(inputs) + r * length,
              static_cast<int32_t *>(targets) + r * length);
    return rows.status;
  }
};

TEST_F(CApi, TrainsFromMemory) {
  const std::vector<uint8_t> bytes = serialize(*makePlan(2, 3));
  trainc_session *other = nullptr;
  ASSERT_EQ(trainc_plan_load_from_memory(bytes.data(), bytes.size(), 2, &other),
            0)
      << trainc_last_error();
  ASSERT_EQ(trainc_session_initialize(other), 0) << trainc_last_error();
  void *weight = nullptr;
  ASSERT_EQ(trainc_session_variable(other, "table.weight", &weight, nullptr,
                                    nullptr, nullptr, nullptr),
            0);
  Rows rows{other};
  Reference reference(static_cast<float *>(weight)[0] * 2);
  for (uint64_t step = 1; step != 4; ++step) {
    double loss = 0;
    ASSERT_EQ(trainc_session_step(other, step, &Rows::fill, &rows, &loss), 0)
        << trainc_last_error();
    reference.differentiate(step, 6);
    reference.apply();
    // The plan's one loss term has weight 2.
    EXPECT_TRUE(near(loss, 2 * reference.sum / reference.count, 1e-5)) << loss;
    for (uint32_t i = 0; i != weights; ++i)
      EXPECT_TRUE(
          near(static_cast<float *>(weight)[i], reference.weight[i], 1e-4));
  }
  // Counted, then accumulated: each of three micro-batches twice a step.
  EXPECT_EQ(rows.calls, 18);

  rows.status = 7;
  double loss = -1;
  EXPECT_EQ(trainc_session_step(other, 4, &Rows::fill, &rows, &loss), 1);
  EXPECT_NE(std::strstr(trainc_last_error(), "but got 7 at micro-batch 0"),
            nullptr);
  EXPECT_EQ(loss, -1);
  EXPECT_EQ(trainc_session_step(other, 0, &Rows::fill, &rows, nullptr), 1);
  EXPECT_EQ(trainc_session_step(other, 1, nullptr, nullptr, nullptr), 1);
  EXPECT_EQ(trainc_session_initialize(nullptr), 1);
  trainc_session_destroy(other);
}

TEST_F(CApi, BytesInMemoryAreVerifiedLikeAFile) {
  std::vector<uint8_t> bytes = serialize(*makePlan());
  trainc_session *other = session;
  EXPECT_EQ(trainc_plan_load_from_memory(nullptr, 0, 1, &other), 1);
  EXPECT_EQ(
      trainc_plan_load_from_memory(bytes.data(), bytes.size() / 2, 1, &other),
      2);
  EXPECT_EQ(other, nullptr);
  EXPECT_EQ(trainc_plan_load_from_memory(bytes.data() + 1, bytes.size() - 1, 1,
                                         &other),
            2);
  EXPECT_NE(std::strstr(trainc_last_error(), "aligned to 8"), nullptr);
  bytes[bytes.size() / 2] ^= 1;
  EXPECT_EQ(trainc_plan_load_from_memory(bytes.data(), bytes.size(), 1, &other),
            2);
  EXPECT_NE(std::strstr(trainc_last_error(), "plan in memory"), nullptr);
}

TEST_F(CApi, ReportsErrors) {
  EXPECT_EQ(trainc_session_run(session, "decode"), 1);
  EXPECT_NE(std::strstr(trainc_last_error(), "program 'decode'"), nullptr);
  EXPECT_EQ(trainc_session_variable(session, "nothing", nullptr, nullptr,
                                    nullptr, nullptr, nullptr),
            1);
  EXPECT_NE(std::strstr(trainc_last_error(), "'nothing'"), nullptr);
  EXPECT_EQ(trainc_session_run(nullptr, "count"), 1);
  EXPECT_EQ(trainc_session_run(session, nullptr), 1);

  trainc_session *other = session;
  EXPECT_EQ(trainc_plan_load("/no/such.plan", 1, &other), 1);
  EXPECT_EQ(other, nullptr);
  EXPECT_EQ(trainc_plan_load(nullptr, 1, &other), 1);
  std::FILE *file = std::fopen(path.c_str(), "r+b");
  std::fseek(file, 100, SEEK_SET);
  std::fputc('!', file);
  std::fclose(file);
  EXPECT_EQ(trainc_plan_load(path.c_str(), 1, &other), 2);
  trainc_session_destroy(nullptr);
}
