#include "runtime/core/ThreadPool.h"

#include <algorithm>
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

using namespace trainc;

/// Iterations of polling before a thread sleeps: about 20 microseconds, longer
/// than the gap between two launches, shorter than a scheduler slice.
static constexpr unsigned spinIterations = 4000;

static std::vector<int> allowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int cpu = 0; cpu != CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set))
        cpus.push_back(cpu);
  return cpus;
}

static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

unsigned trainc::allowedCpuCount() {
  return std::max<unsigned>(1, static_cast<unsigned>(allowedCpus().size()));
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(unsigned threads) {
  if (threads > maximumThreads)
    return Status::user(fmt::format("expected at most {} threads, but got {}",
                                    maximumThreads, threads));
  const std::vector<int> cpus = allowedCpus();
  if (threads == 0)
    threads = std::max<unsigned>(1, static_cast<unsigned>(cpus.size()));

  std::unique_ptr<ThreadPool> pool(new ThreadPool(threads));
  pool->helpers_.reserve(threads - 1); // helpers keep their addresses
  // Polling helps only while every thread has a CPU of its own.
  pool->spins_ = threads <= cpus.size() ? spinIterations : 0;
  for (unsigned worker = 1; worker != threads; ++worker) {
    Helper &helper =
        pool->helpers_.emplace_back(Helper{pool.get(), worker, {}});
    if (pthread_create(&helper.thread, nullptr, &ThreadPool::helperMain,
                       &helper) != 0) {
      pool->helpers_.pop_back();
      return Status::system(fmt::format(
          "expected to start {} threads, but the system refused number {}; ask "
          "for fewer threads",
          threads, worker + 1));
    }
    if (threads == cpus.size()) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(cpus[worker], &set);
      // Where pinning is forbidden the pool still works, only less steadily.
      (void)pthread_setaffinity_np(helper.thread, sizeof set, &set);
    }
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  state_.fetch_add(2 * epochUnit, std::memory_order_release);
  state_.notify_all();
  for (const Helper &helper : helpers_)
    pthread_join(helper.thread, nullptr);
}

/// Polls, then sleeps, until the state differs from `seen`.
uint32_t ThreadPool::waitForChange(uint32_t seen) {
  for (unsigned spin = 0; spin != spins_; ++spin) {
    const uint32_t state = state_.load(std::memory_order_acquire);
    if (state != seen)
      return state;
    relax();
  }
  state_.wait(seen, std::memory_order_acquire);
  return state_.load(std::memory_order_acquire);
}

void ThreadPool::runIndices(unsigned worker) {
  const uint64_t count = count_;
  const LoopBody body = body_;
  void *const context = context_;
  for (uint64_t index = next_.fetch_add(1, std::memory_order_relaxed);
       index < count; index = next_.fetch_add(1, std::memory_order_relaxed))
    body(context, worker, index);
}

void ThreadPool::dispatch(uint64_t count, LoopBody body, void *context) {
  if (threads_ == 1 || count <= 1) {
    for (uint64_t index = 0; index != count; ++index)
      body(context, 0, index);
    return;
  }
  // The loop is closed and empty of helpers: nobody reads these now.
  count_ = count;
  body_ = body;
  context_ = context;
  next_.store(0, std::memory_order_relaxed);
  state_.fetch_add(epochUnit, std::memory_order_release); // open
  state_.notify_all();

  runIndices(0);

  uint32_t state = state_.fetch_add(epochUnit, std::memory_order_acq_rel);
  state += epochUnit; // closed: nobody joins any more
  while ((state & helperMask) != 0)
    state = waitForChange(state);
}

void *ThreadPool::helperMain(void *argument) {
  const Helper &helper = *static_cast<const Helper *>(argument);
  helper.pool->help(helper.worker);
  return nullptr;
}

void ThreadPool::help(unsigned worker) {
  uint32_t state = state_.load(std::memory_order_acquire);
  uint32_t last_epoch = 0; // even, so never the epoch of an open loop
  for (;;) {
    if (stopping_.load(std::memory_order_relaxed))
      return;
    const uint32_t epoch = state / epochUnit;
    const bool open = (epoch & 1) != 0;
    if (!open || epoch == last_epoch) {
      state = waitForChange(state);
      continue;
    }
    // Joining succeeds only while the loop is still open.
    if (!state_.compare_exchange_weak(state, state + 1,
                                      std::memory_order_acq_rel,
                                      std::memory_order_acquire))
      continue;
    last_epoch = epoch;
    runIndices(worker);
    state = state_.fetch_sub(1, std::memory_order_acq_rel) - 1;
    const bool closed = (state / epochUnit & 1) == 0;
    if (closed && (state & helperMask) == 0)
      state_.notify_all(); // the caller may sleep until the last helper leaves
  }
}
