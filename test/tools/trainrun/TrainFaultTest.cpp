//===- TrainFaultTest.cpp - a whole run on a failing disk, or killed ------===//
//
// Walks through every call that changes the disk in a run with validation,
// --keep and an early stop: each one is where the process dies, fails once, or
// finds the disk full. Continued, the run must end as an undisturbed one.
//
//===----------------------------------------------------------------------===//

#include "test/tools/trainrun/Fixture.h"
#include "test/unit/runtime/Faults.h"

#include <filesystem>

namespace trainc::test {
namespace {

namespace fs = std::filesystem;

class TrainFaultTest : public TrainrunTest {
protected:
  TrainFaultTest() : TrainrunTest(TemporaryFolder::inMemory) {
    options_.plan = writePlan("p.plan", *makePlan());
    options_.data = {writeTokens("t", randomTokens(103, 5))};
    // Its loss is lowest on the way to what the data teaches.
    options_.eval_data = {writeTokens("e", std::vector<uint16_t>(42, 3))};
    options_.steps = 40;
    options_.checkpoint_every = 2;
    options_.keep = 1;
    options_.eval_every = 1;
    options_.patience = 4;
    options_.resume = true;
    options_.threads = 1;
    options_.json = true; // progress on stderr, where nobody reads it
  }

  Status train(const std::string &run) {
    options_.run = path(run);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int interrupted = 0;
    Status status = trainrun::runTrain(options_, interrupted);
    testing::internal::GetCapturedStdout();
    testing::internal::GetCapturedStderr();
    return status;
  }
  /// Everything in a run's folder apart from times.
  std::map<std::string, std::string> contents(const std::string &run) {
    std::map<std::string, std::string> contents;
    for (const auto &entry : fs::recursive_directory_iterator(path(run))) {
      std::string name = fs::relative(entry.path(), path(run)).string();
      contents[name] = entry.is_directory() ? "" : readText(entry.path());
    }
    std::string lines;
    for (auto &line : readLines(path(run) + "/metrics.jsonl")) {
      EXPECT_EQ(line.erase("step_ms"), 1u);
      lines += line.dump() + "\n";
    }
    contents["metrics.jsonl"] = lines;
    auto summary = nlohmann::json::parse(contents["summary.json"]);
    for (const char *key : {"tokens_per_second", "data_wait_share",
                            "peak_bytes", "overhead_bytes"})
      EXPECT_EQ(summary.erase(key), 1u) << key;
    contents["summary.json"] = summary.dump();
    return contents;
  }
  /// Names of what differs.
  static std::string
  differences(const std::map<std::string, std::string> &got,
              const std::map<std::string, std::string> &expected) {
    std::string names;
    for (const auto &[name, text] : expected)
      if (auto found = got.find(name);
          found == got.end() || found->second != text)
        names += name + " ";
    for (const auto &[name, text] : got)
      if (!expected.count(name))
        names += "additional " + name + " ";
    return names;
  }
  /// The undisturbed run's contents, and in `calls` how many calls it made.
  std::map<std::string, std::string> undisturbed(size_t &calls) {
    Faults faults(Faults::None, 0);
    Status status = train("whole");
    EXPECT_TRUE(status.ok()) << status.message();
    calls = Faults::calls().size();
    auto whole = contents("whole");
    auto summary = nlohmann::json::parse(whole["summary.json"]);
    // The best one is not the last one, and is kept besides it.
    EXPECT_LT(summary["best_step"], summary["steps"]);
    EXPECT_TRUE(whole.count(summary["best_checkpoint"].get<std::string>()));
    return whole;
  }
  void failAtEachCall(Faults::Kind kind, size_t stride);

  trainrun::TrainOptions options_;
};

TEST_F(TrainFaultTest, KilledAtEachCall) {
  size_t calls = 0;
  auto whole = undisturbed(calls);
  ASSERT_GT(calls, 50u);
  for (size_t n = 0; n < calls; ++n) {
    SCOPED_TRACE(n);
    fs::remove_all(path("cut"));
    ASSERT_TRUE(killedAt(n, [&] { (void)train("cut"); }));
    Status status = train("cut");
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(differences(contents("cut"), whole), "");
  }
}

void TrainFaultTest::failAtEachCall(Faults::Kind kind, size_t stride) {
  size_t calls = 0;
  auto whole = undisturbed(calls);
  size_t failed = 0;
  for (size_t n = 0; n < calls; n += stride) {
    SCOPED_TRACE(n);
    fs::remove_all(path("cut"));
    Status status;
    {
      Faults faults(kind, n);
      status = train("cut");
    }
    if (!status.ok()) {
      ++failed;
      // Before the first step the folder may be the user's mistake.
      if (!readText(path("cut/metrics.jsonl")).empty()) {
        EXPECT_EQ(status.code(), StatusCode::System);
        EXPECT_NE(status.message().find("--resume"), std::string::npos)
            << status.message();
      }
    }
    status = train("cut");
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(differences(contents("cut"), whole), "");
  }
  EXPECT_GT(failed, calls / stride / 2);
}

TEST_F(TrainFaultTest, EachCallFailsOnce) { failAtEachCall(Faults::Once, 1); }

TEST_F(TrainFaultTest, TheDiskIsFull) { failAtEachCall(Faults::Full, 3); }

TEST_F(TrainFaultTest, RemovedFolderEndsTheRunAtTheNextStep) {
  // After some calls of the file layer somebody removes the run.
  static std::string run;
  static int calls;
  run = path("gone");
  calls = 0;
  file_system::setFault([](file_system::Call, const std::string &) {
    if (++calls == 60)
      fs::remove_all(run);
    return 0;
  });
  options_.patience = 0;
  Status status = train("gone");
  file_system::setFault(nullptr);
  EXPECT_EQ(status.code(), StatusCode::System);
  EXPECT_NE(status.message().find("gone"), std::string::npos);
  EXPECT_FALSE(fs::exists(run)) << "nothing may come back on its own";
}

} // namespace
} // namespace trainc::test
