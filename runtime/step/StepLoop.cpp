#include "runtime/step/StepLoop.h"

#include <chrono>
#include <fmt/format.h>

using namespace trainc;

static double ratio(double sum, double count) {
  return count == 0 ? 0 : sum / count;
}

Result<std::unique_ptr<StepLoop>>
StepLoop::create(Session &session, std::optional<uint64_t> seed,
                 std::optional<StepShapes> shapes) {
  if (!shapes)
    shapes.emplace(stepSizes(session.plan()));
  return std::unique_ptr<StepLoop>(new StepLoop(
      session, seed.value_or(session.plan().table().batch()->seed()),
      std::move(*shapes)));
}

StepSizes trainc::stepSizes(const Plan &plan) {
  const abi::Batch &batch = *plan.table().batch();
  return {batch.sequences(), batch.length(), batch.micro_batches(),
          batch.ramp_from(), batch.ramp_tokens()};
}

StepLoop::StepLoop(Session &session, uint64_t seed, StepShapes shapes)
    : session_(session), seed_(seed), shapes_(std::move(shapes)),
      micro_batches_(session.plan().table().batch()->micro_batches()),
      sequences_(session.plan().table().batch()->sequences()),
      control_(session), training_inputs_(session, {"count", "accumulate"}),
      evaluation_inputs_(session, {"evaluate"}),
      prediction_inputs_(session, {"predict"}),
      initialize_(session.plan().findProgram("initialize")),
      count_(session.plan().findProgram("count")),
      accumulate_(session.plan().findProgram("accumulate")),
      apply_(session.plan().findProgram("apply")),
      evaluate_(session.plan().findProgram("evaluate")),
      predict_(session.plan().findProgram("predict")) {}

Status StepLoop::require(std::optional<size_t> program,
                         std::string_view name) const {
  if (program)
    return {};
  return Status::user(fmt::format(
      "expected a plan with a program '{}', but got one without; compile a "
      "recipe that has an objective and an optimizer",
      name));
}

Status StepLoop::initialize() {
  TRAINC_RETURN_IF_ERROR(require(initialize_, "initialize"));
  control_.setRandom(seed_, 0, 0);
  control_.setMicroBatch(0);
  session_.parametersChanged();
  return session_.device().run(*initialize_);
}

static uint64_t nanosecondsSince(std::chrono::steady_clock::time_point begin) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(
          std::chrono::steady_clock::now() - begin)
          .count());
}

Status StepLoop::prepare(const InputSet &inputs, DataSource &source,
                         uint64_t step, uint32_t micro_batch) {
  const auto begin = std::chrono::steady_clock::now();
  TRAINC_RETURN_IF_ERROR(inputs.fill(source, step, micro_batch));
  data_ns_ += nanosecondsSince(begin);
  control_.setRandom(seed_, step, uint64_t{micro_batch} * sequences_);
  control_.setMicroBatch(micro_batch);
  return {};
}

Status StepLoop::countAndAccumulate(uint64_t step, DataSource &source) {
  TRAINC_RETURN_IF_ERROR(require(accumulate_, "accumulate"));
  const uint32_t micro_batches = shapes_.microBatches(step);
  // A single micro-batch is still in place from counting.
  const bool read_twice = count_ && micro_batches != 1;
  if (count_)
    for (uint32_t j = 0; j != micro_batches; ++j) {
      TRAINC_RETURN_IF_ERROR(prepare(training_inputs_, source, step, j));
      if (read_twice)
        source.announce(step, j + 1 == micro_batches ? 0 : j + 1);
      TRAINC_RETURN_IF_ERROR(session_.device().run(*count_));
    }
  for (uint32_t j = 0; j != micro_batches; ++j) {
    if (!count_ || read_twice)
      TRAINC_RETURN_IF_ERROR(prepare(training_inputs_, source, step, j));
    if (j + 1 == micro_batches)
      source.announce(step + 1, 0);
    else
      source.announce(step, j + 1);
    TRAINC_RETURN_IF_ERROR(session_.device().run(*accumulate_));
  }
  return {};
}

void StepLoop::readResult(StepResult &result) const {
  const abi::Plan &plan = session_.plan().table();
  result.loss = 0;
  result.losses.resize(plan.loss_terms()->size());
  for (uint32_t i = 0; i != plan.loss_terms()->size(); ++i) {
    const abi::LossTerm &term = *plan.loss_terms()->Get(i);
    result.losses[i] =
        ratio(session_.scalar(term.sum()), session_.scalar(term.count()));
    result.loss += term.weight() * result.losses[i];
  }
  result.metrics.resize(plan.metrics()->size());
  for (uint32_t i = 0; i != plan.metrics()->size(); ++i)
    result.metrics[i] = session_.scalar(plan.metrics()->Get(i)->variable());
}

Status StepLoop::runTimed(uint64_t step, DataSource &source, bool update,
                          StepResult &result) {
  const auto begin = std::chrono::steady_clock::now();
  data_ns_ = 0;
  TRAINC_RETURN_IF_ERROR(session_.refreshCopies());
  TRAINC_RETURN_IF_ERROR(countAndAccumulate(step, source));
  if (update) {
    control_.setRandom(seed_, step, 0);
    control_.setMicroBatch(0);
    control_.setTokens(shapes_.tokensBefore(step + 1));
    TRAINC_RETURN_IF_ERROR(session_.device().run(*apply_));
  }
  readResult(result);
  result.duration_ns = nanosecondsSince(begin);
  result.data_ns = data_ns_;
  return {};
}

Status StepLoop::runStep(uint64_t step, DataSource &source,
                         StepResult &result) {
  TRAINC_RETURN_IF_ERROR(require(apply_, "apply"));
  return runTimed(step, source, /*update=*/true, result);
}

Status StepLoop::runGradients(uint64_t step, DataSource &source,
                              StepResult &result) {
  return runTimed(step, source, /*update=*/false, result);
}

Status StepLoop::runEvaluation(uint64_t batches, DataSource &source,
                               EvaluationResult &result) {
  TRAINC_RETURN_IF_ERROR(require(evaluate_, "evaluate"));
  TRAINC_RETURN_IF_ERROR(session_.refreshCopies());
  const auto &terms = *session_.plan().table().loss_terms();
  result.sums.assign(terms.size(), 0);
  result.counts.assign(terms.size(), 0);
  result.losses.assign(terms.size(), 0);
  for (uint64_t k = 0; k != batches; ++k) {
    TRAINC_RETURN_IF_ERROR(prepare(evaluation_inputs_, source,
                                   1 + k / micro_batches_,
                                   static_cast<uint32_t>(k % micro_batches_)));
    if (k + 1 != batches)
      source.announce(1 + (k + 1) / micro_batches_,
                      static_cast<uint32_t>((k + 1) % micro_batches_));
    TRAINC_RETURN_IF_ERROR(session_.device().run(*evaluate_));
    for (uint32_t i = 0; i != terms.size(); ++i) {
      result.sums[i] += session_.scalar(terms.Get(i)->evaluate_sum());
      result.counts[i] += session_.scalar(terms.Get(i)->evaluate_count());
    }
  }
  result.loss = 0;
  for (uint32_t i = 0; i != terms.size(); ++i) {
    result.losses[i] = ratio(result.sums[i], result.counts[i]);
    result.loss += terms.Get(i)->weight() * result.losses[i];
  }
  return {};
}

Status StepLoop::runPredict(uint64_t step, uint32_t micro_batch,
                            DataSource &source) {
  TRAINC_RETURN_IF_ERROR(require(predict_, "predict"));
  TRAINC_RETURN_IF_ERROR(session_.refreshCopies());
  TRAINC_RETURN_IF_ERROR(
      prepare(prediction_inputs_, source, step, micro_batch));
  return session_.device().run(*predict_);
}

std::optional<double> StepLoop::metric(const StepResult &result,
                                       std::string_view name) const {
  const auto &metrics = *session_.plan().table().metrics();
  for (uint32_t i = 0; i != metrics.size() && i < result.metrics.size(); ++i)
    if (view(metrics.Get(i)->name()) == name)
      return result.metrics[i];
  return {};
}
