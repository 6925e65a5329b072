//===- Validation.cpp -----------------------------------------------------===//

#include "tools/trainrun/Validation.h"

#include "runtime/data/PrefetchedData.h"
#include "tools/trainrun/Support.h"

#include <cmath>

namespace trainc::trainrun {

Result<Validation> Validation::open(const Plan &plan,
                                    const ValidationOptions &options) {
  if (options.data.empty() && (options.every || options.patience))
    return Status::user("expected --eval-data with --eval-every and "
                        "--patience, but got none; name held-out token files");
  if (options.patience && !options.every)
    return Status::user("expected --eval-every with --patience, but got none; "
                        "say after how many steps to evaluate");
  Validation validation;
  validation.every_ = options.every;
  validation.patience_ = options.patience;
  if (options.data.empty())
    return validation;
  if (!plan.findProgram("evaluate"))
    return Status::user("expected a plan with the program 'evaluate' for "
                        "--eval-data, but got none; compile the plan again");
  DataOptions data_options;
  data_options.order = DataOrder::Once;
  data_options.shapes = wholeSteps(plan);
  auto data = openData(plan, {"evaluate"}, options.data, data_options);
  if (!data.ok())
    return data.status();
  validation.data_ = std::move(*data);
  return validation;
}

Status Validation::run(StepLoop &loop, TrainingState &state, double &loss,
                       bool &best) {
  EvaluationResult result;
  auto prefetched = PrefetchedData::create(*data_);
  TRAINC_RETURN_IF_ERROR(
      loop.runEvaluation(data_->batchesOfOneEpoch(), *prefetched, result));
  loss = result.loss;
  best = std::isfinite(loss) &&
         (!state.best_eval_loss || loss < *state.best_eval_loss);
  if (best) {
    state.best_eval_loss = loss;
    state.best_step = state.step;
    state.evaluations_since_best = 0;
  } else {
    ++state.evaluations_since_best;
  }
  return {};
}

} // namespace trainc::trainrun
