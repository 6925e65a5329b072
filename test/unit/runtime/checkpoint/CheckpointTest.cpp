//===- CheckpointTest.cpp - weights and checkpoints -----------------------===//
//
// Round trips with equal bits, the rules of weight files (names, prefixes,
// ignored buffers, shapes, types), and what an interrupted write leaves.
//
//===----------------------------------------------------------------------===//

#include "runtime/checkpoint/Checkpoint.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace trainc {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;
using test::writeText;

/// Owns memory that a NamedTensor points into.
template <typename T> struct Owned {
  std::vector<T> values;
  NamedTensor tensor(std::string name, TensorType type,
                     std::vector<uint64_t> shape) {
    return {std::move(name), type, std::move(shape),
            std::as_writable_bytes(std::span(values))};
  }
};

Owned<float> randomFloats(size_t count, uint32_t seed) {
  Owned<float> owned;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < count; ++i)
    owned.values.push_back(normal(random));
  return owned;
}

bool sameBits(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

class WeightsTest : public testing::Test {
protected:
  /// Writes `tensors`, reads into weight "transformer.w" [2, 3].
  Status readBack(std::vector<NamedTensor> tensors, WeightRules rules = {}) {
    Status written = writeTensors(folder_ / "w", tensors);
    EXPECT_TRUE(written.ok()) << written.message();
    into_.values.assign(6, -1.0f);
    std::vector<NamedTensor> targets = {
        into_.tensor("transformer.w", TensorType::F32, {2, 3})};
    return readTensors(folder_ / "w", targets, rules);
  }
  void expectUserError(const Status &status,
                       std::initializer_list<const char *> words) {
    ASSERT_EQ(status.code(), StatusCode::User);
    for (const char *word : words)
      EXPECT_NE(status.message().find(word), std::string::npos)
          << status.message() << " lacks " << word;
    EXPECT_EQ(into_.values, std::vector<float>(6, -1.0f))
        << "an error must change nothing";
  }

  TemporaryFolder folder_;
  Owned<float> from_ = randomFloats(6, 1), into_;
  WeightRules rules_ = {"transformer.", {".attn.bias", "lm_head.weight"}};
};

TEST_F(WeightsTest, SameNameAndWithoutPrefix) {
  for (const char *name : {"transformer.w", "w"}) {
    Status status =
        readBack({from_.tensor(name, TensorType::F32, {2, 3})}, rules_);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(sameBits(from_.values, into_.values));
  }
}

TEST_F(WeightsTest, PrefixMustBeThePlans) {
  expectUserError(readBack({from_.tensor("w", TensorType::F32, {2, 3})}),
                  {"transformer.w", "[2, 3]", "got none"});
}

TEST_F(WeightsTest, IgnoresKnownBuffersOnly) {
  Owned<float> other = randomFloats(2, 2);
  auto weight = from_.tensor("w", TensorType::F32, {2, 3});
  for (const char *name : {"h.0.attn.bias", "lm_head.weight"}) {
    Status status =
        readBack({weight, other.tensor(name, TensorType::F32, {2})}, rules_);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  // The suffix starts at a dot: c_attn.bias is a parameter of its own.
  expectUserError(
      readBack({weight, other.tensor("h.0.c_attn.bias", TensorType::F32, {2})},
               rules_),
      {"h.0.c_attn.bias", "[2]"});
}

TEST_F(WeightsTest, MisshapenAndMistyped) {
  expectUserError(
      readBack({from_.tensor("w", TensorType::F32, {3, 2})}, rules_),
      {"'w'", "expected shape [2, 3]", "got [3, 2]"});
  expectUserError(
      readBack({from_.tensor("w", TensorType::I32, {2, 3})}, rules_),
      {"'w'", "F32", "I32"});
}

TEST_F(WeightsTest, ConvertsOtherFloats) {
  Owned<uint16_t> half{{0x3c00, 0xc000, 0x0001, 0x7c00, 0x8000, 0x3555}};
  ASSERT_TRUE(
      readBack({half.tensor("w", TensorType::F16, {2, 3})}, rules_).ok());
  std::vector<float> expected = {1.0f,     -2.0f, 0x1p-24f,
                                 INFINITY, -0.0f, 0x1.554p-2f};
  EXPECT_TRUE(sameBits(into_.values, expected));

  Owned<uint16_t> brain{{0x3f80, 0xc000, 0x0001, 0x7f80, 0x8000, 0x3eab}};
  ASSERT_TRUE(
      readBack({brain.tensor("w", TensorType::BF16, {2, 3})}, rules_).ok());
  expected = {1.0f,     -2.0f, std::bit_cast<float>(0x10000u),
              INFINITY, -0.0f, std::bit_cast<float>(0x3eab0000u)};
  EXPECT_TRUE(sameBits(into_.values, expected));

  Owned<double> wide{{1.0, -2.0, 1e-3, INFINITY, -0.0, 1.0 / 3}};
  ASSERT_TRUE(
      readBack({wide.tensor("w", TensorType::F64, {2, 3})}, rules_).ok());
  expected = {1.0f, -2.0f, 1e-3f, INFINITY, -0.0f, 1.0f / 3};
  EXPECT_TRUE(sameBits(into_.values, expected));
}

TEST_F(WeightsTest, NumbersThatAreNoneAreRefusedWhereAsked) {
  rules_.finite = true;
  for (const double bad : {std::nan(""), double(INFINITY), -1e300}) {
    Owned<double> wide{{1, 2, 3, 4, bad, 6}};
    const auto weight = wide.tensor("w", TensorType::F64, {2, 3});
    const Status status = readBack({weight}, rules_);
    EXPECT_EQ(status.code(), StatusCode::User);
    EXPECT_NE(status.message().find("tensor 'w': expected finite numbers"),
              std::string::npos)
        << status.message();
    EXPECT_NE(status.message().find("at element 4"), std::string::npos);
    EXPECT_TRUE(readBack({weight}, {"transformer.", {}}).ok());
  }
}

//===----------------------------------------------------------------------===//
// Checkpoints
//===----------------------------------------------------------------------===//

class CheckpointTest : public testing::Test {
protected:
  CheckpointTest() {
    tensors_.parameters = {weight_.tensor("h.0.w", TensorType::F32, {50, 20})};
    tensors_.optimizer = {
        moment_.tensor("h.0.w.m", TensorType::F32, {50, 20}),
        scalar_.tensor("step.beta1_power", TensorType::F64, {})};
    state_.order = "shuffled";
    state_.model = "gpt2";
    state_.seed = 0xffff'ffff'ffff'fff1;
  }
  void save(uint64_t step) {
    state_.step = step;
    state_.tokens = step * 1000;
    state_.examples = step * 10;
    Status status = saveCheckpoint(folder_.path(), tensors_, state_);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  std::optional<uint64_t> newest() {
    skipped_.clear();
    auto step = newestCheckpoint(folder_.path(), skipped_);
    EXPECT_TRUE(step.ok()) << step.status().message();
    return step.ok() ? *step : std::nullopt;
  }

  TemporaryFolder folder_;
  Owned<float> weight_ = randomFloats(1000, 3), moment_ = randomFloats(1000, 4);
  Owned<double> scalar_{{0.1234567890123456789}};
  TrainingTensors tensors_;
  TrainingState state_;
  std::vector<std::string> skipped_;
};

TEST_F(CheckpointTest, RoundTripKeepsEveryBit) {
  state_.best_eval_loss = 1.0 / 3;
  state_.evaluations_since_best = 2;
  save(12);
  auto weight = weight_.values, moment = moment_.values;
  auto scalar = scalar_.values;
  weight_.values.assign(1000, 0);
  moment_.values.assign(1000, 0);
  scalar_.values.assign(1, 0);

  auto loaded = loadCheckpoint(folder_.path(), 12, tensors_);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_TRUE(sameBits(weight, weight_.values));
  EXPECT_TRUE(sameBits(moment, moment_.values));
  EXPECT_EQ(scalar, scalar_.values);
  EXPECT_EQ(loaded->step, 12u);
  EXPECT_EQ(loaded->tokens, 12000u);
  EXPECT_EQ(loaded->examples, 120u);
  EXPECT_EQ(loaded->seed, state_.seed);
  EXPECT_EQ(loaded->order, "shuffled");
  EXPECT_EQ(loaded->best_eval_loss, 1.0 / 3);
  EXPECT_EQ(loaded->evaluations_since_best, 2u);
}

TEST_F(CheckpointTest, NewestIsByNumberNotByName) {
  EXPECT_EQ(newest(), std::nullopt);
  for (uint64_t step : {9, 10, 2})
    save(step);
  fs::create_directory(folder_ / "checkpoint-99x");
  EXPECT_EQ(newest(), 10u);
  EXPECT_EQ(listCheckpoints(folder_.path()), (std::vector<uint64_t>{2, 9, 10}));
}

TEST_F(CheckpointTest, PassesOverDamagedOnes) {
  for (uint64_t step : {1, 2, 3, 4, 5})
    save(step);
  fs::remove(folder_ / "checkpoint-5/optimizer.safetensors");
  fs::resize_file(folder_ / "checkpoint-4/model.safetensors", 1000);
  writeText(folder_ / "checkpoint-3/state.json", "{\"version\": 1}");
  EXPECT_EQ(newest(), 2u);
  EXPECT_EQ(skipped_.size(), 3u);
}

// One bit of any file, also where its headers stay right.
TEST_F(CheckpointTest, AlteredOnesAreDamaged) {
  save(1);
  for (const char *name :
       {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    save(2);
    ASSERT_EQ(newest(), 2u);
    const std::string path = folder_ / (std::string("checkpoint-2/") + name);
    std::string text = test::readText(path);
    const size_t at = text.find(R"("seed": )");
    text[at == text.npos ? text.size() - 5 : at + 8] ^= 1;
    writeText(path, text);
    skipped_.clear();
    EXPECT_EQ(newest(), 1u) << name;
    ASSERT_EQ(skipped_.size(), 1u);
    EXPECT_NE(skipped_[0].find(name), std::string::npos) << skipped_[0];
    const bool model = name[0] == 'm' || name[0] == 's';
    EXPECT_EQ(checkSavedModel(folder_ / "checkpoint-2").code(),
              model ? StatusCode::File : StatusCode::Ok);
  }
}

TEST_F(CheckpointTest, StatesWithoutHashesStillLoad) {
  save(1);
  const std::string path = folder_ / "checkpoint-1/state.json";
  std::string text = test::readText(path);
  text.resize(text.find(R"(,
  "files")"));
  writeText(path, text + "}");
  EXPECT_EQ(newest(), 1u);
}

TEST_F(CheckpointTest, AnInterruptedWriteLeavesTheOlderOne) {
  save(1);
  // What a crash in the middle of writing checkpoint 2 leaves behind.
  fs::create_directory(folder_ / ".tmp-checkpoint-2");
  writeText(folder_ / ".tmp-checkpoint-2/model.safetensors", "half");
  EXPECT_EQ(newest(), 1u);
  EXPECT_TRUE(skipped_.empty());
  // The next run writes over it, and pruning removes strays.
  save(2);
  EXPECT_EQ(newest(), 2u);
  fs::create_directory(folder_ / ".tmp-removed-checkpoint-7");
  ASSERT_TRUE(removeLeftovers(folder_.path()).ok());
  EXPECT_FALSE(fs::exists(folder_ / ".tmp-removed-checkpoint-7"));
  EXPECT_EQ(listCheckpoints(folder_.path()), (std::vector<uint64_t>{1, 2}));
}

TEST_F(CheckpointTest, ReplacesOneOfTheSameStep) {
  save(3);
  weight_.values[0] = 42;
  save(3);
  weight_.values[0] = 0;
  ASSERT_TRUE(loadCheckpoint(folder_.path(), 3, tensors_).ok());
  EXPECT_EQ(weight_.values[0], 42);
}

TEST_F(CheckpointTest, KeepsTheNewest) {
  for (uint64_t step : {8, 9, 10, 11})
    save(step);
  ASSERT_TRUE(pruneCheckpoints(folder_.path(), 11, 2).ok());
  EXPECT_EQ(listCheckpoints(folder_.path()), (std::vector<uint64_t>{10, 11}));
  for (const auto &entry : fs::directory_iterator(folder_.path()))
    EXPECT_TRUE(entry.path().filename().string().starts_with("checkpoint-"));
}

TEST_F(CheckpointTest, OfAnotherModelIsRefused) {
  save(1);
  Owned<float> other = randomFloats(10, 5);
  TrainingTensors tensors = tensors_;
  tensors.parameters = {other.tensor("h.0.w", TensorType::F32, {10})};
  auto loaded = loadCheckpoint(folder_.path(), 1, tensors);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.status().code(), StatusCode::User);
  EXPECT_NE(loaded.status().message().find("[50, 20]"), std::string::npos);
}

TEST_F(CheckpointTest, WritesFailCleanly) {
  Status status = saveCheckpoint(folder_ / "absent", tensors_, state_);
  EXPECT_EQ(status.code(), StatusCode::System);
  // A folder in the place of a file to be written.
  fs::create_directories(folder_ / "taken");
  EXPECT_FALSE(writeWholeFile(folder_ / "taken", "x").ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()),
                          fs::directory_iterator()),
            1);
}

} // namespace
} // namespace trainc
