//===- Support.cpp --------------------------------------------------------===//

#include "tools/trainrun/Support.h"

#include "runtime/data/CausalData.h"
#include "runtime/data/ExampleData.h"
#include "runtime/step/StepLoop.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <set>

namespace trainc::trainrun {

namespace fs = std::filesystem;

//===----------------------------------------------------------------------===//
// Variables as tensors
//===----------------------------------------------------------------------===//

static TensorType tensorType(abi::ElementType type) {
  switch (type) {
  case abi::ElementType::F64:
    return TensorType::F64;
  case abi::ElementType::I32:
    return TensorType::I32;
  case abi::ElementType::I64:
    return TensorType::I64;
  case abi::ElementType::I1:
    return TensorType::Bool;
  case abi::ElementType::BF16:
    return TensorType::BF16;
  case abi::ElementType::F16:
    return TensorType::F16;
  case abi::ElementType::U8:
    return TensorType::U8;
  case abi::ElementType::F32:
  case abi::ElementType::Unspecified: // refused by the verifier
    return TensorType::F32;
  }
  return TensorType::F32;
}

static std::string_view externalName(const abi::Variable &variable) {
  std::string_view name = view(variable.external_name());
  return name.empty() ? view(variable.name()) : name;
}

static NamedTensor tensorOf(Session &session, size_t index,
                            std::string_view name) {
  const abi::Variable &variable = session.plan().variable(index);
  return {
      std::string(name), tensorType(variable.element_type()),
      std::vector<uint64_t>(variable.shape()->begin(), variable.shape()->end()),
      session.data(index)};
}

TrainingTensors trainingTensors(Session &session) {
  TrainingTensors tensors;
  for (size_t i = 0; i < session.plan().variableCount(); ++i) {
    const abi::Variable &variable = session.plan().variable(i);
    if (variable.role() == abi::Role::Parameter)
      tensors.parameters.push_back(
          tensorOf(session, i, externalName(variable)));
    else if (variable.role() == abi::Role::Optimizer)
      tensors.optimizer.push_back(tensorOf(session, i, externalName(variable)));
  }
  return tensors;
}

std::vector<NamedVariable> gradientVariables(const Plan &plan) {
  std::vector<NamedVariable> variables;
  for (size_t i = 0; i < plan.variableCount(); ++i) {
    const abi::Variable &variable = plan.variable(i);
    if (variable.role() != abi::Role::Gradient)
      continue;
    std::string_view name = view(variable.parameter());
    if (std::optional<size_t> parameter = plan.findVariable(name))
      name = externalName(plan.variable(*parameter));
    else if (name.empty())
      name = externalName(variable);
    variables.push_back({i, name});
  }
  return variables;
}

std::vector<NamedTensor> gradientTensors(Session &session) {
  std::vector<NamedTensor> tensors;
  for (const auto &[variable, name] : gradientVariables(session.plan()))
    tensors.push_back(tensorOf(session, variable, name));
  return tensors;
}

std::vector<NamedTensor> outputTensors(Session &session,
                                       std::string_view program) {
  std::vector<NamedTensor> tensors;
  const Plan &plan = session.plan();
  std::optional<size_t> index = plan.findProgram(program);
  if (!index || !plan.program(*index).outputs())
    return tensors;
  for (uint32_t i : *plan.program(*index).outputs())
    if (plan.variable(i).role() == abi::Role::Output)
      tensors.push_back(tensorOf(session, i, view(plan.variable(i).name())));
  return tensors;
}

uint64_t parameterCount(const Plan &plan) {
  uint64_t count = 0;
  for (size_t i = 0; i < plan.variableCount(); ++i)
    if (const abi::Variable &variable = plan.variable(i);
        variable.role() == abi::Role::Parameter)
      count +=
          plan.variableSizeBytes(i) / elementSizeBytes(variable.element_type());
  return count;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

WeightRules weightRules(const Plan &plan) {
  WeightRules rules;
  rules.prefix = view(plan.table().external_prefix());
  if (const auto *ignored = plan.table().ignored_buffers())
    for (const flatbuffers::String *suffix : *ignored)
      rules.ignored_suffixes.emplace_back(view(suffix));
  return rules;
}

Status loadWeights(Session &session, const std::string &path) {
  std::string file = path;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    file = path + "/model.safetensors";
    if (!fs::exists(file, error)) {
      std::vector<std::string> skipped;
      auto step = newestCheckpoint(path, skipped);
      if (!step.ok())
        return step.status();
      if (!*step)
        return Status::user(fmt::format(
            "{}: expected a weight file, a checkpoint or a run with one, but "
            "got a folder without",
            path));
      file = checkpointFolder(path, **step) + "/model.safetensors";
    } else {
      TRAINC_RETURN_IF_ERROR(checkSavedModel(path));
    }
  }
  WeightRules rules = weightRules(session.plan());
  rules.finite = true;
  return readTensors(file, trainingTensors(session).parameters, rules);
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

static bool isInputOf(const Plan &plan, std::string_view program,
                      uint32_t input) {
  const auto index = plan.findProgram(program);
  if (!index || !plan.program(*index).inputs())
    return false;
  const auto &inputs = *plan.program(*index).inputs();
  return std::find(inputs.begin(), inputs.end(), input) != inputs.end();
}

/// The data inputs that `programs` need.
static std::vector<ExampleInput>
exampleInputs(const Plan &plan,
              std::initializer_list<std::string_view> programs) {
  std::vector<ExampleInput> inputs;
  std::set<uint32_t> seen;
  for (const std::string_view name : programs)
    if (const auto program = plan.findProgram(name))
      if (const auto *indices = plan.program(*program).inputs())
        for (const uint32_t index : *indices) {
          const abi::Input &input = *plan.table().inputs()->Get(index);
          if (input.source() != abi::InputSource::Data ||
              !seen.insert(index).second)
            continue;
          const abi::Variable &variable = plan.variable(input.variable());
          ExampleInput own{std::string(view(input.name())),
                           variable.element_type(),
                           {variable.shape()->begin(), variable.shape()->end()},
                           input.limit(),
                           {}};
          own.counted = isInputOf(plan, "count", index);
          if (input.has_ignore_value())
            own.ignored = input.ignore_value();
          inputs.push_back(std::move(own));
        }
  return inputs;
}

static Result<std::unique_ptr<TrainingData>>
openTokens(const Plan &plan, std::span<const std::string> paths,
           const DataOptions &options) {
  Result<TokenFiles> files = TokenFiles::open(paths);
  if (!files.ok())
    return files.status();
  for (const abi::Input *input : *plan.table().inputs())
    if (input->source() == abi::InputSource::Data && input->limit() > 0)
      TRAINC_RETURN_IF_ERROR(files->checkBelow(input->limit()));
  auto data = CausalData::create(std::move(*files), options);
  if (!data.ok())
    return data.status();
  return std::unique_ptr<TrainingData>(std::move(*data));
}

Result<std::unique_ptr<TrainingData>>
openData(const Plan &plan, std::initializer_list<std::string_view> programs,
         std::span<const std::string> paths, DataOptions options) {
  const abi::Batch &batch = *plan.table().batch();
  options.sequences = batch.sequences();
  options.length = batch.length();
  options.ignore_index = batch.ignore_index();
  const std::string_view objective = view(batch.objective());
  if (objective == "causal_lm")
    return openTokens(plan, paths, options);
  if (!objective.empty())
    return Status::user(fmt::format(
        "expected a plan of objective causal_lm, or of none, but got '{}'; "
        "this trainrun makes no data for it",
        objective));
  auto data = ExampleData::open(paths, exampleInputs(plan, programs), options);
  if (!data.ok())
    return data.status();
  return std::unique_ptr<TrainingData>(std::move(*data));
}

std::string_view dataUnit(const Plan &plan) {
  return view(plan.table().batch()->objective()).empty() ? "examples"
                                                         : "tokens";
}

StepShapes wholeSteps(const Plan &plan) {
  StepSizes sizes = stepSizes(plan);
  sizes.ramp_from = 0;
  return StepShapes(sizes);
}

Result<DataOrder> parseOrder(const std::string &name) {
  if (name == "shuffled")
    return DataOrder::Shuffled;
  if (name == "sequential")
    return DataOrder::Sequential;
  return Status::user(fmt::format(
      "expected --order shuffled or sequential, but got '{}'", name));
}

//===----------------------------------------------------------------------===//
// Numbers and text
//===----------------------------------------------------------------------===//

std::string jsonNumber(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

std::string jsonString(std::string_view text) {
  std::string result = "\"";
  for (char c : text)
    if (c == '"' || c == '\\')
      (result += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      result += c;
  return result + '"';
}

std::string humanBytes(uint64_t bytes) {
  static constexpr const char *kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string humanTime(double seconds) {
  auto whole = static_cast<uint64_t>(seconds < 0 ? 0 : seconds);
  if (whole >= 3600)
    return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  if (whole >= 60)
    return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}s", whole);
}

} // namespace trainc::trainrun
