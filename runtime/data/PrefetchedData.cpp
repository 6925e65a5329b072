//===- PrefetchedData.cpp -------------------------------------------------===//

#include "runtime/data/PrefetchedData.h"

#include <algorithm>
#include <cstring>

namespace trainc {

std::unique_ptr<PrefetchedData> PrefetchedData::create(DataSource &source) {
  std::unique_ptr<PrefetchedData> data(new PrefetchedData(source));
  data->running_ =
      pthread_create(&data->thread_, nullptr, threadMain, data.get()) == 0;
  return data;
}

PrefetchedData::~PrefetchedData() {
  if (!running_)
    return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  pthread_join(thread_, nullptr);
}

void *PrefetchedData::threadMain(void *argument) {
  static_cast<PrefetchedData *>(argument)->serve();
  return nullptr;
}

void PrefetchedData::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || state_ == State::Wanted; });
    if (stopping_)
      return;
    // While a batch is wanted, nobody else touches the source or the slots.
    lock.unlock();
    Status status = source_.fill(step_, micro_batch_, slots_);
    lock.lock();
    status_ = std::move(status);
    state_ = State::Ready;
    changed_.notify_all();
  }
}

bool PrefetchedData::isReadyFor(uint64_t step, uint32_t micro_batch,
                                std::span<const InputSlot> slots) const {
  return state_ == State::Ready && step == step_ &&
         micro_batch == micro_batch_ &&
         std::ranges::equal(
             slots, slots_, [](const InputSlot &a, const InputSlot &b) {
               return a.name == b.name && a.element_type == b.element_type &&
                      a.shape.data() == b.shape.data() &&
                      a.bytes.size() == b.bytes.size();
             });
}

void PrefetchedData::learn(std::span<const InputSlot> slots) {
  slots_.assign(slots.begin(), slots.end());
  memory_.resize(slots.size());
  for (size_t i = 0; i < slots.size(); ++i) {
    memory_[i].resize(slots[i].bytes.size());
    slots_[i].bytes = memory_[i];
  }
}

Status PrefetchedData::fill(uint64_t step, uint32_t micro_batch,
                            std::span<const InputSlot> slots) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return state_ != State::Wanted; });
  bool ready = isReadyFor(step, micro_batch, slots);
  state_ = State::Idle;
  if (!ready) {
    learn(slots);
    return source_.fill(step, micro_batch, slots);
  }
  if (status_.ok())
    for (size_t i = 0; i < slots.size(); ++i)
      std::memcpy(slots[i].bytes.data(), memory_[i].data(), memory_[i].size());
  return status_;
}

void PrefetchedData::announce(uint64_t step, uint32_t micro_batch) {
  std::lock_guard lock(mutex_);
  if (!running_ || slots_.empty() || state_ != State::Idle)
    return;
  step_ = step;
  micro_batch_ = micro_batch;
  state_ = State::Wanted;
  changed_.notify_all();
}

} // namespace trainc
