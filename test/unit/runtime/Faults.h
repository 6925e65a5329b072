//===- Faults.h - calls of the file layer that fail or kill -------*- C++
//-*-===//
//
// Counts the calls that change the disk, and at the n-th one lets it fail, or
// kills the process. So a test can walk through every instant of a save.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_RUNTIME_FAULTS_H
#define TRAINC_TEST_UNIT_RUNTIME_FAULTS_H

#include "runtime/checkpoint/FileSystem.h"

#include <cerrno>
#include <csignal>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace trainc::test {

/// Faults in force as long as the object lives; one object at a time.
class Faults {
public:
  enum Kind {
    None, ///< only counts and records
    Once, ///< the n-th call fails with EIO
    Full, ///< from the n-th call on, what needs space fails with ENOSPC
    Kill  ///< SIGKILL at the n-th call
  };
  struct Recorded {
    file_system::Call call;
    std::string path;
  };

  /// Faults at call `n`, from 0.
  Faults(Kind kind, size_t n) {
    kind_ = kind;
    n_ = n;
    calls_.clear();
    file_system::setFault(onCall);
  }
  ~Faults() { file_system::setFault(nullptr); }
  Faults(const Faults &) = delete;

  static const std::vector<Recorded> &calls() { return calls_; }
  /// Whether the n-th call came.
  static bool reached() { return calls_.size() > n_; }

private:
  static int onCall(file_system::Call call, const std::string &path) {
    using file_system::Call;
    size_t index = calls_.size();
    calls_.push_back({call, path});
    switch (kind_) {
    case None:
      return 0;
    case Once:
      return index == n_ ? EIO : 0;
    case Full:
      return index >= n_ && (call == Call::Create || call == Call::Write ||
                             call == Call::MakeFolder)
                 ? ENOSPC
                 : 0;
    case Kill:
      if (index == n_)
        kill(getpid(), SIGKILL);
      return 0;
    }
    return 0;
  }

  inline static Kind kind_ = None;
  inline static size_t n_ = 0;
  inline static std::vector<Recorded> calls_;
};

/// Runs `body` in a child that is killed at call `n`; whether it was.
template <typename Body> bool killedAt(size_t n, Body body) {
  pid_t child = fork();
  if (child == 0) {
    Faults faults(Faults::Kill, n);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_RUNTIME_FAULTS_H
