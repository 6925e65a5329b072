//===- PrefetchedData.h - the next micro-batch beforehand --------*- C++
//-*-===//
//
// Decides that a step does not wait for the disk: while the device works, a
// thread of its own reads the micro-batch that the step loop has announced.
// Values are those of the source, which is asked by one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_PREFETCHEDDATA_H
#define TRAINC_RUNTIME_DATA_PREFETCHEDDATA_H

#include "runtime/step/Inputs.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <vector>

namespace trainc {

class PrefetchedData final : public DataSource {
public:
  /// `source` must outlive the object, and so must the plan whose slots are
  /// filled. Where the system refuses a thread, nothing is read beforehand.
  static std::unique_ptr<PrefetchedData> create(DataSource &source);
  ~PrefetchedData() override;
  PrefetchedData(const PrefetchedData &) = delete;

  Status fill(uint64_t step, uint32_t micro_batch,
              std::span<const InputSlot> slots) override;
  void announce(uint64_t step, uint32_t micro_batch) override;

private:
  enum class State { Idle, Wanted, Ready };

  explicit PrefetchedData(DataSource &source) : source_(source) {}
  static void *threadMain(void *argument);
  void serve();
  bool isReadyFor(uint64_t step, uint32_t micro_batch,
                  std::span<const InputSlot> slots) const;
  void learn(std::span<const InputSlot> slots);

  DataSource &source_;
  pthread_t thread_ = {};
  bool running_ = false;
  std::mutex mutex_; ///< guards all that follows
  std::condition_variable changed_;
  bool stopping_ = false;
  State state_ = State::Idle;
  uint64_t step_ = 0;
  uint32_t micro_batch_ = 0;
  Status status_;
  std::vector<InputSlot> slots_; ///< as last filled, but in memory_
  std::vector<std::vector<std::byte>> memory_;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_PREFETCHEDDATA_H
