//===- Support.h - what several commands share -------------------*- C++
//-*-===//
//
// Decides how a plan's variables appear in files, how data is opened for a
// plan, and what --weights may name.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_SUPPORT_H
#define TRAINC_TOOLS_TRAINRUN_SUPPORT_H

#include "runtime/checkpoint/Checkpoint.h"
#include "runtime/data/TrainingData.h"
#include "runtime/step/Session.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace trainc::trainrun {

/// Parameters and optimizer state under their names in files, in the memory of
/// `session`.
TrainingTensors trainingTensors(Session &session);

/// A variable of a plan by its index, and its name in files.
struct NamedVariable {
  size_t variable;
  std::string_view name;
};

/// Gradient variables, each under its parameter's name in files.
std::vector<NamedVariable> gradientVariables(const Plan &plan);
/// The same in the memory of `session`.
std::vector<NamedTensor> gradientTensors(Session &session);

/// Output variables that `program` writes, under their own names.
std::vector<NamedTensor> outputTensors(Session &session,
                                       std::string_view program);

/// How weight files of the plan's family may differ.
WeightRules weightRules(const Plan &plan);

/// Loads the parameters from `path`: a weight file, a checkpoint's folder, or a
/// run's folder (its newest checkpoint).
Status loadWeights(Session &session, const std::string &path);

/// Opens the files that the plan's objective wants, with what the inputs of
/// `programs` need, and checks every id: token files for causal_lm, examples
/// for none. `options` takes B, T, M and the ignored target from the plan;
/// order, seed and position are the caller's.
Result<std::unique_ptr<TrainingData>>
openData(const Plan &plan, std::initializer_list<std::string_view> programs,
         std::span<const std::string> paths, DataOptions options);

/// What the plan's data is counted in: "tokens" or "examples".
std::string_view dataUnit(const Plan &plan);

/// Steps as they are after the plan's ramp: those of an evaluation.
StepShapes wholeSteps(const Plan &plan);

/// Parameters of the plan, in elements.
uint64_t parameterCount(const Plan &plan);

/// "shuffled" or "sequential".
Result<DataOrder> parseOrder(const std::string &name);

/// `value` in the shortest form that reads back as the same double; "null"
/// where JSON has no number for it.
std::string jsonNumber(double value);

/// `text` as a JSON string.
std::string jsonString(std::string_view text);

/// "1.5 GiB".
std::string humanBytes(uint64_t bytes);
/// "1h02m", "3m10s", "12s".
std::string humanTime(double seconds);

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_SUPPORT_H
