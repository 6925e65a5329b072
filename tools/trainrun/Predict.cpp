//===- Predict.cpp - trainrun predict -------------------------------------===//
//
// Writes what the program `predict` makes of the first micro-batch, in the
// order of the files: hidden states and logits.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/step/StepLoop.h"
#include "tools/trainrun/Support.h"

#include <fmt/format.h>

namespace trainc::trainrun {

Status runPredict(const PredictOptions &options) {
  auto session = Session::open(options.plan, {options.threads, {}});
  if (!session.ok())
    return session.status();
  std::vector<NamedTensor> outputs = outputTensors(**session, "predict");
  if (outputs.empty())
    return Status::user(fmt::format(
        "{}: expected a plan with the program 'predict' and its outputs, but "
        "got none; compile the plan again",
        options.plan));
  auto loop = StepLoop::create(**session);
  if (!loop.ok())
    return loop.status();
  DataOptions data_options;
  data_options.order = DataOrder::Sequential;
  data_options.shapes = (*loop)->shapes();
  auto data =
      openData((*session)->plan(), {"predict"}, options.data, data_options);
  if (!data.ok())
    return data.status();
  TRAINC_RETURN_IF_ERROR((*loop)->initialize());
  TRAINC_RETURN_IF_ERROR(loadWeights(**session, options.weights));
  TRAINC_RETURN_IF_ERROR((*loop)->runPredict(1, 0, **data));
  TRAINC_RETURN_IF_ERROR(writeTensors(options.output, outputs));
  std::string json;
  for (const NamedTensor &output : outputs) {
    std::string shape = formatShape(output.shape);
    std::string_view type = tensorTypeName(output.type);
    if (options.json)
      json += fmt::format(R"({}{{"name": {}, "type": "{}", "shape": {}}})",
                          json.empty() ? "" : ", ", jsonString(output.name),
                          type, shape);
    else
      fmt::print("{} {} {}\n", output.name, type, shape);
  }
  if (options.json)
    fmt::print(R"({{"output": {}, "tensors": [{}]}})"
               "\n",
               jsonString(options.output), json);
  else
    fmt::print("wrote {} tensors to {}\n", outputs.size(), options.output);
  return {};
}

} // namespace trainc::trainrun
