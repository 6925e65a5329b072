//===- Checkpoint.h - folders a run can continue from ------------*- C++
//-*-===//
//
// Decides how a run's state lies on disk:
//
//   RUN/checkpoint-<step>/model.safetensors       parameters (fp32 masters)
//                         optimizer.safetensors   <parameter>.<state>
//                         state.json              TrainingState
//
// Crash-safe: a checkpoint is built as RUN/.tmp-checkpoint-<step>, fsynced and
// renamed; it is removed by renaming it away first. A folder named
// checkpoint-<step> is therefore whole at every instant.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CHECKPOINT_CHECKPOINT_H
#define TRAINC_RUNTIME_CHECKPOINT_CHECKPOINT_H

#include "runtime/checkpoint/Weights.h"

#include <optional>

namespace trainc {

/// Everything a run needs besides its tensors to continue with equal bits.
struct TrainingState {
  uint64_t step = 0;     ///< steps done
  uint64_t tokens = 0;   ///< tokens consumed, in inputs
  uint64_t examples = 0; ///< rows of data consumed: the data position
  uint64_t seed = 0;     ///< of the plan; decides the order of the data
  std::string order;     ///< "shuffled" or "sequential"
  std::string model;     ///< name of the plan's model, for people
  /// Best held-out loss so far and evaluations since, for early stopping.
  std::optional<double> best_eval_loss;
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

/// Step of the newest checkpoint whose three files are whole; damaged ones are
/// passed over and named in `skipped`.
std::optional<uint64_t> newestCheckpoint(const std::string &run,
                                         std::vector<std::string> &skipped);

/// Reads RUN/checkpoint-<step> into `tensors`.
Result<TrainingState> loadCheckpoint(const std::string &run, uint64_t step,
                                     const TrainingTensors &tensors);

/// Keeps the newest `keep` checkpoints (0: all) and removes what an interrupted
/// run left behind.
Status pruneCheckpoints(const std::string &run, uint64_t keep);

} // namespace trainc

#endif // TRAINC_RUNTIME_CHECKPOINT_CHECKPOINT_H
