//===- Gradients.cpp - trainrun gradients ---------------------------------===//
//
// Gradients of the first step's batch, before clipping and without the loss
// scale, under the parameters' names, and the loss as an F64 scalar: what
// another implementation is compared with.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/step/StepLoop.h"
#include "tools/trainrun/SkippedSteps.h"
#include "tools/trainrun/Support.h"

#include <fmt/format.h>

namespace trainc::trainrun {

template <typename Float>
static void divide(std::span<std::byte> data, double scale) {
  auto *values = reinterpret_cast<Float *>(data.data());
  for (size_t i = 0; i < data.size() / sizeof(Float); ++i)
    values[i] = static_cast<Float>(values[i] / scale);
}

/// Gradients carry the loss scale until the update takes it out. They have the
/// type of their parameters.
static void removeScale(std::span<const NamedTensor> gradients, double scale) {
  for (const NamedTensor &gradient : gradients)
    if (gradient.type == TensorType::F64)
      divide<double>(gradient.data, scale);
    else
      divide<float>(gradient.data, scale);
}

Status runGradients(const GradientsOptions &options) {
  auto session = Session::open(options.plan, {options.threads, {}});
  if (!session.ok())
    return session.status();
  auto loop = StepLoop::create(**session);
  if (!loop.ok())
    return loop.status();
  Result<DataOrder> order = parseOrder(options.order);
  if (!order.ok())
    return order.status();
  DataOptions data_options;
  data_options.order = *order;
  data_options.seed = (*loop)->seed();
  data_options.shapes = (*loop)->shapes();
  auto data = openData((*session)->plan(), {"count", "accumulate"},
                       options.data, data_options);
  if (!data.ok())
    return data.status();
  TRAINC_RETURN_IF_ERROR((*loop)->initialize());
  if (!options.init.empty())
    TRAINC_RETURN_IF_ERROR(loadWeights(**session, options.init));

  StepResult result;
  TRAINC_RETURN_IF_ERROR((*loop)->runGradients(1, **data, result));
  std::vector<NamedTensor> tensors = gradientTensors(**session);
  const double scale = (*loop)->metric(result, "loss_scale").value_or(1);
  if (const std::string bad = SkippedSteps(**session).firstGradient();
      !bad.empty())
    return Status::user(fmt::format(
        "expected finite gradients, but got {} not so{}", bad,
        scale == 1 ? std::string("; the weights or the data are too large")
                   : fmt::format(" with a loss scale of {}; compile with a "
                                 "smaller precision.loss_scale or "
                                 "loss_scale_initial",
                                 jsonNumber(scale))));
  if (scale != 1)
    removeScale(tensors, scale);
  tensors.push_back({"loss",
                     TensorType::F64,
                     {},
                     std::as_writable_bytes(std::span(&result.loss, 1))});
  TRAINC_RETURN_IF_ERROR(writeTensors(options.output, tensors));
  if (options.json) {
    fmt::print(R"({{"output": {}, "loss": {}, "gradients": {}}})"
               "\n",
               jsonString(options.output), jsonNumber(result.loss),
               tensors.size() - 1);
    return {};
  }
  fmt::print("loss {}; wrote {} gradients to {}\n", result.loss,
             tensors.size() - 1, options.output);
  return {};
}

} // namespace trainc::trainrun
