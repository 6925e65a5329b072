//===- SkippedSteps.cpp ---------------------------------------------------===//

#include "tools/trainrun/SkippedSteps.h"

#include "tools/trainrun/Support.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <map>

namespace trainc::trainrun {

/// Whether all exponent bits of an element are set: infinities and NaN.
template <typename Bits>
static bool hasAll(std::span<const std::byte> bytes, Bits exponent) {
  constexpr size_t kBlock = 4096;
  const size_t count = bytes.size() / sizeof(Bits);
  for (size_t begin = 0; begin < count; begin += kBlock) {
    bool found = false;
    for (size_t i = begin; i < std::min(count, begin + kBlock); ++i) {
      Bits bits;
      std::memcpy(&bits, bytes.data() + i * sizeof bits, sizeof bits);
      found |= (bits & exponent) == exponent;
    }
    if (found)
      return true;
  }
  return false;
}

static bool isFinite(std::span<const std::byte> bytes, abi::ElementType type) {
  switch (type) {
  case abi::ElementType::F32:
    return !hasAll<uint32_t>(bytes, 0x7f800000);
  case abi::ElementType::F64:
    return !hasAll<uint64_t>(bytes, 0x7ff0000000000000);
  case abi::ElementType::F16:
    return !hasAll<uint16_t>(bytes, 0x7c00);
  case abi::ElementType::BF16:
    return !hasAll<uint16_t>(bytes, 0x7f80);
  default:
    return true;
  }
}

/// Where `variable` is written last in `program`, and by which layer.
struct LastWrite {
  uint32_t command = 0;
  std::string_view layer;
};

static std::map<size_t, LastWrite> lastWrites(const Plan &plan,
                                              std::string_view program) {
  std::map<size_t, LastWrite> writes;
  std::optional<size_t> index = plan.findProgram(program);
  if (!index)
    return writes;
  const auto &buffers = *plan.variant().buffers();
  const auto &commands = *plan.program(*index).commands();
  for (uint32_t i = 0; i != commands.size(); ++i) {
    auto note = [&](uint32_t buffer, std::string_view layer) {
      if (uint32_t variable = buffers.Get(buffer)->variable())
        writes[variable - 1] = {i, layer};
    };
    if (const abi::Copy *copy = commands.Get(i)->command_as_Copy()) {
      note(copy->destination(), {});
      continue;
    }
    const abi::Launch &launch = *commands.Get(i)->command_as_Launch();
    const auto &parameters =
        *plan.variant().kernels()->Get(launch.kernel())->parameters();
    for (uint32_t k = 0; k != parameters.size(); ++k)
      if (parameters.Get(k)->access() != abi::Access::Read)
        note(launch.buffers()->Get(k), view(launch.layer()));
  }
  return writes;
}

SkippedSteps::SkippedSteps(Session &session) : session_(&session) {
  const Plan &plan = session.plan();
  std::map<size_t, LastWrite> writes = lastWrites(plan, "accumulate");
  for (const NamedVariable &gradient : gradientVariables(plan))
    gradients_.push_back({gradient.variable, std::string(gradient.name),
                          std::string(writes[gradient.variable].layer)});
  std::stable_sort(gradients_.begin(), gradients_.end(),
                   [&](const Gradient &a, const Gradient &b) {
                     return writes[a.variable].command <
                            writes[b.variable].command;
                   });
}

std::string SkippedSteps::firstGradient() {
  for (const Gradient &gradient : gradients_)
    if (!isFinite(session_->data(gradient.variable),
                  session_->plan().variable(gradient.variable).element_type()))
      return gradient.layer.empty()
                 ? fmt::format("the gradient of '{}'", gradient.parameter)
                 : fmt::format("the gradient of '{}', made by layer {},",
                               gradient.parameter, gradient.layer);
  return {};
}

std::string SkippedSteps::cause(const StepResult &result) {
  const auto &terms = *session_->plan().table().loss_terms();
  for (uint32_t i = 0; i != terms.size(); ++i)
    if (!std::isfinite(result.losses[i]))
      return fmt::format("the loss '{}', so something of the forward "
                         "computation,",
                         view(terms.Get(i)->name()));
  std::string gradient = firstGradient();
  return gradient.empty() ? "the sum of the gradients' squares" : gradient;
}

std::optional<std::string> SkippedSteps::explain(uint64_t step,
                                                 const StepLoop &loop,
                                                 const StepResult &result) {
  const bool before = skipped_;
  const std::optional<double> norm = loop.metric(result, "grad_norm");
  skipped_ = loop.metric(result, "skipped").value_or(0) != 0 ||
             (norm && !std::isfinite(*norm));
  const std::optional<double> scale = loop.metric(result, "loss_scale");
  if (!skipped_ || (before && scale.value_or(1) == scale_))
    return std::nullopt;
  scale_ = scale.value_or(1);
  return fmt::format(
      "step {} was skipped: {} is not finite{}", step, cause(result),
      scale ? fmt::format(" with a loss scale of {}", jsonNumber(*scale))
            : "; lower the learning rate");
}

} // namespace trainc::trainrun
