//===- Train.cpp - trainrun train -----------------------------------------===//
//
// Decides what a run is on disk and when it saves, evaluates and stops. All
// inputs are opened and checked before the run's folder is made.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/checkpoint/Files.h"
#include "runtime/core/Log.h"
#include "runtime/core/ProcessMemory.h"
#include "runtime/step/StepLoop.h"
#include "tools/trainrun/Device.h"
#include "tools/trainrun/MetricsFile.h"
#include "tools/trainrun/Progress.h"
#include "tools/trainrun/Support.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>

namespace trainc::trainrun {

namespace fs = std::filesystem;

//===----------------------------------------------------------------------===//
// Signals
//===----------------------------------------------------------------------===//

static volatile std::sig_atomic_t received_signal = 0;

/// The first signal asks for a checkpoint and an end; the second one kills.
static void onSignal(int signal) {
  received_signal = signal;
  std::signal(signal, SIG_DFL);
}

namespace {
class SignalScope {
public:
  SignalScope() {
    received_signal = 0;
    interrupt_ = std::signal(SIGINT, onSignal);
    terminate_ = std::signal(SIGTERM, onSignal);
  }
  ~SignalScope() {
    std::signal(SIGINT, interrupt_);
    std::signal(SIGTERM, terminate_);
  }

private:
  void (*interrupt_)(int);
  void (*terminate_)(int);
};

//===----------------------------------------------------------------------===//
// The run
//===----------------------------------------------------------------------===//

class Run {
public:
  Run(const TrainOptions &options) : options_(options) {}

  Status prepare();
  Status train();
  int interrupted() const { return interrupted_; }

private:
  Status checkOptions() const;
  Status restore();
  Status openAllData();
  Status lockFolder();
  Status createFolder();
  Status evaluate(double &loss);
  Status save();
  Status writeSummary();
  bool dueEvery(uint64_t every, uint64_t step) const {
    return every > 0 && step % every == 0;
  }
  bool outOfPatience() const {
    return options_.patience > 0 &&
           state_.evaluations_since_best >= options_.patience;
  }

  const TrainOptions &options_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<StepLoop> loop_;
  std::unique_ptr<CausalData> data_, eval_data_;
  TrainingTensors tensors_;
  TrainingState state_;
  FolderLock lock_;
  MetricsFile metrics_;
  uint64_t last_step_ = 0;
  uint64_t first_step_ = 0;            ///< steps done before this process
  std::optional<uint64_t> saved_step_; ///< of the newest checkpoint
  double loss_ = NAN;
  std::optional<double> eval_loss_;
  double tokens_per_second_ = 0;
  int interrupted_ = 0;
};
} // namespace

Status Run::checkOptions() const {
  if (!options_.order.empty())
    if (Result<DataOrder> order = parseOrder(options_.order); !order.ok())
      return order.status();
  if (options_.eval_data.empty() && (options_.eval_every || options_.patience))
    return Status::user("expected --eval-data with --eval-every and "
                        "--patience, but got none; name held-out token files");
  if (options_.patience && !options_.eval_every)
    return Status::user("expected --eval-every with --patience, but got none; "
                        "say after how many steps to evaluate");
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
  std::optional<uint64_t> step;
  if (options_.resume)
    step = newestCheckpoint(options_.run, skipped);
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
  if (!step) {
    if (!options_.order.empty())
      state_.order = options_.order;
    if (!options_.init.empty())
      TRAINC_RETURN_IF_ERROR(loadWeights(*session_, options_.init));
    return {};
  }
  Result<TrainingState> state = loadCheckpoint(options_.run, *step, tensors_);
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
  loop = StepLoop::create(*session_, state_.seed);
  if (!loop.ok())
    return loop.status();
  loop_ = std::move(*loop);
  return {};
}

Status Run::openAllData() {
  Result<DataOrder> order = parseOrder(state_.order);
  if (!order.ok())
    return order.status();
  CausalDataOptions options;
  options.order = *order;
  options.seed = state_.seed;
  options.first_step = state_.step + 1;
  options.first_example = state_.examples;
  auto data = openData(session_->plan(), options_.data, options);
  if (!data.ok())
    return data.status();
  data_ = std::move(*data);
  if (options_.eval_data.empty())
    return {};
  if (!session_->has("evaluate"))
    return Status::user("expected a plan with the program 'evaluate' for "
                        "--eval-data, but got none; compile the plan again");
  options.order = DataOrder::Once;
  options.first_step = 1;
  options.first_example = 0;
  data = openData(session_->plan(), options_.eval_data, options);
  if (!data.ok())
    return data.status();
  eval_data_ = std::move(*data);
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
  std::error_code error;
  fs::create_directories(options_.run, error);
  if (error)
    return Status::user(
        fmt::format("{}: expected a folder that can be made, but got: {}",
                    options_.run, error.message()));
  if (!lock_.held())
    TRAINC_RETURN_IF_ERROR(lockFolder());
  // Leftovers of an interrupted run.
  TRAINC_RETURN_IF_ERROR(pruneCheckpoints(options_.run, 0));
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
  TRAINC_RETURN_IF_ERROR(restore());
  TRAINC_RETURN_IF_ERROR(openAllData());
  return createFolder();
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

Status Run::evaluate(double &loss) {
  EvaluationResult result;
  TRAINC_RETURN_IF_ERROR(loop_->runEvaluation(eval_data_->batchesOfOneEpoch(),
                                              *eval_data_, result));
  loss = result.loss;
  if (std::isfinite(loss) &&
      (!state_.best_eval_loss || loss < *state_.best_eval_loss)) {
    state_.best_eval_loss = loss;
    state_.evaluations_since_best = 0;
  } else {
    ++state_.evaluations_since_best;
  }
  return {};
}

Status Run::save() {
  // A checkpoint promises the metrics up to its step.
  TRAINC_RETURN_IF_ERROR(metrics_.sync());
  TRAINC_RETURN_IF_ERROR(saveCheckpoint(options_.run, tensors_, state_));
  saved_step_ = state_.step;
  return pruneCheckpoints(options_.run, options_.keep);
}

Status Run::train() {
  if (saved_step_ && first_step_ >= last_step_) {
    fmt::print("{}: nothing to do: the run is at step {} of {}; raise --steps "
               "to go on\n",
               options_.run, first_step_, last_step_);
    return {};
  }
  if (saved_step_)
    fmt::print("continuing from {}\n",
               checkpointFolder(options_.run, first_step_));
  SignalScope signals;
  const Plan &plan = session_->plan();
  Progress progress(first_step_, last_step_, tokensPerStep(plan));
  StepResult result;
  bool warned = false;
  while (state_.step < last_step_ && !received_signal && !outOfPatience()) {
    uint64_t step = state_.step + 1;
    TRAINC_RETURN_IF_ERROR(loop_->runStep(step, *data_, result));
    state_.step = step;
    state_.tokens += tokensPerStep(plan);
    state_.examples = data_->examplesBefore(step + 1);
    loss_ = result.loss;

    std::optional<double> eval_loss;
    if (eval_data_ &&
        (dueEvery(options_.eval_every, step) || step == last_step_)) {
      TRAINC_RETURN_IF_ERROR(evaluate(eval_loss.emplace()));
      eval_loss_ = eval_loss;
    }
    TRAINC_RETURN_IF_ERROR(metrics_.append(
        formatMetrics(plan.table(), step, result, state_.tokens, eval_loss)));
    progress.step(step, result.loss);
    if (eval_loss)
      progress.note(
          fmt::format("step {}  held-out loss {:.4f}", step, *eval_loss));
    if (!std::isfinite(result.loss) && !warned) {
      progress.note(fmt::format("warning: the loss of step {} is not a finite "
                                "number; lower the learning rate or clip "
                                "gradients",
                                step));
      warned = true;
    }
    if (dueEvery(options_.checkpoint_every, step))
      TRAINC_RETURN_IF_ERROR(save());
  }
  if (last_step_ == 0 && eval_data_) {
    TRAINC_RETURN_IF_ERROR(evaluate(eval_loss_.emplace()));
    progress.note(fmt::format("step 0  held-out loss {:.4f}", *eval_loss_));
  }
  tokens_per_second_ = progress.tokensPerSecond();
  progress.finish();
  if (saved_step_ != state_.step)
    TRAINC_RETURN_IF_ERROR(save());
  TRAINC_RETURN_IF_ERROR(writeSummary());

  std::string folder = checkpointFolder(options_.run, state_.step);
  if (received_signal && state_.step < last_step_) {
    interrupted_ = received_signal;
    fmt::print("interrupted at step {}; saved {}; run the same command with "
               "--resume to continue\n",
               state_.step, folder);
  } else if (outOfPatience() && state_.step < last_step_) {
    fmt::print("stopped at step {}: the held-out loss has not fallen for {} "
               "evaluations (best {:.4f}); saved {}\n",
               state_.step, state_.evaluations_since_best,
               state_.best_eval_loss.value_or(NAN), folder);
  } else if (last_step_ == 0) {
    fmt::print("done: no step taken; saved {}\n", folder);
  } else {
    fmt::print("done: loss {:.4f} at step {}; saved {}\n", loss_, state_.step,
               folder);
  }
  return {};
}

Status Run::writeSummary() {
  std::string text = fmt::format(
      R"({{
  "steps": {},
  "tokens": {},
  "loss": {},
  "eval_loss": {},
  "tokens_per_second": {},
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
      state_.step, state_.tokens, jsonNumber(loss_),
      eval_loss_ ? jsonNumber(*eval_loss_) : "null",
      jsonNumber(tokens_per_second_),
      session_->predictedBytes() + processOverheadBytes, peakResidentBytes(),
      session_->device().arenaBytes(), session_->device().scratchBytes(),
      processOverheadBytes, jsonString(deviceName()),
      jsonString(view(session_->plan().variant().target())),
      session_->pool().threads());
  return writeWholeFile(options_.run + "/summary.json", text);
}

Status runTrain(const TrainOptions &options, int &interrupted) {
  Run run(options);
  TRAINC_RETURN_IF_ERROR(run.prepare());
  Status status = run.train();
  interrupted = run.interrupted();
  return status;
}

} // namespace trainc::trainrun
