//===- SkippedSteps.h - why a step changed nothing --------------*- C++ -*-===//
//
// A step whose gradients are not all finite is skipped on the device. Says on
// stderr which tensor, layer and step were the first: the loss, where it is not
// finite itself, else the gradient that the backward computation had completed
// first.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_SKIPPEDSTEPS_H
#define TRAINC_TOOLS_TRAINRUN_SKIPPEDSTEPS_H

#include "runtime/step/StepLoop.h"

#include <optional>
#include <string>
#include <vector>

namespace trainc::trainrun {

class SkippedSteps {
public:
  SkippedSteps() = default;
  explicit SkippedSteps(Session &session);

  /// What there is to say about `step`: nothing where it was taken, or where
  /// the one before was skipped with the same scale.
  std::optional<std::string> explain(uint64_t step, const StepLoop &loop,
                                     const StepResult &result);

  /// The first gradient that is not finite; empty where all are.
  std::string firstGradient();

private:
  std::string cause(const StepResult &result);

  /// A gradient, and the layer of the launch that completes it.
  struct Gradient {
    size_t variable;
    std::string parameter, layer;
  };
  Session *session_ = nullptr;
  std::vector<Gradient> gradients_; ///< in the order of completion
  bool skipped_ = false;            ///< the step before
  double scale_ = 0;                ///< of the last one explained
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_SKIPPEDSTEPS_H
