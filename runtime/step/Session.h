//===- Session.h - a plan ready to run ----------------------------*- C++
//-*-===//
//
// Bundles what outlives single programs: the plan, the thread pool and the
// device with its memory. Callers read and write variables by index or name and
// run programs by name; StepLoop adds what a training step is.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_STEP_SESSION_H
#define TRAINC_RUNTIME_STEP_SESSION_H

#include "runtime/core/ThreadPool.h"
#include "runtime/device/Device.h"
#include "runtime/plan/Plan.h"
#include <memory>
#include <string>
#include <string_view>

namespace trainc {

struct SessionOptions {
  unsigned threads = 0;    ///< 0: one per allowed CPU
  std::string target = {}; ///< a variant's target by name; empty: best fit
};

class Session {
public:
  /// Loads, verifies and prepares a plan; all variables are zero. Errors as
  /// Plan::load and CpuDevice::create.
  static Result<std::unique_ptr<Session>> open(const std::string &path,
                                               const SessionOptions &options);
  /// The same for a plan already loaded.
  static Result<std::unique_ptr<Session>> create(std::unique_ptr<Plan> plan,
                                                 const SessionOptions &options);

  const Plan &plan() const { return *plan_; }
  ThreadPool &pool() { return *pool_; }
  Device &device() { return *device_; }

  bool has(std::string_view program) const {
    return plan_->findProgram(program).has_value();
  }
  /// Runs a program by name, after refreshCopies(). Errors: User when the plan
  /// has no such program.
  Status run(std::string_view program);

  /// Say so when parameters were written from outside: what is derived from
  /// them (copies in 16 bits) is made again before it is used.
  void parametersChanged() { copies_stale_ = true; }
  /// Makes copies of parameters again where parameters were written from
  /// outside.
  Status refreshCopies();

  /// Bytes of a variable by index into Plan.variables.
  std::span<std::byte> data(size_t variable) { return device_->data(variable); }
  /// Bytes of a variable by name; empty when there is none.
  std::span<std::byte> data(std::string_view variable);
  /// Value of an F64 scalar variable.
  double scalar(size_t variable) const;

  /// Arenas plus scratch of all threads, in bytes: what the plan predicts,
  /// apart from the overhead of the process itself.
  uint64_t predictedBytes() const;

private:
  Session() = default;

  std::unique_ptr<Plan> plan_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Device> device_;
  bool copies_stale_ = true;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_STEP_SESSION_H
