//===- FaultTest.cpp - saving on a failing disk, or killed ----------------===//
//
// Walks through every call that a save makes: each one fails once, is where the
// disk becomes full, or is where the process dies. A whole checkpoint with
// known bits must be there in any case. For a loss of power, the order of
// writing, syncing and renaming is checked.
//
//===----------------------------------------------------------------------===//

#include "runtime/checkpoint/Checkpoint.h"
#include "test/unit/runtime/Faults.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace trainc {
namespace {

namespace fs = std::filesystem;
using file_system::Call;
using test::Faults;
using test::killedAt;
using test::TemporaryFolder;

/// A run of two tensors whose numbers are those of the step; the larger one
/// reaches the disk in several writes.
class FaultTest : public testing::Test {
protected:
  FaultTest() : weights_(200'000), moments_(10) {
    tensors_.parameters = {{"w",
                            TensorType::F32,
                            {weights_.size()},
                            std::as_writable_bytes(std::span(weights_))}};
    tensors_.optimizer = {{"w.m",
                           TensorType::F32,
                           {moments_.size()},
                           std::as_writable_bytes(std::span(moments_))}};
    state_.order = "shuffled";
  }

  /// What a run does after step `step`: saves it and keeps nothing else.
  Status save(uint64_t step) {
    std::fill(weights_.begin(), weights_.end(), static_cast<float>(step));
    std::fill(moments_.begin(), moments_.end(), static_cast<float>(step));
    state_.step = step;
    TRAINC_RETURN_IF_ERROR(saveCheckpoint(folder_.path(), tensors_, state_));
    return pruneCheckpoints(folder_.path(), step, 1);
  }
  /// A run at step 1, as of now.
  void begin(bool replaced = false) {
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(folder_.path()))
      fs::remove_all(entry.path(), error);
    ASSERT_TRUE(save(1).ok());
    if (!replaced)
      return;
    // The next save finds half a checkpoint under its name.
    fs::create_directory(folder_ / "checkpoint-2");
    test::writeText(folder_ / "checkpoint-2/model.safetensors", "half");
  }
  /// Step of the newest checkpoint, whose numbers must be its own.
  uint64_t newest() {
    std::vector<std::string> skipped;
    auto step = newestCheckpoint(folder_.path(), skipped);
    if (!step.ok() || !*step) {
      ADD_FAILURE() << "no whole checkpoint";
      return 0;
    }
    std::fill(weights_.begin(), weights_.end(), -1.0f);
    auto state = loadCheckpoint(folder_.path(), **step, tensors_);
    EXPECT_TRUE(state.ok()) << state.status().message();
    auto is_step = [&](float value) {
      return value == static_cast<float>(**step);
    };
    EXPECT_TRUE(std::all_of(weights_.begin(), weights_.end(), is_step));
    EXPECT_TRUE(std::all_of(moments_.begin(), moments_.end(), is_step));
    return **step;
  }
  std::set<std::string> names() {
    std::set<std::string> names;
    for (const auto &entry : fs::directory_iterator(folder_.path()))
      names.insert(entry.path().filename());
    return names;
  }
  /// Calls that an undisturbed save makes.
  size_t countCalls(bool replaced) {
    begin(replaced);
    Faults faults(Faults::None, 0);
    EXPECT_TRUE(save(2).ok());
    return Faults::calls().size();
  }
  void saveWithFaults(Faults::Kind kind, bool replaced);
  void saveAndDie(bool replaced);

  TemporaryFolder folder_ = TemporaryFolder::inMemory();
  std::vector<float> weights_, moments_;
  TrainingTensors tensors_;
  TrainingState state_;
};

void FaultTest::saveWithFaults(Faults::Kind kind, bool replaced) {
  size_t calls = countCalls(replaced), failed = 0;
  for (size_t n = 0; n < calls; ++n) {
    SCOPED_TRACE(n);
    begin(replaced);
    Status status;
    {
      Faults faults(kind, n);
      status = save(2);
    }
    if (!status.ok()) {
      ++failed;
      EXPECT_EQ(status.code(), StatusCode::System);
      EXPECT_NE(status.message().find(kind == Faults::Full ? "No space left"
                                                           : "Input/output"),
                std::string::npos)
          << status.message();
    }
    uint64_t left = newest();
    EXPECT_TRUE(!status.ok() || left == 2u) << left;
    // The folder is as good as new for the next attempt.
    EXPECT_TRUE(save(2).ok());
    EXPECT_TRUE(removeLeftovers(folder_.path()).ok());
    EXPECT_EQ(newest(), 2u);
    EXPECT_EQ(names(), std::set<std::string>{"checkpoint-2"});
  }
  EXPECT_GT(failed, calls / 2);
}

TEST_F(FaultTest, EachCallFailsOnce) { saveWithFaults(Faults::Once, false); }

TEST_F(FaultTest, EachCallFailsOnceWhileReplacing) {
  saveWithFaults(Faults::Once, true);
}

TEST_F(FaultTest, TheDiskIsFull) {
  saveWithFaults(Faults::Full, false);
  // What did not fit is removed: the space is free for others.
  begin();
  {
    Faults faults(Faults::Full, 5);
    EXPECT_FALSE(save(2).ok());
  }
  EXPECT_EQ(names(), std::set<std::string>{"checkpoint-1"});
}

void FaultTest::saveAndDie(bool replaced) {
  size_t calls = countCalls(replaced);
  std::set<uint64_t> newest_steps;
  for (size_t n = 0; n < calls; ++n) {
    SCOPED_TRACE(n);
    begin(replaced);
    ASSERT_TRUE(killedAt(n, [&] { (void)save(2); }));
    newest_steps.insert(newest());
    EXPECT_TRUE(removeLeftovers(folder_.path()).ok());
    newest();
    EXPECT_TRUE(save(3).ok());
    EXPECT_EQ(newest(), 3u);
    EXPECT_EQ(names(), std::set<std::string>{"checkpoint-3"});
  }
  EXPECT_EQ(newest_steps, (std::set<uint64_t>{1, 2}));
}

TEST_F(FaultTest, KilledAtEachCall) { saveAndDie(false); }

TEST_F(FaultTest, KilledAtEachCallWhileReplacing) { saveAndDie(true); }

TEST_F(FaultTest, ReplacesWhereNamesCannotBeSwapped) {
  begin(true);
  file_system::setFault([](Call call, const std::string &) {
    return call == Call::Exchange ? EINVAL : 0;
  });
  Status status = save(2);
  file_system::setFault(nullptr);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(newest(), 2u);
  EXPECT_EQ(names(), std::set<std::string>{"checkpoint-2"});
}

TEST_F(FaultTest, NothingCountsBeforeItIsOnDisk) {
  begin();
  Faults faults(Faults::None, 0);
  ASSERT_TRUE(save(2).ok());
  // Index of the last call of this kind on this path.
  auto last = [&](Call call, const std::string &path) {
    int found = -1;
    for (size_t i = 0; i < Faults::calls().size(); ++i)
      if (Faults::calls()[i].call == call && Faults::calls()[i].path == path)
        found = static_cast<int>(i);
    EXPECT_GE(found, 0) << path;
    return found;
  };
  std::string half = folder_ / ".tmp-checkpoint-2";
  int placed = last(Call::Rename, folder_ / "checkpoint-2");
  for (const char *name :
       {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    std::string file = half + "/" + name;
    EXPECT_LT(last(Call::Write, file), last(Call::Sync, file));
    EXPECT_LT(last(Call::Sync, file), last(Call::Sync, half));
  }
  EXPECT_LT(last(Call::Sync, half), placed);
  // The new one is durable before the old one goes.
  EXPECT_LT(placed, last(Call::Sync, folder_.path()));
  EXPECT_LT(last(Call::Sync, folder_.path()),
            last(Call::Rename, folder_ / ".tmp-removed-checkpoint-1"));
}

TEST_F(FaultTest, OnlyDamagedCheckpointsAreAnError) {
  begin();
  fs::resize_file(folder_ / "checkpoint-1/optimizer.safetensors", 10);
  std::vector<std::string> skipped;
  auto step = newestCheckpoint(folder_.path(), skipped);
  ASSERT_FALSE(step.ok());
  EXPECT_EQ(step.status().code(), StatusCode::File);
  EXPECT_NE(step.status().message().find("1 damaged"), std::string::npos);
}

TEST_F(FaultTest, PruningSparesTheBestAndWhatIsNotItsOwn) {
  begin();
  for (uint64_t step : {2, 3, 4, 9}) {
    state_.step = step;
    ASSERT_TRUE(saveCheckpoint(folder_.path(), tensors_, state_).ok());
  }
  // 9 was passed over as damaged: the run is at 4 and must not lose it to 9.
  ASSERT_TRUE(pruneCheckpoints(folder_.path(), 4, 1, 2).ok());
  EXPECT_EQ(listCheckpoints(folder_.path()), (std::vector<uint64_t>{2, 4, 9}));
}

TEST_F(FaultTest, MakesFoldersAndSaysWhatToSync) {
  auto changed = makeFolders(folder_ / "a/b/");
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(*changed,
            (std::vector<std::string>{folder_.path(), folder_ / "a"}));
  changed = makeFolders(folder_ / "a/b");
  ASSERT_TRUE(changed.ok());
  EXPECT_TRUE(changed->empty());
  test::writeText(folder_ / "file", "x");
  for (const char *name : {"file", "file/c"})
    EXPECT_EQ(makeFolders(folder_ / name).status().code(), StatusCode::User);
}

TEST_F(FaultTest, LockSeesAnotherFolderOfItsName) {
  std::string run = folder_ / "run";
  fs::create_directory(run);
  auto lock = FolderLock::take(run);
  ASSERT_TRUE(lock.ok());
  EXPECT_TRUE(lock->check().ok());
  fs::rename(run, folder_ / "moved");
  EXPECT_EQ(lock->check().code(), StatusCode::System);
  fs::create_directory(run);
  EXPECT_EQ(lock->check().code(), StatusCode::System);
}

} // namespace
} // namespace trainc
