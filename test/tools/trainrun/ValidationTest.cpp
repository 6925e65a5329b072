//===- ValidationTest.cpp - held-out loss while training ------------------===//
//
// The loss in the metrics is exact, the best step is found, kept and named, and
// a run that is continued decides as one that was not cut.
//
//===----------------------------------------------------------------------===//

#include "runtime/checkpoint/Checkpoint.h"
#include "test/tools/trainrun/Fixture.h"

#include <cmath>
#include <filesystem>

namespace trainc::test {
namespace {

namespace fs = std::filesystem;
using trainrun::TrainOptions;

class ValidationTest : public TrainrunTest {
protected:
  ValidationTest() : TrainrunTest(TemporaryFolder::inMemory) {
    options_.plan = writePlan("p.plan", *makePlan());
    options_.data = {writeTokens("t", randomTokens(103, 5))};
    // Five windows: the last batch of two rows is half empty.
    held_out_ = randomTokens(4 * 5 + 3, 11);
    options_.eval_data = {writeTokens("e", held_out_)};
    options_.run = path("run");
    options_.steps = 12;
    options_.eval_every = 3;
    options_.threads = 1;
  }
  Status train(const TrainOptions &options) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int interrupted = 0;
    Status status = trainrun::runTrain(options, interrupted);
    output_ = testing::internal::GetCapturedStdout();
    errors_ = testing::internal::GetCapturedStderr();
    return status;
  }
  void trainWell() {
    Status status = train(options_);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  /// Held-out losses by step.
  std::map<uint64_t, double> losses() {
    std::map<uint64_t, double> losses;
    for (const auto &line : readLines(options_.run + "/metrics.jsonl"))
      if (line.contains("eval_loss"))
        losses[line["step"]] = line["eval_loss"].is_null()
                                   ? std::nan("")
                                   : line["eval_loss"].get<double>();
    return losses;
  }
  nlohmann::json summary() {
    return nlohmann::json::parse(readText(options_.run + "/summary.json"));
  }
  std::string checkpoint(uint64_t step) {
    return options_.run + "/checkpoint-" + std::to_string(step);
  }

  TrainOptions options_;
  std::vector<uint16_t> held_out_;
  std::string output_, errors_;
};

TEST_F(ValidationTest, CountsEveryWindowOnce) {
  trainWell();
  auto found = losses();
  ASSERT_EQ(found.size(), 4u);
  for (auto [step, loss] : found) {
    if (!fs::exists(checkpoint(step)))
      continue;
    // By hand, in double: weight 2, mean squared distance of 20 tokens.
    auto weights = readTensor<float>(checkpoint(step) + "/model.safetensors",
                                     "model.table.weight");
    double sum = 0;
    for (int i = 0; i < 20; ++i)
      sum += std::pow(double(weights[held_out_[i] % 4]) - held_out_[i + 1], 2);
    EXPECT_LT(std::abs(loss - 2 * sum / 20), 1e-12 * loss) << step;
    // And to the bit what trainrun eval says of the checkpoint.
    testing::internal::CaptureStdout();
    Status status = trainrun::runEval({options_.plan, options_.eval_data,
                                       checkpoint(step), 1, /*json=*/true});
    auto json = nlohmann::json::parse(testing::internal::GetCapturedStdout());
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(json["loss"].get<double>(), loss);
    EXPECT_EQ(json["tokens"], 20);
  }
  EXPECT_TRUE(fs::exists(checkpoint(12)));
}

TEST_F(ValidationTest, DoesNotChangeTheTraining) {
  trainWell();
  std::string measured = checkpoint(12);
  options_.run = path("unmeasured");
  options_.eval_data.clear();
  options_.eval_every = 0;
  trainWell();
  for (const char *file : {"/model.safetensors", "/optimizer.safetensors"})
    EXPECT_EQ(readText(measured + file), readText(checkpoint(12) + file));
}

TEST_F(ValidationTest, KeepsAndNamesTheBest) {
  // Every target is 3: on the way from 1.25 to about 8, weight 3 passes it.
  options_.eval_data = {writeTokens("e", std::vector<uint16_t>(42, 3))};
  options_.eval_every = 1;
  options_.checkpoint_every = 2;
  options_.keep = 2;
  trainWell();
  auto found = losses();
  uint64_t best = 1;
  for (auto [step, loss] : found)
    if (loss < found[best])
      best = step;
  ASSERT_LT(best, 9u);
  EXPECT_EQ(listCheckpoints(options_.run),
            (std::vector<uint64_t>{best, 10, 12}));
  EXPECT_EQ(summary()["best_step"], best);
  EXPECT_EQ(summary()["best_eval_loss"], found[best]);
  EXPECT_EQ(summary()["best_checkpoint"], "checkpoint-" + std::to_string(best));
  EXPECT_EQ(summary()["eval_loss"], found[12]);
  EXPECT_NE(output_.find("in " + checkpoint(best)), std::string::npos)
      << output_;
  // Going on, it is still known and kept.
  options_.steps = 16;
  options_.resume = true;
  trainWell();
  EXPECT_EQ(listCheckpoints(options_.run),
            (std::vector<uint64_t>{best, 14, 16}));
  EXPECT_EQ(summary()["best_step"], best);
}

TEST_F(ValidationTest, PatienceEndsTheRunAndIsRemembered) {
  options_.eval_data = {writeTokens("e", std::vector<uint16_t>(42, 3))};
  options_.eval_every = 1;
  options_.patience = 3;
  options_.steps = 50;
  trainWell();
  auto found = losses();
  uint64_t best = summary()["best_step"], last = summary()["steps"];
  EXPECT_EQ(last, best + 3);
  EXPECT_EQ(found.size(), last);
  EXPECT_NE(output_.find("stopped early at step"), std::string::npos);
  // Neither the summary nor the metrics change when there is nothing to do.
  std::string before = readText(options_.run + "/summary.json");
  options_.resume = true;
  trainWell();
  EXPECT_NE(output_.find("nothing to do"), std::string::npos) << output_;
  EXPECT_EQ(readText(options_.run + "/summary.json"), before);
  EXPECT_EQ(losses(), found);
  // Cut in the middle of its patience, a run ends at the same step.
  options_.run = path("cut");
  options_.steps = best + 1;
  trainWell();
  options_.steps = 50;
  trainWell();
  EXPECT_EQ(losses(), found);
  EXPECT_EQ(summary()["best_step"], best);
}

TEST_F(ValidationTest, ALossThatIsNoNumberIsNeverTheBest) {
  // Weights from outside must be finite: a run that diverged, of a version
  // that kept no hashes.
  const auto options = options_;
  options_.steps = 0;
  options_.eval_every = 0;
  options_.eval_data.clear();
  trainWell();
  std::string model = readText(checkpoint(0) + "/model.safetensors");
  const float infinity = INFINITY;
  std::memcpy(model.data() + model.size() - sizeof infinity, &infinity,
              sizeof infinity);
  writeText(checkpoint(0) + "/model.safetensors", model);
  const std::string state = readText(checkpoint(0) + "/state.json");
  writeText(checkpoint(0) + "/state.json",
            state.substr(0, state.find(",\n  \"files\"")) + "}");
  options_ = options;
  options_.resume = true;
  options_.patience = 2;
  trainWell();
  auto found = losses();
  ASSERT_EQ(found.size(), 2u) << "two evaluations without a better one";
  EXPECT_TRUE(std::isnan(found[3]));
  EXPECT_TRUE(summary()["best_step"].is_null());
  EXPECT_TRUE(summary()["best_checkpoint"].is_null());
  EXPECT_TRUE(summary()["loss"].is_null());
}

TEST_F(ValidationTest, OtherDataAndLostMetricsAreWarnedOf) {
  trainWell();
  options_.resume = true;
  options_.steps = 14;
  options_.data.push_back(writeTokens("more", randomTokens(50, 6)));
  fs::remove(options_.run + "/metrics.jsonl");
  trainWell();
  EXPECT_NE(errors_.find("expected the 103 tokens of data"), std::string::npos)
      << errors_;
  EXPECT_NE(errors_.find("metrics of 12 steps"), std::string::npos) << errors_;
  EXPECT_EQ(readLines(options_.run + "/metrics.jsonl").size(), 2u);
}

TEST_F(ValidationTest, OnlyDamagedCheckpointsStopAResume) {
  trainWell();
  std::string before = readText(options_.run + "/metrics.jsonl");
  for (uint64_t step : listCheckpoints(options_.run))
    writeText(checkpoint(step) + "/state.json", "{");
  options_.resume = true;
  Status status = train(options_);
  EXPECT_EQ(status.code(), StatusCode::File);
  EXPECT_NE(status.message().find("damaged"), std::string::npos);
  EXPECT_EQ(readText(options_.run + "/metrics.jsonl"), before)
      << "nothing may be begun again on its own";
}

TEST_F(ValidationTest, WrongOptionsAreNamed) {
  TrainOptions options = options_;
  options.eval_data.clear();
  Status status = train(options);
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("--eval-data"), std::string::npos);
  options = options_;
  options.eval_every = 0;
  options.patience = 1;
  status = train(options);
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("--eval-every"), std::string::npos);
  options = options_;
  options.eval_data = {writeTokens("short", {1, 2})};
  EXPECT_EQ(train(options).code(), StatusCode::User);
  EXPECT_FALSE(fs::exists(options.run));
}

} // namespace
} // namespace trainc::test
