//===- RunStart.cpp - a run before its first step -------------------------===//
//
// Decides where a run begins: at its newest whole checkpoint, or at the start.
// All inputs are opened and checked before the run's folder is made.
//
//===----------------------------------------------------------------------===//

#include "runtime/core/Log.h"
#include "tools/trainrun/Run.h"

#include <filesystem>
#include <fmt/format.h>

namespace trainc::trainrun {

namespace fs = std::filesystem;

Status Run::checkOptions() const {
  if (!options_.order.empty())
    if (Result<DataOrder> order = parseOrder(options_.order); !order.ok())
      return order.status();
  std::error_code error;
  if (fs::exists(options_.run, error)) {
    if (!options_.resume)
      return Status::user(fmt::format(
          "{}: expected a new folder for --out, but got an existing one; add "
          "--resume to continue that run, or choose another folder",
          options_.run));
    if (!fs::is_directory(options_.run, error))
      return Status::user(
          fmt::format("{}: expected a run's folder for --out, but got a file",
                      options_.run));
  }
  return {};
}

/// Fills parameters and state from the newest checkpoint, or from the start.
Status Run::restore() {
  std::vector<std::string> skipped;
  Result<std::optional<uint64_t>> step = std::optional<uint64_t>();
  if (options_.resume)
    step = newestCheckpoint(options_.run, skipped);
  if (!step.ok())
    return step.status();
  for (const std::string &message : skipped)
    logWarning("passing over a damaged checkpoint: {}", message);
  // Initialised in any case: a checkpoint holds no transient state.
  Result<std::unique_ptr<StepLoop>> loop = StepLoop::create(*session_);
  if (!loop.ok())
    return loop.status();
  loop_ = std::move(*loop);
  TRAINC_RETURN_IF_ERROR(loop_->initialize());
  state_.seed = loop_->seed();
  state_.order = "shuffled";
  state_.model = view(session_->plan().table().name());
  if (!*step) {
    if (!options_.order.empty())
      state_.order = options_.order;
    if (!options_.init.empty())
      TRAINC_RETURN_IF_ERROR(loadWeights(*session_, options_.init));
    return {};
  }
  Result<TrainingState> state = loadCheckpoint(options_.run, **step, tensors_);
  if (!state.ok())
    return state.status();
  state_ = *state;
  first_step_ = state_.step;
  saved_step_ = state_.step;
  if (!options_.order.empty() && options_.order != state_.order)
    return Status::user(fmt::format(
        "{}: expected --order {} as the run began, but got {}; leave --order "
        "out",
        options_.run, state_.order, options_.order));
  // A plan compiled with another seed must not change the run's noise.
  loop = StepLoop::create(
      *session_, state_.seed,
      StepShapes(stepSizes(session_->plan()), state_.step + 1, state_.tokens));
  if (!loop.ok())
    return loop.status();
  loop_ = std::move(*loop);
  return {};
}

Status Run::openData() {
  Result<DataOrder> order = parseOrder(state_.order);
  if (!order.ok())
    return order.status();
  // The position is in rows; a plan of another length has other rows.
  uint64_t length = session_->plan().table().batch()->length();
  if (state_.length && state_.length != length)
    state_.examples = (state_.examples * state_.length + length - 1) / length;
  DataOptions options;
  options.order = *order;
  options.seed = state_.seed;
  options.shapes = loop_->shapes();
  options.first_example = state_.examples;
  auto data = trainrun::openData(session_->plan(), {"count", "accumulate"},
                                 options_.data, options);
  if (!data.ok())
    return data.status();
  data_ = std::move(*data);
  prefetched_ = PrefetchedData::create(*data_);
  if (state_.data_tokens && state_.data_tokens != data_->size())
    logWarning("expected the {} {} of data that this run began with, but "
               "got {}; the order of the rows changes from here on",
               state_.data_tokens, dataUnit(session_->plan()), data_->size());
  state_.length = length;
  state_.data_tokens = data_->size();
  Result<Validation> validation = Validation::open(
      session_->plan(),
      {options_.eval_data, options_.eval_every, options_.patience});
  if (!validation.ok())
    return validation.status();
  validation_ = std::move(*validation);
  return {};
}

Status Run::lockFolder() {
  Result<FolderLock> lock = FolderLock::take(options_.run);
  if (!lock.ok())
    return lock.status();
  lock_ = std::move(*lock);
  return {};
}

Status Run::createFolder() {
  Result<std::vector<std::string>> changed = makeFolders(options_.run);
  if (!changed.ok())
    return changed.status();
  unsynced_folders_ = std::move(*changed);
  if (!lock_.held())
    TRAINC_RETURN_IF_ERROR(lockFolder());
  // What a killed run left, and did not come to remove.
  TRAINC_RETURN_IF_ERROR(removeLeftovers(options_.run));
  TRAINC_RETURN_IF_ERROR(pruneCheckpoints(options_.run, state_.step,
                                          options_.keep, state_.best_step));
  Result<MetricsFile> metrics =
      MetricsFile::open(options_.run + "/metrics.jsonl", state_.step);
  if (!metrics.ok())
    return metrics.status();
  metrics_ = std::move(*metrics);
  return {};
}

Status Run::prepare() {
  TRAINC_RETURN_IF_ERROR(checkOptions());
  std::error_code error;
  if (fs::exists(options_.run, error))
    TRAINC_RETURN_IF_ERROR(lockFolder());
  Result<std::unique_ptr<Session>> session =
      Session::open(options_.plan, {options_.threads, {}});
  if (!session.ok())
    return session.status();
  session_ = std::move(*session);
  last_step_ =
      options_.steps.value_or(session_->plan().table().batch()->total_steps());
  // 0 from the command line is a run that ends before its first step.
  if (last_step_ == 0 && !options_.steps)
    return Status::user("expected a number of steps from the plan's schedule "
                        "or --steps, but got none; add --steps N");
  tensors_ = trainingTensors(*session_);
  skipped_steps_ = SkippedSteps(*session_);
  TRAINC_RETURN_IF_ERROR(restore());
  TRAINC_RETURN_IF_ERROR(openData());
  return createFolder();
}

} // namespace trainc::trainrun
