//===- Run.h - one call of trainrun train ------------------------*- C++
//-*-===//
//
// A run's session, data, state and folder, from the newest checkpoint or the
// start (RunStart.cpp) through steps, checkpoints and the summary (Train.cpp).
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_RUN_H
#define TRAINC_TOOLS_TRAINRUN_RUN_H

#include "runtime/checkpoint/Files.h"
#include "runtime/data/PrefetchedData.h"
#include "runtime/step/StepLoop.h"
#include "tools/trainrun/Commands.h"
#include "tools/trainrun/MetricsFile.h"
#include "tools/trainrun/Progress.h"
#include "tools/trainrun/SkippedSteps.h"
#include "tools/trainrun/Support.h"
#include "tools/trainrun/Validation.h"

#include <cmath>

namespace trainc::trainrun {

class Run {
public:
  Run(const TrainOptions &options) : options_(options) {}

  /// Opens and checks everything, makes the folder and takes its lock.
  Status prepare();
  /// All steps that are left, with evaluations and checkpoints.
  Status train();
  /// The signal that ended train() before its last step, or 0.
  int interrupted() const { return interrupted_; }

private:
  Status checkOptions() const;
  Status restore();
  Status openData();
  Status lockFolder();
  Status createFolder();
  Status trainSteps(Progress &progress);
  Status step(Progress &progress, StepResult &result);
  Status save();
  Status saveNow();
  Status whileTraining(const Status &status) const;
  Status writeSummary();
  bool hasSummary();
  std::string ending() const;
  std::string bestFolder() const;
  bool finished() const {
    return state_.step >= last_step_ || validation_.patienceSpent(state_);
  }

  const TrainOptions &options_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<StepLoop> loop_;
  std::unique_ptr<TrainingData> data_;
  std::unique_ptr<PrefetchedData> prefetched_; ///< data_, read beforehand
  Validation validation_;
  TrainingTensors tensors_;
  SkippedSteps skipped_steps_;
  TrainingState state_;
  FolderLock lock_;
  std::vector<std::string> unsynced_folders_;
  MetricsFile metrics_;
  uint64_t last_step_ = 0;
  uint64_t first_step_ = 0;            ///< steps done before this process
  std::optional<uint64_t> saved_step_; ///< of the newest checkpoint
  bool already_done_ = false;          ///< this process had nothing to do
  double tokens_per_second_ = NAN;     ///< of this process, if it made steps
  uint64_t step_ns_ = 0, data_ns_ = 0; ///< of this process: steps, and in them
                                       ///< waiting for data
  int interrupted_ = 0;
  std::string summary_;
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_RUN_H
