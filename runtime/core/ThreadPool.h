//===- ThreadPool.h - the one pool that runs workgroups -----------*- C++
//-*-===//
//
// A fixed set of threads that share out the indices of one loop at a time. The
// caller is worker 0, so a pool of one thread adds none. Indices are handed out
// by an atomic counter; who runs an index never matters to results, because
// workgroups are independent. A dispatch allocates nothing.
//
// Helpers join a loop while it is open and need not: a helper that wakes up
// late finds the loop closed and sleeps on, so oversubscription costs little.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_THREADPOOL_H
#define TRAINC_RUNTIME_CORE_THREADPOOL_H

#include "runtime/core/Status.h"
#include <atomic>
#include <cstdint>
#include <memory>
#include <pthread.h>
#include <type_traits>
#include <vector>

namespace trainc {

/// CPUs this process may run on (sched_getaffinity), at least 1.
unsigned allowedCpuCount();

class ThreadPool {
public:
  static constexpr unsigned maximumThreads = 1024;

  /// Starts `threads` - 1 helpers; 0 means one thread per allowed CPU.
  /// `threads` may exceed the CPUs. Helpers are pinned, one per allowed CPU,
  /// exactly when the pool has as many threads as there are CPUs; the caller
  /// never is, as it is not the pool's. Errors: User above maximumThreads,
  /// System when the system refuses a thread.
  static Result<std::unique_ptr<ThreadPool>> create(unsigned threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  unsigned threads() const { return threads_; }

  /// Calls function(workerIndex, index) for every index in [0, count) once,
  /// workerIndex < threads(), never two calls at a time with the same
  /// workerIndex; returns when all have finished. One loop at a time: not to be
  /// called from two threads at once, nor from inside `function`.
  template <typename Function>
  void parallelFor(uint64_t count, Function &&function) {
    using Body = std::remove_reference_t<Function>;
    dispatch(
        count,
        [](void *context, unsigned worker, uint64_t index) {
          (*static_cast<Body *>(context))(worker, index);
        },
        const_cast<void *>(static_cast<const void *>(&function)));
  }

private:
  struct Helper {
    ThreadPool *pool;
    unsigned worker;
    pthread_t thread;
  };
  using LoopBody = void (*)(void *context, unsigned worker, uint64_t index);

  explicit ThreadPool(unsigned threads) : threads_(threads) {}
  void dispatch(uint64_t count, LoopBody body, void *context);
  static void *helperMain(void *argument);
  void help(unsigned worker);
  void runIndices(unsigned worker);
  uint32_t waitForChange(uint32_t seen);

  // The state packs an epoch, odd while a loop is open, above the number of
  // helpers inside the loop.
  static constexpr uint32_t epochUnit = 1u << 12;
  static constexpr uint32_t helperMask = epochUnit - 1;

  unsigned threads_;
  unsigned spins_ = 0;
  alignas(64) std::atomic<uint32_t> state_{0};
  alignas(64) std::atomic<uint64_t> next_{0};
  alignas(64) uint64_t count_ = 0;
  LoopBody body_ = nullptr;
  void *context_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::vector<Helper> helpers_;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_THREADPOOL_H
