//===- Train.cpp - trainrun train -----------------------------------------===//
//
// Decides when a run evaluates, saves and stops, and what it says at the end.
//
//===----------------------------------------------------------------------===//

#include "runtime/core/ProcessMemory.h"
#include "tools/trainrun/Device.h"
#include "tools/trainrun/Run.h"
#include "tools/trainrun/Signals.h"

#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trainc::trainrun {

namespace fs = std::filesystem;

//===----------------------------------------------------------------------===//
// Saving
//===----------------------------------------------------------------------===//

/// What went wrong with the run's folder, which was fine at the start, and what
/// is left.
Status Run::whileTraining(const Status &status) const {
  if (status.ok())
    return {};
  return Status::system(fmt::format(
      "{}; {}, repair this and run the same command with --resume",
      status.message(),
      saved_step_ ? fmt::format("the run is saved up to step {}", *saved_step_)
                  : "the run has no checkpoint yet"));
}

Status Run::saveNow() {
  TRAINC_RETURN_IF_ERROR(lock_.check());
  // Not before the first step, which should not wait for the disk.
  for (const std::string &folder : unsynced_folders_)
    TRAINC_RETURN_IF_ERROR(syncFolder(folder));
  unsynced_folders_.clear();
  // A checkpoint promises the metrics up to its step.
  TRAINC_RETURN_IF_ERROR(metrics_.sync());
  TRAINC_RETURN_IF_ERROR(saveCheckpoint(options_.run, tensors_, state_));
  saved_step_ = state_.step;
  return pruneCheckpoints(options_.run, state_.step, options_.keep,
                          state_.best_step);
}

Status Run::save() { return whileTraining(saveNow()); }

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

static std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

/// One step, its evaluation, its line of metrics and its checkpoint.
Status Run::step(Progress &progress, StepResult &result) {
  const Plan &plan = session_->plan();
  uint64_t step = state_.step + 1;
  TRAINC_RETURN_IF_ERROR(loop_->runStep(step, *prefetched_, result));
  step_ns_ += result.duration_ns;
  data_ns_ += result.data_ns;
  state_.step = step;
  state_.tokens = loop_->shapes().tokensBefore(step + 1);
  state_.examples = data_->examplesBefore(step + 1);
  state_.loss = finite(result.loss);
  if (std::optional<std::string> why =
          skipped_steps_.explain(step, *loop_, result))
    progress.warn(*why);

  std::optional<double> eval_loss;
  bool best = false;
  if (validation_.due(step, last_step_)) {
    TRAINC_RETURN_IF_ERROR(
        validation_.run(*loop_, state_, eval_loss.emplace(), best));
    state_.eval_loss = finite(*eval_loss);
  }
  TRAINC_RETURN_IF_ERROR(whileTraining(metrics_.append(
      formatMetrics(plan.table(), step, result, state_.tokens, eval_loss))));
  progress.step(step, result.loss, loop_->metric(result, "loss_scale"),
                state_.tokens);
  if (eval_loss)
    progress.note(fmt::format("step {}  held-out loss {:.4f}{}", step,
                              *eval_loss, best ? "  best so far" : ""));
  bool due = options_.checkpoint_every && step % options_.checkpoint_every == 0;
  return due || best ? save() : Status();
}

Status Run::trainSteps(Progress &progress) {
  StepResult result;
  bool warned = false;
  while (!finished() && !StopSignals::received()) {
    TRAINC_RETURN_IF_ERROR(step(progress, result));
    if (!std::isfinite(result.loss) && !warned) {
      progress.note(fmt::format("warning: the loss of step {} is not a finite "
                                "number; lower the learning rate or clip "
                                "gradients",
                                state_.step));
      warned = true;
    }
  }
  if (last_step_ == 0 && validation_.due(0, 0)) {
    bool best = false;
    double loss = NAN;
    TRAINC_RETURN_IF_ERROR(validation_.run(*loop_, state_, loss, best));
    state_.eval_loss = finite(loss);
    progress.note(fmt::format("step 0  held-out loss {:.4f}", loss));
  }
  tokens_per_second_ = progress.tokensPerSecond();
  progress.finish();
  return saved_step_ == state_.step ? Status() : save();
}

Status Run::train() {
  StopSignals signals;
  Progress progress(options_.json ? stderr : stdout, first_step_, last_step_,
                    state_.tokens);
  if (saved_step_ && finished()) {
    // Killed after its last checkpoint, a run has none, or one of before.
    if (!hasSummary())
      TRAINC_RETURN_IF_ERROR(writeSummary());
    already_done_ = true;
    progress.note(fmt::format("{}: nothing to do: {}", options_.run, ending()));
    if (options_.json)
      fmt::print("{}", summary_);
    return {};
  }
  if (saved_step_)
    progress.note(fmt::format("continuing from {}",
                              checkpointFolder(options_.run, first_step_)));
  TRAINC_RETURN_IF_ERROR(trainSteps(progress));
  TRAINC_RETURN_IF_ERROR(whileTraining(writeSummary()));
  if (!finished())
    interrupted_ = StopSignals::received();
  progress.note(ending());
  if (options_.json)
    fmt::print("{}", summary_);
  return {};
}

std::string Run::bestFolder() const {
  std::error_code error;
  if (!state_.best_step)
    return {};
  std::string folder = checkpointFolder(options_.run, *state_.best_step);
  return fs::exists(folder, error) ? folder : std::string();
}

/// One line: how the run ended, and what to do with it.
std::string Run::ending() const {
  std::string folder = checkpointFolder(options_.run, state_.step);
  std::string best;
  if (state_.best_eval_loss)
    best = fmt::format("; best held-out loss {:.4f}", *state_.best_eval_loss);
  if (state_.best_step)
    best += fmt::format(" at step {}", *state_.best_step);
  if (std::string kept = bestFolder(); !kept.empty())
    best += fmt::format(" in {}", kept);
  if (!finished())
    return fmt::format("interrupted at step {} of {}; saved {}; run the same "
                       "command with --resume to continue",
                       state_.step, last_step_, folder);
  if (state_.step < last_step_)
    return fmt::format("stopped early at step {} of {}: no better held-out "
                       "loss for {} evaluations{}; saved {}",
                       state_.step, last_step_, state_.evaluations_since_best,
                       best, folder);
  if (already_done_)
    return fmt::format("the run is at step {} of {}; raise --steps to go on{}",
                       state_.step, last_step_, best);
  if (last_step_ == 0)
    return fmt::format("done: no step taken{}; saved {}", best, folder);
  return fmt::format("done: loss {:.4f} at step {}{}; saved {}",
                     state_.loss.value_or(NAN), state_.step, best, folder);
}

/// Whether summary.json tells of this end of the run; then it is in summary_.
bool Run::hasSummary() {
  constexpr uint64_t kSummaryLimit = uint64_t(1) << 20;
  Result<std::string> text =
      readWholeFile(options_.run + "/summary.json", kSummaryLimit);
  if (!text.ok())
    return false;
  summary_ = *text;
  auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return false;
  auto steps = json.find("steps"), interrupted = json.find("interrupted");
  return steps != json.end() && *steps == state_.step &&
         interrupted != json.end() && *interrupted == false;
}

Status Run::writeSummary() {
  std::string best = bestFolder();
  summary_ = fmt::format(
      R"({{
  "steps": {},
  "tokens": {},
  "loss": {},
  "eval_loss": {},
  "best_eval_loss": {},
  "best_step": {},
  "best_checkpoint": {},
  "interrupted": {},
  "tokens_per_second": {},
  "data_wait_share": {},
  "predicted_bytes": {},
  "peak_bytes": {},
  "arena_bytes": {},
  "scratch_bytes": {},
  "overhead_bytes": {},
  "device": {},
  "target": {},
  "threads": {}
}}
)",
      state_.step, state_.tokens, jsonNumber(state_.loss.value_or(NAN)),
      jsonNumber(state_.eval_loss.value_or(NAN)),
      jsonNumber(state_.best_eval_loss.value_or(NAN)),
      state_.best_step ? fmt::format("{}", *state_.best_step) : "null",
      best.empty() ? "null" : jsonString(fs::path(best).filename().string()),
      finished() ? "false" : "true", jsonNumber(tokens_per_second_),
      jsonNumber(step_ns_ ? static_cast<double>(data_ns_) /
                                static_cast<double>(step_ns_)
                          : NAN),
      session_->predictedBytes() + processOverheadBytes, peakResidentBytes(),
      session_->device().arenaBytes(), session_->device().scratchBytes(),
      processOverheadBytes, jsonString(deviceName()),
      jsonString(view(session_->plan().variant().target())),
      session_->pool().threads());
  return writeWholeFile(options_.run + "/summary.json", summary_);
}

Status runTrain(const TrainOptions &options, int &interrupted) {
  Run run(options);
  TRAINC_RETURN_IF_ERROR(run.prepare());
  Status status = run.train();
  interrupted = run.interrupted();
  return status;
}

} // namespace trainc::trainrun
