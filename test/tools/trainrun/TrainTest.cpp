//===- TrainTest.cpp - trainrun train: runs, resumes, stops ---------------===//
//
// Runs of the test plan: what lies in RUN afterwards, and that a run that was
// cut anywhere ends with the same bits as one that was not.
//
//===----------------------------------------------------------------------===//

#include "test/tools/trainrun/Fixture.h"

#include <cmath>
#include <filesystem>

namespace trainc::test {
namespace {

namespace fs = std::filesystem;
using trainrun::TrainOptions;

class TrainTest : public TrainrunTest {
protected:
  TrainTest() {
    options_.plan = writePlan("p.plan", *makePlan());
    tokens_ = randomTokens(103, 5);
    options_.data = {writeTokens("t.safetensors", tokens_)};
    options_.run = path("run");
  }
  Status train(const TrainOptions &options) {
    testing::internal::CaptureStdout();
    int interrupted = 0;
    Status status = trainrun::runTrain(options, interrupted);
    output_ = testing::internal::GetCapturedStdout();
    EXPECT_EQ(interrupted, 0);
    return status;
  }
  void trainTo(uint64_t steps, bool resume = false) {
    options_.steps = steps;
    options_.resume = resume;
    Status status = train(options_);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void expectUserError(const Status &status, const char *word) {
    EXPECT_EQ(status.code(), StatusCode::User);
    EXPECT_NE(status.message().find(word), std::string::npos)
        << status.message();
  }
  /// Metrics of steps 1 .. steps, without times, or a failure.
  std::vector<nlohmann::json> metrics(const std::string &run, uint64_t steps) {
    auto lines = readLines(run + "/metrics.jsonl");
    EXPECT_EQ(lines.size(), steps);
    for (size_t i = 0; i < lines.size(); ++i) {
      EXPECT_EQ(lines[i].value("step", 0u), i + 1);
      EXPECT_TRUE(lines[i].value("step_ms", 0.0) > 0);
      lines[i].erase("step_ms");
    }
    return lines;
  }
  void expectSameRun(const std::string &a, const std::string &b,
                     uint64_t steps) {
    for (const char *file : {"model.safetensors", "optimizer.safetensors"}) {
      std::string name = "/checkpoint-" + std::to_string(steps) + "/" + file;
      std::string bytes = readText(a + name);
      EXPECT_GT(bytes.size(), 16u);
      EXPECT_EQ(bytes, readText(b + name)) << name;
    }
    EXPECT_EQ(metrics(a, steps), metrics(b, steps));
  }

  TrainOptions options_;
  std::vector<uint16_t> tokens_;
  std::string output_;
};

TEST_F(TrainTest, WritesARun) {
  options_.order = "sequential";
  trainTo(10);
  auto lines = metrics(options_.run, 10);
  // The first loss by hand: weights start at seed / 2 + i / 4 (kernels.c), and
  // the first two windows are tokens 0 .. 8.
  double sum = 0;
  for (int i = 0; i < 8; ++i)
    sum += std::pow(0.5 + 0.25 * (tokens_[i] % 4) - tokens_[i + 1], 2);
  double first = lines[0].value("loss", std::nan(""));
  EXPECT_LT(std::abs(first - 2 * sum / 8), 1e-12 * sum); // weight 2
  EXPECT_EQ(lines[0]["losses"].value("squares", std::nan("")), first / 2);
  EXPECT_TRUE(lines[9].value("loss", std::nan("")) < first);
  EXPECT_EQ(lines[0].value("learning_rate", std::nan("")), 0.125);
  EXPECT_TRUE(lines[0].value("grad_norm", std::nan("")) > 0);
  EXPECT_EQ(lines[9].value("tokens", 0u), 10u * 2 * 4);
  EXPECT_FALSE(lines[9].contains("eval_loss"));

  for (const char *file :
       {"model.safetensors", "optimizer.safetensors", "state.json"})
    EXPECT_TRUE(fs::exists(options_.run + "/checkpoint-10/" + file)) << file;
  auto summary =
      nlohmann::json::parse(readText(options_.run + "/summary.json"));
  EXPECT_TRUE(summary["predicted_bytes"].get<uint64_t>() >
              summary["arena_bytes"].get<uint64_t>());
  EXPECT_GT(summary["peak_bytes"].get<uint64_t>(), 1u << 20);
  EXPECT_TRUE(summary["tokens_per_second"].get<double>() > 0);
  EXPECT_FALSE(summary["device"].get<std::string>().empty());
}

TEST_F(TrainTest, ResumedEqualsUndisturbed) {
  trainTo(9);
  std::string whole = options_.run;
  options_.run = path("cut");
  for (uint64_t steps : {2, 3, 7, 9})
    trainTo(steps, /*resume=*/true);
  expectSameRun(whole, options_.run, 9);
  // Nothing more to do is no error and changes nothing.
  trainTo(9, true);
  EXPECT_NE(output_.find("nothing to do"), std::string::npos);
  expectSameRun(whole, options_.run, 9);
}

TEST_F(TrainTest, NoStepsSaveTheStart) {
  trainTo(5);
  std::string whole = options_.run;
  options_.run = path("start");
  options_.eval_data = {writeTokens("held-out", tokens_)};
  trainTo(0);
  EXPECT_NE(output_.find("no step taken"), std::string::npos) << output_;
  auto weight = readTensor<float>(
      options_.run + "/checkpoint-0/model.safetensors", "model.table.weight");
  ASSERT_EQ(weight.size(), 4u); // seed / 2 + i / 4 (kernels.c)
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(weight[i], 0.5f + 0.25f * i);
  auto summary =
      nlohmann::json::parse(readText(options_.run + "/summary.json"));
  EXPECT_EQ(summary["steps"], 0);
  EXPECT_TRUE(summary["loss"].is_null());
  EXPECT_TRUE(summary["eval_loss"].get<double>() > 0);
  EXPECT_EQ(readText(options_.run + "/metrics.jsonl"), "");
  // Again there is nothing to do; going on gives the run's bits.
  trainTo(0, true);
  EXPECT_NE(output_.find("nothing to do"), std::string::npos) << output_;
  options_.eval_data.clear();
  trainTo(5, true);
  EXPECT_NE(output_.find("continuing from"), std::string::npos) << output_;
  expectSameRun(whole, options_.run, 5);
}

TEST_F(TrainTest, CrashBetweenCheckpointsLosesNothing) {
  options_.checkpoint_every = 4;
  trainTo(9);
  std::string whole = options_.run;
  options_.run = path("crashed");
  trainTo(7);
  // As if killed in step 8: no checkpoint at 7, a torn line, a half checkpoint.
  fs::remove_all(options_.run + "/checkpoint-7");
  writeText(options_.run + "/metrics.jsonl",
            readText(options_.run + "/metrics.jsonl") + "{\"step\": 8, \"lo");
  fs::create_directory(options_.run + "/.tmp-checkpoint-8");
  trainTo(9, true);
  EXPECT_NE(output_.find("checkpoint-4"), std::string::npos) << output_;
  expectSameRun(whole, options_.run, 9);
  EXPECT_FALSE(fs::exists(options_.run + "/.tmp-checkpoint-8"));
}

TEST_F(TrainTest, ExistingRunNeedsResume) {
  trainTo(2);
  std::string before = readText(options_.run + "/metrics.jsonl");
  options_.steps = 4;
  options_.resume = false;
  expectUserError(train(options_), "--resume");
  EXPECT_EQ(readText(options_.run + "/metrics.jsonl"), before);
  EXPECT_FALSE(fs::exists(options_.run + "/checkpoint-4"));
}

TEST_F(TrainTest, ResumeWithoutACheckpointStarts) {
  fs::create_directory(options_.run);
  writeText(options_.run + "/metrics.jsonl", "{\"step\": 1}\n");
  trainTo(3, true);
  metrics(options_.run, 3);
}

TEST_F(TrainTest, ThreadsDoNotChangeBits) {
  trainTo(5);
  std::string one = options_.run;
  options_.run = path("threads");
  options_.threads = 5;
  trainTo(5);
  expectSameRun(one, options_.run, 5);
}

TEST_F(TrainTest, OrderIsKeptByTheRun) {
  trainTo(3);
  auto shuffled = metrics(options_.run, 3);
  options_.order = "sequential";
  options_.resume = true;
  options_.steps = 5;
  expectUserError(train(options_), "--order shuffled");
  options_.run = path("sequential");
  trainTo(3);
  EXPECT_NE(metrics(options_.run, 3), shuffled);
  options_.order = "backwards";
  options_.run = path("other");
  options_.resume = false;
  expectUserError(train(options_), "backwards");
}

TEST_F(TrainTest, CheckpointsArePortableBetweenCuts) {
  // 2 micro-batches of 2 rows are 1 of 4 rows, also when cut in the middle.
  options_.plan = writePlan("two.plan", *makePlan(2, 2));
  trainTo(6);
  auto two = metrics(options_.run, 6);
  options_.run = path("recut");
  trainTo(3);
  options_.plan = writePlan("one.plan", *makePlan(4, 1));
  trainTo(6, true);
  auto recut = metrics(options_.run, 6);
  for (size_t i = 0; i < 6; ++i) {
    double a = two[i].value("loss", std::nan("")),
           b = recut[i].value("loss", std::nan(""));
    EXPECT_LT(std::abs(a - b), 1e-5 * std::abs(a)) << i;
    EXPECT_EQ(two[i]["tokens"], recut[i]["tokens"]);
  }
}

TEST_F(TrainTest, KeepsTheNewestCheckpoints) {
  options_.checkpoint_every = 2;
  options_.keep = 2;
  trainTo(9);
  std::set<std::string> names;
  for (const auto &entry : fs::directory_iterator(options_.run))
    names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"checkpoint-8", "checkpoint-9",
                                          "metrics.jsonl", "summary.json"}));
}

TEST_F(TrainTest, StopsWhenTheHeldOutLossNoLongerFalls) {
  // Every target is 15, but the held-out ones are 0: each step is for the
  // worse.
  options_.data = {writeTokens("up", std::vector<uint16_t>(40, 15))};
  options_.eval_data = {writeTokens("down", std::vector<uint16_t>(40, 3))};
  options_.order = "sequential";
  options_.eval_every = 1;
  options_.patience = 2;
  trainTo(50);
  auto lines = readLines(options_.run + "/metrics.jsonl");
  // Weight 3 starts at 1.25 and first comes nearer to 3.
  size_t best = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    ASSERT_TRUE(lines[i].contains("eval_loss"));
    if (lines[i]["eval_loss"].get<double>() <
        lines[best]["eval_loss"].get<double>())
      best = i;
  }
  EXPECT_LT(lines.size(), 20u);
  EXPECT_EQ(lines.size(), best + 1 + 2);
  EXPECT_TRUE(
      fs::exists(options_.run + "/checkpoint-" + std::to_string(lines.size())));
  // A resumed run remembers that its patience is spent.
  size_t steps = lines.size();
  trainTo(50, true);
  EXPECT_EQ(readLines(options_.run + "/metrics.jsonl").size(), steps);
}

TEST_F(TrainTest, StartsFromGivenWeights) {
  trainTo(4);
  options_.init = options_.run + "/checkpoint-4/model.safetensors";
  options_.run = path("tuned");
  auto before = readTensor<float>(options_.init, "model.table.weight");
  trainTo(1);
  EXPECT_NE(metrics(options_.run, 1)[0]["loss"],
            metrics(path("run"), 4)[0]["loss"]);
  auto after = readTensor<float>(
      options_.run + "/checkpoint-1/model.safetensors", "model.table.weight");
  ASSERT_EQ(before.size(), after.size());
  EXPECT_NE(before, after);
}

TEST_F(TrainTest, WrongInputsLeaveNoRun) {
  options_.steps = 2;
  auto bad = tokens_;
  bad[77] = 16;
  TrainOptions options = options_;
  options.data.push_back(writeTokens("bad", bad));
  expectUserError(train(options), "bad: token 77");
  EXPECT_FALSE(fs::exists(options.run));

  options = options_;
  options.init = options_.data[0];
  expectUserError(train(options), "got none");
  EXPECT_FALSE(fs::exists(options.run));

  options = options_;
  options.patience = 2;
  expectUserError(train(options), "--eval-data");

  auto plan = makePlan();
  plan->batch->objective = "masked_lm";
  options = options_;
  options.plan = writePlan("mlm.plan", *plan);
  expectUserError(train(options), "masked_lm");
  EXPECT_FALSE(fs::exists(options.run));
}

} // namespace
} // namespace trainc::test
