//===- PrefetchedDataTest.cpp - announced micro-batches -------------------===//

#include "runtime/data/PrefetchedData.h"

#include <array>
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace trainc {
namespace {

/// Values that tell step and micro-batch; remembers who asked.
class Numbers final : public DataSource {
public:
  Status fill(uint64_t step, uint32_t micro_batch,
              std::span<const InputSlot> slots) override {
    caller = std::this_thread::get_id();
    ++fills;
    if (step == bad_step)
      return Status::user("expected another step");
    for (const InputSlot &slot : slots)
      for (size_t i = 0; i < slot.bytes.size(); ++i)
        slot.bytes[i] =
            static_cast<std::byte>(step * 16 + micro_batch + slot.name.size());
    return {};
  }
  std::thread::id caller;
  std::atomic<int> fills = 0;
  uint64_t bad_step = 0;
};

class PrefetchedDataTest : public testing::Test {
protected:
  /// Fills and checks; whether another thread had read it.
  bool fill(uint64_t step, uint32_t micro_batch) {
    a_.fill({}), b_.fill({});
    Status status = data_->fill(step, micro_batch, slots_);
    EXPECT_TRUE(status.ok());
    for (std::byte value : a_)
      EXPECT_EQ(value, static_cast<std::byte>(step * 16 + micro_batch + 1));
    for (std::byte value : b_)
      EXPECT_EQ(value, static_cast<std::byte>(step * 16 + micro_batch + 2));
    return numbers_.caller != std::this_thread::get_id();
  }

  Numbers numbers_;
  std::unique_ptr<PrefetchedData> data_ = PrefetchedData::create(numbers_);
  std::array<std::byte, 8> a_ = {};
  std::array<std::byte, 16> b_ = {};
  std::array<uint64_t, 2> shape_ = {1, 2};
  std::vector<InputSlot> slots_ = {{"a", abi::ElementType::I32, shape_, a_},
                                   {"bb", abi::ElementType::I64, shape_, b_}};
};

TEST_F(PrefetchedDataTest, AnnouncedIsReadByAnotherThread) {
  EXPECT_FALSE(fill(1, 0)) << "nothing was announced";
  for (uint64_t step = 1; step < 200; ++step)
    for (uint32_t j = 0; j < 2; ++j) {
      data_->announce(step, j);
      EXPECT_TRUE(fill(step, j));
    }
  EXPECT_EQ(numbers_.fills, 1 + 2 * 199);
}

TEST_F(PrefetchedDataTest, OthersAreReadAtOnce) {
  fill(1, 0);
  data_->announce(2, 0);
  EXPECT_FALSE(fill(5, 1));
  EXPECT_FALSE(fill(2, 0)) << "what was announced before is gone";
  // Slots of another program.
  data_->announce(3, 0);
  slots_.pop_back();
  b_.fill(static_cast<std::byte>(3 * 16 + 2));
  ASSERT_TRUE(data_->fill(3, 0, slots_).ok());
  EXPECT_EQ(numbers_.caller, std::this_thread::get_id());
}

TEST_F(PrefetchedDataTest, ErrorsComeWhenTheBatchIsAskedFor) {
  fill(1, 0);
  numbers_.bad_step = 2;
  data_->announce(2, 0);
  Status status = data_->fill(2, 0, slots_);
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_EQ(status.message(), "expected another step");
  data_->announce(3, 0);
  EXPECT_TRUE(fill(3, 0));
}

TEST_F(PrefetchedDataTest, EndsWhileABatchIsAnnounced) {
  for (int i = 0; i < 100; ++i) {
    data_ = PrefetchedData::create(numbers_);
    data_->announce(1, 0); // slots are not known yet
    EXPECT_FALSE(fill(1, 0));
    data_->announce(2, 0);
  }
}

} // namespace
} // namespace trainc
