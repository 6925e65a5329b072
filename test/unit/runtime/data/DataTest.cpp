//===- DataTest.cpp - windows, order and token files ----------------------===//
//
// The windows and the order of architecture section 9, checked against loops
// written from its sentences, on sizes that do not divide.
//
//===----------------------------------------------------------------------===//

#include "runtime/data/CausalData.h"
#include "runtime/data/Permutation.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <set>

namespace trainc {
namespace {

using test::TemporaryFolder;

template <typename T>
std::string writeTokens(const std::string &path, TensorType type,
                        const std::vector<T> &tokens) {
  // An odd number of bytes in front: token data need not be aligned.
  std::vector<TensorSpec> specs = {{"a", TensorType::U8, {1}},
                                   {"tokens", type, {tokens.size()}}};
  auto writer = SafetensorsWriter::create(path, specs);
  EXPECT_TRUE(writer.ok());
  std::byte odd[1] = {};
  EXPECT_TRUE(writer->write(odd).ok());
  EXPECT_TRUE(writer->write(std::as_bytes(std::span(tokens))).ok());
  EXPECT_TRUE(writer->finish().ok());
  return path;
}

//===----------------------------------------------------------------------===//
// Permutation
//===----------------------------------------------------------------------===//

TEST(PermutationTest, IsABijectionForEverySize) {
  for (uint64_t size : {1, 2, 3, 4, 5, 15, 16, 17, 100, 1023, 4097}) {
    Permutation order(11, 3, size);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < size; ++i) {
      ASSERT_LT(order(i), size);
      seen.insert(order(i));
    }
    EXPECT_EQ(seen.size(), size);
  }
}

TEST(PermutationTest, DependsOnSeedAndEpoch) {
  auto fixedPoints = [](Permutation a, Permutation b) {
    int equal = 0;
    for (uint64_t i = 0; i < 1000; ++i)
      equal += a(i) == b(i);
    return equal;
  };
  // Independent permutations agree in one place on average.
  Permutation base(1, 0, 1000);
  EXPECT_EQ(fixedPoints(base, Permutation(1, 0, 1000)), 1000);
  EXPECT_LT(fixedPoints(base, Permutation(1, 1, 1000)), 10);
  EXPECT_LT(fixedPoints(base, Permutation(2, 0, 1000)), 10);
  EXPECT_LT(fixedPoints(base, Permutation(1 + (1ull << 32), 0, 1000)), 10);
  EXPECT_LT(fixedPoints(base, Permutation(1, 1ull << 32, 1000)), 10);
}

TEST(PermutationTest, SpreadsEvenly) {
  // First place of 4 elements over many epochs: each of the 4 within 5 sigma.
  int counts[4] = {};
  for (uint64_t epoch = 0; epoch < 4000; ++epoch)
    ++counts[Permutation(5, epoch, 4)(0)];
  for (int count : counts)
    EXPECT_NEAR(count, 1000, 5 * 28);
  EXPECT_LT(Permutation(5, 0, uint64_t(1) << 60)(12345), uint64_t(1) << 60);
}

//===----------------------------------------------------------------------===//
// Token files
//===----------------------------------------------------------------------===//

TEST(TokenFilesTest, SeveralActAsOne) {
  TemporaryFolder folder;
  std::vector<std::string> paths = {
      writeTokens<uint16_t>(folder / "a", TensorType::U16, {1, 2, 65535}),
      writeTokens<uint32_t>(folder / "b", TensorType::U32, {}),
      writeTokens<uint32_t>(folder / "c", TensorType::U32, {70000, 5})};
  auto files = TokenFiles::open(paths);
  ASSERT_TRUE(files.ok()) << files.status().message();
  ASSERT_EQ(files->size(), 5u);
  std::vector<int32_t> out(5);
  ASSERT_TRUE(files->read(0, out).ok());
  EXPECT_EQ(out, (std::vector<int32_t>{1, 2, 65535, 70000, 5}));
  ASSERT_TRUE(files->read(2, std::span(out).first(2)).ok());
  EXPECT_EQ(out[0], 65535);
  EXPECT_EQ(out[1], 70000);
  EXPECT_NE(files->describe(4).find("/c, token 1"), std::string::npos);

  EXPECT_TRUE(files->checkBelow(70001).ok());
  Status status = files->checkBelow(70000);
  ASSERT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("/c: token 0: expected an id below 70000"),
            std::string::npos)
      << status.message();
  EXPECT_NE(files->checkBelow(65535).message().find("/a: token 2"),
            std::string::npos);
}

// What another process does to the file while a run reads it.
TEST(TokenFilesTest, AFileThatBecomesShorterIsAnError) {
  TemporaryFolder folder;
  for (const TensorType type : {TensorType::U16, TensorType::U32}) {
    const bool wide = type == TensorType::U32;
    std::vector<std::string> paths = {
        wide ? writeTokens<uint32_t>(folder / "x", type,
                                     std::vector<uint32_t>(20000, 7))
             : writeTokens<uint16_t>(folder / "x", type,
                                     std::vector<uint16_t>(20000, 7))};
    auto files = TokenFiles::open(paths);
    ASSERT_TRUE(files.ok());
    std::filesystem::resize_file(paths[0], 9000);
    std::vector<int32_t> out(100);
    EXPECT_TRUE(files->read(0, out).ok());
    for (const Status &status :
         {files->read(19000, out), files->checkBelow(10)}) {
      EXPECT_EQ(status.code(), StatusCode::File);
      EXPECT_NE(status.message().find("became shorter while in use"),
                std::string::npos)
          << status.message();
    }
  }
}

TEST(TokenFilesTest, RefusesOtherTensors) {
  TemporaryFolder folder;
  std::vector<std::string> signedIds = {
      writeTokens<int32_t>(folder / "i32", TensorType::I32, {1})};
  EXPECT_EQ(TokenFiles::open(signedIds).status().code(), StatusCode::User);
  std::vector<TensorSpec> specs = {{"tokens", TensorType::U16, {1, 2}}};
  auto writer = SafetensorsWriter::create(folder / "matrix", specs);
  ASSERT_TRUE(writer.ok());
  std::byte data[4] = {};
  ASSERT_TRUE(writer->write(data).ok());
  ASSERT_TRUE(writer->finish().ok());
  std::vector<std::string> matrix = {folder / "matrix"};
  EXPECT_EQ(TokenFiles::open(matrix).status().code(), StatusCode::User);
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

class CausalDataTest : public testing::Test {
protected:
  static constexpr uint32_t kRows = 3, kLength = 4, kMicroBatches = 2;
  static constexpr uint64_t kTokens = 46; // (46 - 1) / 4 = 11 windows

  CausalDataTest() {
    std::mt19937 random(99);
    for (uint64_t i = 0; i < kTokens; ++i)
      tokens_.push_back(static_cast<uint16_t>(random()));
    path_ = {writeTokens(folder_ / "t", TensorType::U16, tokens_)};
    options_.sequences = kRows;
    options_.length = kLength;
    options_.shapes = StepShapes({kRows, kLength, kMicroBatches});
    options_.seed = 17;
    options_.ignore_index = -100;
  }

  std::unique_ptr<CausalData> open() {
    auto files = TokenFiles::open(path_);
    EXPECT_TRUE(files.ok());
    auto data = CausalData::create(std::move(*files), options_);
    EXPECT_TRUE(data.ok()) << data.status().message();
    return std::move(*data);
  }

  /// Asks for one micro-batch into inputs_ and targets_.
  Status fill(CausalData &data, uint64_t step, uint32_t micro_batch) {
    std::vector<InputSlot> slots = {
        {"targets", abi::ElementType::I32, shape_,
         std::as_writable_bytes(std::span(targets_))},
        {"evaluate.inputs", abi::ElementType::I32, shape_,
         std::as_writable_bytes(std::span(inputs_))}};
    return data.fill(step, micro_batch, slots);
  }

  TemporaryFolder folder_;
  std::vector<uint16_t> tokens_;
  std::vector<std::string> path_;
  DataOptions options_;
  std::vector<uint64_t> shape_ = {kRows, kLength};
  std::vector<int32_t> inputs_ = std::vector<int32_t>(kRows * kLength);
  std::vector<int32_t> targets_ = inputs_;
};

TEST_F(CausalDataTest, SequentialIsTheContractsFormula) {
  options_.order = DataOrder::Sequential;
  auto data = open();
  ASSERT_EQ(data->rows(), 11u);
  for (uint64_t s = 0; s < 9; ++s)
    for (uint32_t j = 0; j < kMicroBatches; ++j) {
      ASSERT_TRUE(fill(*data, s + 1, j).ok());
      for (uint32_t r = 0; r < kRows; ++r) {
        uint64_t k = ((s * kMicroBatches + j) * kRows + r) % 11;
        for (uint32_t t = 0; t < kLength; ++t) {
          EXPECT_EQ(inputs_[r * kLength + t], tokens_[k * kLength + t]);
          EXPECT_EQ(targets_[r * kLength + t], tokens_[k * kLength + t + 1]);
        }
      }
    }
}

TEST_F(CausalDataTest, ShuffledVisitsEveryWindowOnceAnEpoch) {
  auto data = open();
  std::vector<std::vector<uint64_t>> epochs;
  for (uint64_t epoch = 0; epoch < 5; ++epoch) {
    std::vector<uint64_t> starts;
    for (uint64_t i = 0; i < 11; ++i)
      starts.push_back(data->windowStart(epoch * 11 + i));
    EXPECT_EQ(std::set<uint64_t>(starts.begin(), starts.end()).size(), 11u);
    for (uint64_t start : starts)
      EXPECT_EQ(start % kLength, 0u);
    epochs.push_back(starts);
  }
  EXPECT_EQ(std::set(epochs.begin(), epochs.end()).size(), 5u);
}

TEST_F(CausalDataTest, ResumesAndRecutsAtTheSameRow) {
  auto whole = open();
  std::vector<uint64_t> starts;
  for (uint64_t i = 0; i < 60; ++i)
    starts.push_back(whole->windowStart(i));
  // After 4 steps of 6 rows, continue with micro-batches cut otherwise.
  options_.first_example = whole->examplesBefore(5);
  EXPECT_EQ(options_.first_example, 24u);
  options_.sequences = 2;
  options_.shapes = StepShapes({2, kLength, 3}, 5, 24 * kLength);
  auto resumed = open();
  EXPECT_EQ(resumed->examplesBefore(6), whole->examplesBefore(6));
  shape_ = {2, kLength};
  ASSERT_TRUE(fill(*resumed, 6, 1).ok());
  for (uint32_t r = 0; r < 2; ++r)
    for (uint32_t t = 0; t < kLength; ++t)
      EXPECT_EQ(inputs_[r * kLength + t], tokens_[starts[30 + 2 + r] + t]);
}

TEST_F(CausalDataTest, StepsThatGrow) {
  // 1, 2, 3, 3, … micro-batches of 12 tokens.
  options_.order = DataOrder::Sequential;
  options_.shapes = StepShapes({kRows, kLength, 3, 1, 48});
  auto data = open();
  const uint64_t rows[] = {0, 3, 9, 18, 27, 36};
  for (uint64_t step = 1; step <= 6; ++step)
    EXPECT_EQ(data->examplesBefore(step), rows[step - 1]) << step;
  ASSERT_TRUE(fill(*data, 3, 1).ok());
  for (uint32_t t = 0; t < kLength; ++t)
    EXPECT_EQ(inputs_[t], tokens_[data->windowStart(12) + t]);
}

TEST_F(CausalDataTest, OncePadsTheLastBatch) {
  options_.order = DataOrder::Once;
  auto data = open();
  ASSERT_EQ(data->batchesOfOneEpoch(), 4u);
  ASSERT_TRUE(fill(*data, 2, 1).ok()); // batch 3: windows 9, 10 and none
  for (uint32_t t = 0; t < kLength; ++t) {
    EXPECT_EQ(inputs_[kLength + t], tokens_[10 * kLength + t]);
    EXPECT_EQ(targets_[2 * kLength + t], -100);
    EXPECT_EQ(inputs_[2 * kLength + t], 0);
  }
}

TEST_F(CausalDataTest, NeedsOneWholeWindow) {
  for (uint64_t count : {0, 1, 4}) {
    path_ = {writeTokens(folder_ / "few", TensorType::U16,
                         std::vector<uint16_t>(count))};
    auto files = TokenFiles::open(path_);
    ASSERT_TRUE(files.ok());
    auto data = CausalData::create(std::move(*files), options_);
    ASSERT_FALSE(data.ok());
    EXPECT_EQ(data.status().code(), StatusCode::User);
  }
}

TEST_F(CausalDataTest, RefusesInputsItDoesNotKnow) {
  auto data = open();
  std::vector<InputSlot> slots = {{"labels", abi::ElementType::I32, shape_,
                                   std::as_writable_bytes(std::span(inputs_))}};
  EXPECT_EQ(data->fill(1, 0, slots).code(), StatusCode::User);
  slots[0].name = "inputs";
  slots[0].element_type = abi::ElementType::I64;
  EXPECT_EQ(data->fill(1, 0, slots).code(), StatusCode::File);
}

} // namespace
} // namespace trainc
