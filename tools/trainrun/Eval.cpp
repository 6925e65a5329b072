//===- Eval.cpp - trainrun eval -------------------------------------------===//
//
// Held-out loss over every window of the files, once. The last batch is filled
// up with rows that do not count.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/data/PrefetchedData.h"
#include "runtime/step/StepLoop.h"
#include "tools/trainrun/Support.h"

#include <cmath>
#include <fmt/format.h>

namespace trainc::trainrun {

Status runEval(const EvalOptions &options) {
  auto session = Session::open(options.plan, {options.threads, {}});
  if (!session.ok())
    return session.status();
  auto loop = StepLoop::create(**session);
  if (!loop.ok())
    return loop.status();
  DataOptions data_options;
  data_options.order = DataOrder::Once;
  data_options.shapes = wholeSteps((*session)->plan());
  auto data =
      openData((*session)->plan(), {"evaluate"}, options.data, data_options);
  if (!data.ok())
    return data.status();
  TRAINC_RETURN_IF_ERROR((*loop)->initialize());
  TRAINC_RETURN_IF_ERROR(loadWeights(**session, options.weights));

  EvaluationResult result;
  auto prefetched = PrefetchedData::create(**data);
  TRAINC_RETURN_IF_ERROR((*loop)->runEvaluation((*data)->batchesOfOneEpoch(),
                                                *prefetched, result));
  const auto &terms = *(*session)->plan().table().loss_terms();
  uint64_t tokens =
      (*data)->rows() * (*session)->plan().table().batch()->length();
  double perplexity = std::exp(result.loss);
  if (!options.json) {
    if (dataUnit((*session)->plan()) == "examples")
      fmt::print("held-out loss {:.6f} over {} examples\n", result.loss,
                 (*data)->rows());
    else
      fmt::print(
          "held-out loss {:.6f}, perplexity {:.4f}, over {} tokens in {} "
          "windows\n",
          result.loss, perplexity, tokens, (*data)->rows());
    return {};
  }
  std::string losses;
  for (uint32_t i = 0; i < terms.size(); ++i)
    losses += fmt::format("{}{}: {}", i ? ", " : "",
                          jsonString(view(terms.Get(i)->name())),
                          jsonNumber(result.losses[i]));
  fmt::print(
      R"({{"loss": {}, "perplexity": {}, "tokens": {}, "losses": {{{}}}}})"
      "\n",
      jsonNumber(result.loss), jsonNumber(perplexity), tokens, losses);
  return {};
}

} // namespace trainc::trainrun
