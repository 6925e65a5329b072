//===- ExampleDataTest.cpp - examples of one's own ------------------------===//

#include "runtime/data/ExampleData.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace trainc {
namespace {

using test::TemporaryFolder;

struct Tensor {
  TensorSpec spec;
  std::vector<std::byte> bytes;
};

template <typename T>
Tensor tensor(const std::string &name, TensorType type,
              std::vector<uint64_t> shape, const std::vector<T> &values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {{name, type, std::move(shape)}, {bytes.begin(), bytes.end()}};
}

std::string write(const std::string &path, const std::vector<Tensor> &tensors) {
  std::vector<TensorSpec> specs;
  for (const Tensor &t : tensors)
    specs.push_back(t.spec);
  auto writer = SafetensorsWriter::create(path, specs);
  EXPECT_TRUE(writer.ok());
  for (const Tensor &t : tensors)
    EXPECT_TRUE(writer->write(t.bytes).ok());
  EXPECT_TRUE(writer->finish().ok());
  return path;
}

class ExampleDataTest : public testing::Test {
protected:
  static constexpr uint32_t kRows = 3;

  ExampleDataTest() {
    options_.sequences = kRows;
    options_.shapes = StepShapes({kRows, 1, 2});
    options_.order = DataOrder::Sequential;
    // Another type than the input's in the second file.
    paths_ = {
        write(folder_ / "a",
              {tensor<float>("x", TensorType::F32, {2, 2}, {0, 1, 2, 3}),
               tensor<int64_t>("label", TensorType::I64, {2}, {0, 1})}),
        write(folder_ / "b",
              {tensor<double>("x", TensorType::F64, {3, 2}, {4, 5, 6, 7, 8, 9}),
               tensor<uint8_t>("label", TensorType::U8, {3}, {2, 3, 4}),
               tensor<uint8_t>("more", TensorType::U8, {1}, {7})})};
  }

  static std::vector<ExampleInput> inputs(bool ignored = true) {
    std::vector<ExampleInput> all = {
        {"x", abi::ElementType::F32, {kRows, 2}, 0, {}},
        {"label", abi::ElementType::I32, {kRows}, 5, {}}};
    if (ignored) {
      all[1].ignored = -1;
      all[1].counted = true;
    }
    return all;
  }

  std::unique_ptr<ExampleData> open() {
    auto data = ExampleData::open(paths_, inputs(), options_);
    EXPECT_TRUE(data.ok()) << data.status().message();
    return data.ok() ? std::move(*data) : nullptr;
  }

  Status fill(ExampleData &data, uint64_t step, uint32_t micro_batch) {
    const std::vector<InputSlot> slots = {
        {"label", abi::ElementType::I32, label_shape_,
         std::as_writable_bytes(std::span(label_))},
        {"x", abi::ElementType::F32, x_shape_,
         std::as_writable_bytes(std::span(x_))}};
    return data.fill(step, micro_batch, slots);
  }

  /// The user error of opening `tensors`.
  std::string refusal(const std::vector<Tensor> &tensors) {
    const std::vector<std::string> path = {write(folder_ / "bad", tensors)};
    auto data = ExampleData::open(path, inputs(), options_);
    EXPECT_FALSE(data.ok());
    EXPECT_EQ(data.status().code(), StatusCode::User);
    return data.status().message();
  }

  TemporaryFolder folder_;
  std::vector<std::string> paths_;
  DataOptions options_;
  std::vector<uint64_t> x_shape_ = {kRows, 2}, label_shape_ = {kRows};
  std::vector<float> x_ = std::vector<float>(kRows * 2);
  std::vector<int32_t> label_ = std::vector<int32_t>(kRows);
};

TEST_F(ExampleDataTest, FilesFollowEachOtherAndWrap) {
  auto data = open();
  ASSERT_TRUE(data);
  EXPECT_EQ(data->rows(), 5u);
  EXPECT_EQ(data->size(), 5u);
  for (uint64_t step = 1; step < 5; ++step)
    for (uint32_t j = 0; j < 2; ++j) {
      ASSERT_TRUE(fill(*data, step, j).ok());
      for (uint64_t r = 0; r < kRows; ++r) {
        const uint64_t k = (((step - 1) * 2 + j) * kRows + r) % 5;
        EXPECT_EQ(label_[r], int32_t(k));
        EXPECT_EQ(x_[2 * r], float(2 * k));
        EXPECT_EQ(x_[2 * r + 1], float(2 * k + 1));
      }
    }
}

TEST_F(ExampleDataTest, ShuffledVisitsEveryExampleOnceAnEpoch) {
  options_.order = DataOrder::Shuffled;
  auto data = open();
  ASSERT_TRUE(data);
  std::vector<int> seen(5);
  for (uint64_t k = 0; k < 5; ++k) { // five batches of three: three epochs
    ASSERT_TRUE(fill(*data, 1 + k / 2, k % 2).ok());
    for (uint32_t r = 0; r < kRows; ++r) {
      ++seen[label_[r]];
      EXPECT_EQ(x_[2 * r], float(2 * label_[r])); // rows stay together
    }
  }
  EXPECT_EQ(seen, std::vector<int>(5, 3));
}

TEST_F(ExampleDataTest, OnceFillsTheLastBatchWithWhatIsIgnored) {
  options_.order = DataOrder::Once;
  auto data = open();
  ASSERT_TRUE(data);
  ASSERT_EQ(data->batchesOfOneEpoch(), 2u);
  ASSERT_TRUE(fill(*data, 1, 1).ok());
  EXPECT_EQ(label_, (std::vector<int32_t>{3, 4, -1}));
  EXPECT_EQ(x_[4], 0);
  // A loss without an ignored value would count the filling.
  auto uncounted = ExampleData::open(paths_, inputs(false), options_);
  ASSERT_FALSE(uncounted.ok());
  EXPECT_NE(uncounted.status().message().find("expected a multiple of 3"),
            std::string::npos);
}

TEST_F(ExampleDataTest, RefusesWhatDoesNotFit) {
  const auto x = tensor<float>("x", TensorType::F32, {2, 2}, {0, 1, 2, 3});
  const auto label = tensor<int32_t>("label", TensorType::I32, {2}, {0, -1});
  EXPECT_NE(refusal({x}).find("expected a tensor 'label'"), std::string::npos);
  EXPECT_NE(
      refusal({tensor<float>("x", TensorType::F32, {2, 3}, {0, 1, 2, 3, 4, 5}),
               label})
          .find("expected 'x' of shape [examples, 2], but got [2, 3]"),
      std::string::npos);
  EXPECT_NE(refusal({x, tensor<float>("label", TensorType::F32, {2}, {0, 1})})
                .find("expected 'label' of a type that I32 holds, but got F32"),
            std::string::npos);
  EXPECT_NE(refusal({x, tensor<int32_t>("label", TensorType::I32, {1}, {0})})
                .find("expected 2 examples in 'label' as in 'x', but got 1"),
            std::string::npos);
  EXPECT_NE(refusal({tensor<float>("x", TensorType::F32, {0, 2}, {}),
                     tensor<int32_t>("label", TensorType::I32, {0}, {})})
                .find("expected at least one example"),
            std::string::npos);
}

TEST_F(ExampleDataTest, RefusesValuesWithTheirPlace) {
  const auto x = tensor<float>("x", TensorType::F32, {2, 2}, {0, 1, 2, 3});
  for (int64_t bad : {int64_t(5), int64_t(-2), int64_t(1) << 40})
    EXPECT_NE(
        refusal({x, tensor<int64_t>("label", TensorType::I64, {2}, {0, bad})})
            .find("'label' of example 1: expected values from 0 to 4, or -1 "
                  "for none, but got " +
                  std::to_string(bad)),
        std::string::npos);
  for (double bad : {double(NAN), double(INFINITY), 1e300})
    EXPECT_NE(
        refusal({tensor<double>("x", TensorType::F64, {2, 2}, {0, 1, 2, bad}),
                 tensor<int32_t>("label", TensorType::I32, {2}, {0, -1})})
            .find("'x' of example 1: expected finite numbers"),
        std::string::npos);
}

} // namespace
} // namespace trainc
