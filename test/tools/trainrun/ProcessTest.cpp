//===- ProcessTest.cpp - trainrun as a process ----------------------------===//
//
// Exit statuses, errors on stderr, Ctrl-C, and kills at arbitrary instants.
//
//===----------------------------------------------------------------------===//

#include "test/tools/trainrun/Fixture.h"

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace trainc::test {
namespace {

namespace fs = std::filesystem;

class ProcessTest : public TrainrunTest {
protected:
  ProcessTest() {
    plan_ = writePlan("p.plan", *makePlan());
    data_ = writeTokens("t", randomTokens(103, 5));
  }
  /// Starts trainrun with stdout and stderr in files `out` and `err`.
  pid_t start(std::vector<std::string> arguments, const char *out_name = "out",
              const char *err_name = "err") {
    std::string out_path = path(out_name), err_path = path(err_name);
    arguments.insert(arguments.begin(), TRAINRUN_BINARY);
    std::vector<char *> pointers;
    for (std::string &argument : arguments)
      pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t child = fork();
    if (child == 0) {
      int out = open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      int err = open(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(out, 1);
      dup2(err, 2);
      execv(TRAINRUN_BINARY, pointers.data());
      _exit(127);
    }
    return child;
  }
  /// Exit status, or 1000 + signal.
  static int wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  int run(std::vector<std::string> arguments) {
    return wait(start(std::move(arguments)));
  }
  std::vector<std::string> train(const std::string &run, uint64_t steps,
                                 std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "train", plan_,     "--data",  data_,
        "--out", path(run), "--steps", std::to_string(steps)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string errors() { return readText(path("err")); }

  std::string plan_, data_;
};

TEST_F(ProcessTest, ExitStatuses) {
  EXPECT_EQ(run(train("ok", 3)), 0);
  EXPECT_EQ(errors(), "");
  EXPECT_EQ(run(train("ok", 3)), 1);
  EXPECT_TRUE(errors().starts_with("error: ")) << errors();
  EXPECT_EQ(run({"train", plan_}), 1);
  EXPECT_TRUE(errors().starts_with("error: expected")) << errors();
  EXPECT_EQ(run({"verify", path("none")}), 1);
  EXPECT_EQ(run({"verify", data_}), 2);
  EXPECT_TRUE(errors().starts_with("error: ")) << errors();
  EXPECT_EQ(run({"fly"}), 1);
  EXPECT_EQ(run({"preview", plan_}), 1) << "not a command yet";
}

TEST_F(ProcessTest, EveryCommandHasHelpWithTwoExamples) {
  for (std::string command :
       {"tokenize", "train", "eval", "gradients", "predict", "generate",
        "inspect", "verify", "profile"}) {
    EXPECT_EQ(run({command, "--help"}), 0) << command;
    std::string help = readText(path("out"));
    size_t examples = help.find("Examples:");
    ASSERT_NE(examples, std::string::npos) << command;
    std::string call = "\n  trainrun " + command + " ";
    size_t first = help.find(call, examples);
    ASSERT_NE(first, std::string::npos) << command;
    EXPECT_NE(help.find(call, first + 1), std::string::npos) << command;
  }
}

TEST_F(ProcessTest, CtrlCSavesAndSaysHowToContinue) {
  pid_t child = start(train("run", 1'000'000'000), "long.out", "long.err");
  for (int i = 0; i < 1000 && !fs::exists(path("run/metrics.jsonl")); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  // Meanwhile nobody else may write there.
  EXPECT_EQ(run(train("run", 5, {"--resume"})), 1);
  EXPECT_NE(errors().find("in use"), std::string::npos) << errors();
  kill(child, SIGINT);
  EXPECT_EQ(wait(child), 128 + SIGINT);
  EXPECT_NE(readText(path("long.out")).find("--resume"), std::string::npos);
  size_t steps = readLines(path("run/metrics.jsonl")).size();
  ASSERT_GT(steps, 0u);
  EXPECT_TRUE(fs::exists(
      path("run/checkpoint-" + std::to_string(steps) + "/state.json")));
  EXPECT_EQ(run(train("run", steps + 2, {"--resume"})), 0);
  EXPECT_EQ(readLines(path("run/metrics.jsonl")).size(), steps + 2);
}

TEST_F(ProcessTest, KilledAnywhereItEndsWithTheSameBits) {
  constexpr uint64_t kSteps = 60;
  ASSERT_EQ(run(train("whole", kSteps, {"--checkpoint-every", "3"})), 0);
  std::mt19937 random(std::random_device{}());
  int kills = 0;
  for (int attempt = 0; attempt < 40; ++attempt) {
    pid_t child =
        start(train("cut", kSteps, {"--checkpoint-every", "3", "--resume"}));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
    kill(child, SIGKILL);
    if (wait(child) == 0)
      break;
    ++kills;
  }
  ASSERT_EQ(run(train("cut", kSteps, {"--resume"})), 0) << errors();
  RecordProperty("kills", kills);
  for (const char *file : {"model.safetensors", "optimizer.safetensors"}) {
    std::string name = std::string("/checkpoint-60/") + file;
    EXPECT_EQ(readText(path("whole") + name), readText(path("cut") + name));
  }
  auto lines = readLines(path("cut/metrics.jsonl"));
  ASSERT_EQ(lines.size(), kSteps);
  for (uint64_t i = 0; i < kSteps; ++i)
    EXPECT_EQ(lines[i].value("step", 0u), i + 1);
}

} // namespace
} // namespace trainc::test
