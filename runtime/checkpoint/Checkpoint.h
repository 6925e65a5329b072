//===- Checkpoint.h - folders a run can continue from ------------*- C++
//-*-===//
//
// Decides how a run's state lies on disk:
//
//   RUN/checkpoint-<step>/model.safetensors       parameters (fp32 masters)
//                         optimizer.safetensors   <parameter>.<state>
//                         state.json              TrainingState, and hashes
//                                                 of all three files
//
// Altered bytes are noticed: a checkpoint whose hashes do not agree is damaged.
// Crash-safe: a checkpoint is built as RUN/.tmp-checkpoint-<step>, fsynced and
// renamed; one that is there already is swapped with it in one step; it is
// removed by renaming it away first. A folder named checkpoint-<step> is
// therefore whole at every instant, also after a loss of power.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CHECKPOINT_CHECKPOINT_H
#define TRAINC_RUNTIME_CHECKPOINT_CHECKPOINT_H

#include "runtime/checkpoint/Weights.h"

#include <optional>

namespace trainc {

/// Everything a run needs besides its tensors to continue with equal bits.
struct TrainingState {
  uint64_t step = 0;        ///< steps done
  uint64_t tokens = 0;      ///< tokens consumed, in inputs
  uint64_t examples = 0;    ///< rows of data consumed: the data position
  uint64_t length = 0;      ///< tokens of one row; 0: not known
  uint64_t data_tokens = 0; ///< of all files of data; 0: not known
  uint64_t seed = 0;        ///< of the plan; decides the order of the data
  std::string order;        ///< "shuffled" or "sequential"
  std::string model;        ///< name of the plan's model, for people
  /// Of the last step and of the last evaluation; none where not finite.
  std::optional<double> loss, eval_loss;
  /// Best held-out loss so far, its step, and evaluations since, for early
  /// stopping.
  std::optional<double> best_eval_loss;
  std::optional<uint64_t> best_step;
  uint64_t evaluations_since_best = 0;
};

/// The tensors of a run. The two lists must not share names.
struct TrainingTensors {
  std::vector<NamedTensor> parameters;
  std::vector<NamedTensor> optimizer;
};

/// "RUN/checkpoint-12".
std::string checkpointFolder(const std::string &run, uint64_t step);

/// Writes RUN/checkpoint-<state.step>; an older one of that step is replaced.
Status saveCheckpoint(const std::string &run, const TrainingTensors &tensors,
                      const TrainingState &state);

/// Steps of the checkpoint folders in `run`, ascending. None if there is no
/// such folder.
std::vector<uint64_t> listCheckpoints(const std::string &run);

/// Proves that the model.safetensors in a checkpoint's folder is as it was
/// saved; fine where there is nothing to prove it by.
Status checkSavedModel(const std::string &folder);

/// Step of the newest checkpoint whose three files are whole and as they were
/// saved (all of them are read); damaged ones are passed over and named in
/// `skipped`. None where there are no checkpoints; a file error where all are
/// damaged.
Result<std::optional<uint64_t>>
newestCheckpoint(const std::string &run, std::vector<std::string> &skipped);

/// Reads RUN/checkpoint-<step> into `tensors`.
Result<TrainingState> loadCheckpoint(const std::string &run, uint64_t step,
                                     const TrainingTensors &tensors);

/// Keeps the newest `keep` checkpoints up to step `newest` (0: all), and the
/// one of step `best`. Later ones than `newest` are not this run's: they are
/// damaged ones that were passed over.
Status pruneCheckpoints(const std::string &run, uint64_t newest, uint64_t keep,
                        std::optional<uint64_t> best = {});

/// Removes what an interrupted run left behind.
Status removeLeftovers(const std::string &run);

} // namespace trainc

#endif // TRAINC_RUNTIME_CHECKPOINT_CHECKPOINT_H
