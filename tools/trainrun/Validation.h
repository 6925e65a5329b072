//===- Validation.h - held-out loss while training ---------------*- C++
//-*-===//
//
// Decides when a run is measured on held-out data, which of its steps is the
// best, and when its patience is spent. The loss is exact: every window of the
// files once, whatever the size of a batch. What it remembers lies in the
// TrainingState, so a resumed run decides the same.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_VALIDATION_H
#define TRAINC_TOOLS_TRAINRUN_VALIDATION_H

#include "runtime/checkpoint/Checkpoint.h"
#include "runtime/data/TrainingData.h"
#include "runtime/step/StepLoop.h"

#include <memory>
#include <span>
#include <string>

namespace trainc::trainrun {

struct ValidationOptions {
  std::span<const std::string> data; ///< held-out files; empty: never
  uint64_t every = 0;                ///< steps; 0: only after the last one
  uint64_t patience = 0;             ///< evaluations; 0: without end
};

class Validation {
public:
  Validation() = default;
  /// User error when the plan cannot evaluate, or the files are unfit for it.
  static Result<Validation> open(const Plan &plan,
                                 const ValidationOptions &options);

  bool due(uint64_t step, uint64_t last_step) const {
    return data_ && (step == last_step || (every_ && step % every_ == 0));
  }
  /// The held-out loss after step `state.step`; true in `best` when it is lower
  /// than all before. A loss that is no finite number is never the best.
  Status run(StepLoop &loop, TrainingState &state, double &loss, bool &best);

  bool patienceSpent(const TrainingState &state) const {
    return patience_ && state.evaluations_since_best >= patience_;
  }

private:
  std::unique_ptr<TrainingData> data_;
  uint64_t every_ = 0, patience_ = 0;
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_VALIDATION_H
