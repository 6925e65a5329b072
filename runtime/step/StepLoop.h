//===- StepLoop.h - what one training step is ---------------------*- C++
//-*-===//
//
// A step counts attempts from 1. First every micro-batch passes through
// `count`, which totals what the loss terms divide by; then every micro-batch
// passes through `accumulate`; then `apply` updates the weights once. So loss
// and gradients do not depend on how a batch is cut. Learning rate, clipping,
// loss scaling and skipping happen inside the programs.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_STEP_STEPLOOP_H
#define TRAINC_RUNTIME_STEP_STEPLOOP_H

#include "runtime/core/StepShapes.h"
#include "runtime/step/Inputs.h"
#include "runtime/step/Session.h"
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace trainc {

/// Numbers of one step, in the plan's order.
struct StepResult {
  double loss = 0; ///< sum over terms of weight * sum / count
  std::vector<double>
      losses; ///< per loss term, sum / count; 0 where count is 0
  std::vector<double> metrics; ///< per Plan.metrics
  uint64_t duration_ns = 0;    ///< wall time, inputs included
  uint64_t data_ns = 0;        ///< part of it that went by waiting for inputs
};

/// Numbers of an evaluation, in the plan's order of loss terms.
struct EvaluationResult {
  double loss = 0;
  std::vector<double> losses, sums, counts;
};

/// What a plan says of the sizes of steps.
StepSizes stepSizes(const Plan &plan);

class StepLoop {
public:
  /// `session` must outlive the loop. `seed` of the run goes to the programs;
  /// none: the plan's own. `shapes` says how large each step is; none: as of a
  /// run that begins.
  static Result<std::unique_ptr<StepLoop>>
  create(Session &session, std::optional<uint64_t> seed = {},
         std::optional<StepShapes> shapes = {});

  /// Fills parameters and states by the program `initialize`.
  Status initialize();

  /// One whole step. `result` keeps its memory: reused, the call allocates
  /// nothing. Errors: User when the plan is not for training or data is wrong.
  Status runStep(uint64_t step, DataSource &source, StepResult &result);

  /// The gradients of a step without the update, before clipping; afterwards
  /// the Gradient variables hold them (times the loss scale, if the plan has
  /// one).
  Status runGradients(uint64_t step, DataSource &source, StepResult &result);

  /// Totals over `batches` micro-batches: number k, from 0, is asked from
  /// `source` as step 1 + k / M, micro-batch k % M, so sequential data is read
  /// in order. Sums are added in double in that order.
  Status runEvaluation(uint64_t batches, DataSource &source,
                       EvaluationResult &result);

  /// Runs `predict` on one micro-batch; read the Output variables afterwards.
  Status runPredict(uint64_t step, uint32_t micro_batch, DataSource &source);

  Session &session() { return session_; }
  ControlInputs &control() { return control_; }
  uint64_t seed() const { return seed_; }
  const StepShapes &shapes() const { return shapes_; }
  /// Micro-batches of one step (M) after a ramp, and rows of one micro-batch
  /// (B).
  uint32_t microBatches() const { return micro_batches_; }
  uint32_t sequences() const { return sequences_; }

  /// Value in `result` of a metric by its name in the plan; none when the plan
  /// has no such metric.
  std::optional<double> metric(const StepResult &result,
                               std::string_view name) const;

private:
  StepLoop(Session &session, uint64_t seed, StepShapes shapes);
  Status require(std::optional<size_t> program, std::string_view name) const;
  Status prepare(const InputSet &inputs, DataSource &source, uint64_t step,
                 uint32_t micro_batch);
  Status countAndAccumulate(uint64_t step, DataSource &source);
  void readResult(StepResult &result) const;
  Status runTimed(uint64_t step, DataSource &source, bool update,
                  StepResult &result);

  Session &session_;
  uint64_t seed_;
  StepShapes shapes_;
  uint32_t micro_batches_;
  uint32_t sequences_;
  ControlInputs control_;
  InputSet training_inputs_, evaluation_inputs_, prediction_inputs_;
  std::optional<size_t> initialize_, count_, accumulate_, apply_, evaluate_,
      predict_;
  uint64_t data_ns_ = 0; ///< spent in prepare() by the current step
};

} // namespace trainc

#endif // TRAINC_RUNTIME_STEP_STEPLOOP_H
