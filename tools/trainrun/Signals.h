//===- Signals.h - Ctrl-C while training -------------------------*- C++
//-*-===//
//
// Decides what signals do to a run: the first SIGINT, SIGTERM or SIGHUP asks it
// to finish its step and to save a checkpoint, the second one ends it at once.
// The same signal within half a second is not a second one: timeout(1) and
// shells send one to the process and to its group.
// A closed pipe or a file too large is an error of the write, no signal.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_SIGNALS_H
#define TRAINC_TOOLS_TRAINRUN_SIGNALS_H

#include <csignal>
#include <vector>

namespace trainc::trainrun {

/// Signals mean the above as long as the object lives; one at a time.
class StopSignals {
public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals &) = delete;

  /// Number of the signal that asked for the end, or 0.
  static int received();

private:
  struct Saved {
    int signal;
    struct sigaction action;
  };
  std::vector<Saved> saved_;
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_SIGNALS_H
