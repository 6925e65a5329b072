//===- Signals.cpp --------------------------------------------------------===//

#include "tools/trainrun/Signals.h"

#include <atomic>
#include <cerrno>
#include <ctime>
#include <string_view>
#include <unistd.h>

namespace trainc::trainrun {

static constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP};
static constexpr int64_t kOnePressNs = 500'000'000;
static std::atomic<int> received_signal = 0;
static std::atomic<int64_t> received_ns = 0;
static_assert(std::atomic<int>::is_always_lock_free &&
                  std::atomic<int64_t>::is_always_lock_free,
              "a signal's handler must not wait");

static int64_t nowNs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

static void setHandler(int signal, void (*handler)(int),
                       struct sigaction *old = nullptr) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (int other : kStopSignals)
    sigaddset(&action.sa_mask, other);
  sigaction(signal, &action, old);
}

/// Only calls that are allowed in a handler. All stop signals wait until it is
/// done.
static void onStop(int signal) {
  int saved_errno = errno;
  if (int before = received_signal) {
    if (signal != before || nowNs() - received_ns > kOnePressNs) {
      setHandler(signal, SIG_DFL);
      raise(signal);
    }
    errno = saved_errno;
    return;
  }
  received_ns = nowNs();
  received_signal = signal;
  static constexpr std::string_view kNote =
      "\nfinishing the step and saving a checkpoint; once more to stop at "
      "once\n";
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, kNote.data(), kNote.size());
  errno = saved_errno;
}

StopSignals::StopSignals() {
  received_signal = 0;
  auto handle = [&](int signal, void (*handler)(int)) {
    Saved saved = {signal, {}};
    setHandler(signal, handler, &saved.action);
    // As under nohup.
    if (signal == SIGHUP && saved.action.sa_handler == SIG_IGN)
      sigaction(signal, &saved.action, nullptr);
    else
      saved_.push_back(saved);
  };
  for (int signal : kStopSignals)
    handle(signal, onStop);
  // A log that nobody reads any more must not end the run.
  handle(SIGPIPE, SIG_IGN);
}

StopSignals::~StopSignals() {
  for (const Saved &saved : saved_)
    sigaction(saved.signal, &saved.action, nullptr);
}

int StopSignals::received() { return received_signal; }

} // namespace trainc::trainrun
