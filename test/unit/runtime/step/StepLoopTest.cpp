#include "runtime/step/StepLoop.h"
#include "runtime/abi/PlanVerifier.h"
#include "test/unit/runtime/step/Squares.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <new>

using namespace trainc;
using namespace trainc::test;

// Counts every allocation of this binary, to prove that a step makes none.
static std::atomic<uint64_t> allocations{0};
void *operator new(size_t size_bytes) {
  ++allocations;
  return std::malloc(size_bytes);
}
void operator delete(void *pointer) noexcept { std::free(pointer); }
void operator delete(void *pointer, size_t) noexcept { std::free(pointer); }

namespace {

struct Training {
  std::unique_ptr<Session> session;
  std::unique_ptr<StepLoop> loop;

  float *floats(std::string_view name) {
    return reinterpret_cast<float *>(session->data(name).data());
  }
  int64_t *integers(std::string_view name) {
    return reinterpret_cast<int64_t *>(session->data(name).data());
  }
};

Training start(const trainc::abi::PlanT &table, unsigned threads = 1,
               std::optional<uint64_t> seed = {}) {
  Training run;
  Result<std::unique_ptr<Plan>> plan =
      Plan::fromBytes(serialize(table), "test");
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  Result<std::unique_ptr<Session>> session =
      Session::create(std::move(*plan), SessionOptions{threads, {}});
  EXPECT_TRUE(session.ok()) << session.status().message();
  run.session = std::move(*session);
  Result<std::unique_ptr<StepLoop>> loop = StepLoop::create(*run.session, seed);
  EXPECT_TRUE(loop.ok());
  run.loop = std::move(*loop);
  EXPECT_TRUE(run.loop->initialize().ok());
  return run;
}

} // namespace

TEST(StepLoop, InitializeUsesTheSeed) {
  Training plans = start(*makePlan());
  Training own = start(*makePlan(), 1, 3);
  for (int i = 0; i != 4; ++i) {
    EXPECT_EQ(plans.floats("table.weight")[i], 0.5f + 0.25f * i);
    EXPECT_EQ(own.floats("table.weight")[i], 1.5f + 0.25f * i);
  }
  EXPECT_EQ(own.integers("control.random")[0], 3);
  EXPECT_EQ(own.integers("control.random")[1], 0);
}

// The rule is SGD with momentum: training-semantics.md 4.1.
TEST(StepLoop, StepsAgreeWithTheReference) {
  Training run = start(*makePlan(2, 3), 2);
  Reference reference(1);
  RandomRows source(2);
  StepResult result;
  for (uint64_t step = 1; step != 20; ++step) {
    ASSERT_TRUE(run.loop->runStep(step, source, result).ok());
    reference.differentiate(step, 6);
    const double mean = reference.sum / reference.count;
    ASSERT_EQ(result.losses.size(), 1u);
    EXPECT_TRUE(near(result.losses[0], mean, 1e-5)) << step;
    EXPECT_TRUE(near(result.loss, 2 * mean, 1e-5)) << step; // weight 2
    double norm = 0;
    for (const double g : reference.gradient)
      norm += g * g;
    EXPECT_EQ(run.loop->metric(result, "learning_rate"), 0.125);
    EXPECT_TRUE(near(*run.loop->metric(result, "grad_norm"), norm, 1e-4));
    EXPECT_FALSE(run.loop->metric(result, "loss_scale"));
    EXPECT_GT(result.duration_ns, 0u);
    reference.apply();
    for (uint32_t i = 0; i != weights; ++i)
      EXPECT_TRUE(
          near(run.floats("table.weight")[i], reference.weight[i], 1e-4))
          << step << " weight " << i;
  }
}

TEST(StepLoop, LossAndGradientsDoNotDependOnTheCut) {
  Training whole = start(*makePlan(4, 1)), cut = start(*makePlan(2, 2));
  RandomRows four(4), two(2);
  StepResult a, b;
  ASSERT_TRUE(whole.loop->runGradients(1, four, a).ok());
  ASSERT_TRUE(cut.loop->runGradients(1, two, b).ok());
  EXPECT_TRUE(near(a.loss, b.loss, 1e-12));
  EXPECT_GT(a.loss, 0);
  for (uint32_t i = 0; i != weights; ++i)
    EXPECT_TRUE(near(whole.floats("table.weight.grad")[i],
                     cut.floats("table.weight.grad")[i], 1e-6));
}

TEST(StepLoop, ThreadsDoNotChangeABit) {
  std::vector<uint8_t> first;
  for (const unsigned threads : {1u, 2u, 7u}) {
    Training run = start(*makePlan(2, 2), threads);
    RandomRows source(2);
    StepResult result;
    std::vector<uint8_t> bits;
    const auto append = [&](const void *data, size_t size_bytes) {
      const auto *bytes = static_cast<const uint8_t *>(data);
      bits.insert(bits.end(), bytes, bytes + size_bytes);
    };
    for (uint64_t step = 1; step != 50; ++step) {
      ASSERT_TRUE(run.loop->runStep(step, source, result).ok());
      append(&result.loss, sizeof result.loss);
    }
    append(run.floats("table.weight"), 16);
    append(run.floats("table.weight.momentum"), 16);
    if (first.empty())
      first = bits;
    EXPECT_EQ(bits, first) << threads << " threads";
  }
}

TEST(StepLoop, AsksForInputsInOrder) {
  using Calls = std::vector<RandomRows::Call>;
  StepResult result;
  RandomRows three(2);
  three.calls.reserve(16);
  Training cut = start(*makePlan(2, 3));
  ASSERT_TRUE(cut.loop->runStep(5, three, result).ok());
  EXPECT_EQ(
      three.calls,
      (Calls{
          {5, 0, 2}, {5, 1, 2}, {5, 2, 2}, {5, 0, 2}, {5, 1, 2}, {5, 2, 2}}));
  // One micro-batch stays in place between counting and accumulating.
  RandomRows one(2);
  one.calls.reserve(16);
  Training whole = start(*makePlan(2, 1));
  ASSERT_TRUE(whole.loop->runStep(5, one, result).ok());
  EXPECT_EQ(one.calls, (Calls{{5, 0, 2}}));
}

/// What is announced must be what is asked for next, or it is read in vain.
TEST(StepLoop, AnnouncesWhatItAsksForNext) {
  for (const uint32_t micro_batches : {1u, 2u, 3u}) {
    Training run = start(*makePlan(2, micro_batches));
    RandomRows source(2);
    source.calls.reserve(64);
    source.announced.reserve(64);
    StepResult result;
    for (uint64_t step = 5; step != 8; ++step)
      ASSERT_TRUE(run.loop->runStep(step, source, result).ok());
    EvaluationResult evaluation;
    const size_t before = source.calls.size();
    ASSERT_TRUE(run.loop->runEvaluation(5, source, evaluation).ok());
    // Each call but the first was announced; the first of the evaluation is
    // not the step that would have come.
    ASSERT_EQ(source.announced.size(), source.calls.size() - 1);
    for (const RandomRows::Call &announced : source.announced) {
      if (announced.slots == before) {
        EXPECT_EQ(announced.step, 8u);
        EXPECT_EQ(announced.micro_batch, 0u);
        continue;
      }
      const RandomRows::Call &next = source.calls[announced.slots];
      EXPECT_EQ(announced.step, next.step);
      EXPECT_EQ(announced.micro_batch, next.micro_batch);
    }
    EXPECT_LE(result.data_ns, result.duration_ns);
  }
}

TEST(StepLoop, StepsGrowWithTheRamp) {
  // 2 x 4 tokens a micro-batch: 1, 2, 3 micro-batches up to 48 tokens, then 4.
  auto plan = makePlan(2, 4);
  plan->feature_bits |= trainc::abi::featureRamp;
  plan->batch->ramp_from = 1;
  plan->batch->ramp_tokens = 48;
  Training run = start(*plan);
  RandomRows source(2);
  Reference reference(1);
  StepResult result;
  uint64_t step = 1, tokens = 0;
  for (const uint32_t micro_batches : {1u, 2u, 3u, 4u, 4u}) {
    source.calls.clear();
    source.calls.reserve(16);
    ASSERT_TRUE(run.loop->runStep(step, source, result).ok());
    // All are read for counting and again, unless it is only one.
    EXPECT_EQ(source.calls.size(), micro_batches == 1 ? 1 : 2 * micro_batches);
    EXPECT_EQ(run.loop->shapes().tokensBefore(step), tokens);
    tokens += uint64_t{micro_batches} * 2 * length;
    reference.differentiate(step, 2 * micro_batches);
    EXPECT_TRUE(near(result.loss, 2 * reference.sum / reference.count, 1e-5));
    reference.apply();
    for (uint32_t i = 0; i != weights; ++i)
      EXPECT_TRUE(
          near(run.floats("table.weight")[i], reference.weight[i], 1e-4));
    ++step;
  }
}

TEST(StepLoop, ControlNamesStepAndGlobalRow) {
  Training run = start(*makePlan(2, 3), 1, 11);
  RandomRows source(2);
  StepResult result;
  ASSERT_TRUE(run.loop->runGradients(8, source, result).ok());
  // As the last micro-batch left them.
  EXPECT_EQ(run.integers("control.random")[0], 11);
  EXPECT_EQ(run.integers("control.random")[1], 8);
  EXPECT_EQ(run.integers("control.random")[2], 2 * 2);
  EXPECT_EQ(run.integers("control.micro_batch")[0], 2);
  ASSERT_TRUE(run.loop->runStep(9, source, result).ok());
  EXPECT_EQ(run.integers("control.random")[1], 9);
  EXPECT_EQ(run.integers("control.random")[2], 0); // of `apply`
}

TEST(StepLoop, GradientsLeaveWeightsAlone) {
  Training run = start(*makePlan(2, 2));
  Reference reference(1);
  RandomRows source(2);
  StepResult result;
  ASSERT_TRUE(run.loop->runGradients(1, source, result).ok());
  reference.differentiate(1, 4);
  EXPECT_TRUE(near(result.loss, 2 * reference.sum / reference.count, 1e-6));
  for (uint32_t i = 0; i != weights; ++i) {
    EXPECT_EQ(run.floats("table.weight")[i], 0.5f + 0.25f * i);
    EXPECT_TRUE(
        near(run.floats("table.weight.grad")[i], reference.gradient[i], 1e-6));
  }
}

TEST(StepLoop, EvaluationAddsBatches) {
  Training run = start(*makePlan(2, 2));
  Reference reference(1);
  RandomRows source(2);
  source.calls.reserve(16);
  EvaluationResult result;
  ASSERT_TRUE(run.loop->runEvaluation(3, source, result).ok());
  using Calls = std::vector<RandomRows::Call>;
  EXPECT_EQ(source.calls, (Calls{{1, 0, 2}, {1, 1, 2}, {2, 0, 2}}));
  // Two micro-batches of step 1, one of step 2.
  reference.differentiate(1, 4);
  double sum = reference.sum, count = reference.count;
  reference.differentiate(2, 2);
  sum += reference.sum;
  count += reference.count;
  ASSERT_EQ(result.sums.size(), 1u);
  EXPECT_TRUE(near(result.sums[0], sum, 1e-12));
  EXPECT_EQ(result.counts[0], count);
  EXPECT_TRUE(near(result.loss, 2 * sum / count, 1e-12));

  ASSERT_TRUE(run.loop->runEvaluation(0, source, result).ok());
  EXPECT_EQ(result.loss, 0); // nothing counted
}

TEST(StepLoop, PredictFillsOutputs) {
  Training run = start(*makePlan());
  RandomRows source(2);
  ASSERT_TRUE(run.loop->runPredict(4, 0, source).ok());
  for (uint32_t r = 0; r != 2; ++r) {
    int32_t inputs[length], targets[length];
    makeRow(4, r, inputs, targets);
    for (uint32_t i = 0; i != length; ++i)
      EXPECT_EQ(run.floats("logits")[r * length + i],
                0.5f + 0.25f * (inputs[i] % 4));
  }
}

TEST(StepLoop, AStepAllocatesNothing) {
  for (const unsigned threads : {1u, 2u}) {
    Training run = start(*makePlan(2, 2), threads);
    RandomRows source(2);
    StepResult result;
    ASSERT_TRUE(run.loop->runStep(1, source, result).ok());
    const uint64_t before = allocations.load();
    bool ok = true;
    for (uint64_t step = 2; step != 100; ++step)
      ok = ok && run.loop->runStep(step, source, result).ok();
    EXPECT_EQ(allocations.load(), before);
    EXPECT_TRUE(ok);
  }
}

TEST(StepLoop, ErrorsNameWhatIsMissing) {
  auto plan = makePlan();
  plan->variants[0]->programs.resize(3); // initialize, count, accumulate
  Training run = start(*plan);
  RandomRows source(2);
  StepResult result;
  const Status status = run.loop->runStep(1, source, result);
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("expected a plan with a program 'apply'"),
            std::string::npos);
  EvaluationResult evaluation;
  EXPECT_FALSE(run.loop->runEvaluation(1, source, evaluation).ok());
  EXPECT_FALSE(run.loop->runPredict(1, 0, source).ok());
  EXPECT_NE(run.session->run("decode").message().find("program 'decode'"),
            std::string::npos);
}

TEST(StepLoop, ErrorsOfTheSourceEndTheStep) {
  class Broken : public DataSource {
    Status fill(uint64_t, uint32_t, std::span<const InputSlot>) override {
      return Status::system("expected a disk, but got none");
    }
  } source;
  Training run = start(*makePlan());
  StepResult result;
  const Status status = run.loop->runStep(1, source, result);
  EXPECT_EQ(status.code(), StatusCode::System);
  EXPECT_EQ(status.message(), "expected a disk, but got none");
  EXPECT_EQ(run.floats("table.weight")[0], 0.5f);
}

TEST(Session, PredictsItsMemory) {
  Training run = start(*makePlan(), 3);
  EXPECT_EQ(run.session->predictedBytes(), run.session->plan().arenaBytes());
  EXPECT_TRUE(run.session->has("apply"));
  EXPECT_FALSE(run.session->has("decode"));
  EXPECT_TRUE(run.session->data("no such variable").empty());
}
