//===- MetricsFile.h - RUN/metrics.jsonl -------------------------*- C++
//-*-===//
//
// Decides the form of a run's metrics: exactly one JSON object per step, also
// after a crash and a resume. A resumed run first rewrites the file, as a
// whole, to the lines of the steps it keeps.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_METRICSFILE_H
#define TRAINC_TOOLS_TRAINRUN_METRICSFILE_H

#include "runtime/core/Status.h"
#include "runtime/plan/Plan.h"
#include "runtime/step/StepLoop.h"

#include <cstdint>
#include <optional>
#include <string>

namespace trainc::trainrun {

/// The line of one step, with its line end. Keys: step, loss, losses, the
/// plan's metrics, tokens, step_ms, and eval_loss where evaluated.
std::string formatMetrics(const abi::Plan &plan, uint64_t step,
                          const StepResult &result, uint64_t tokens,
                          std::optional<double> eval_loss);

class MetricsFile {
public:
  MetricsFile() = default;
  MetricsFile(MetricsFile &&other) noexcept;
  MetricsFile &operator=(MetricsFile &&other) noexcept;
  ~MetricsFile();

  /// Opens `path` for appending and drops all lines but those of the steps up
  /// to `last_step` (0: drops all), also torn ones. Warns where a step has
  /// none.
  static Result<MetricsFile> open(const std::string &path, uint64_t last_step);

  /// Appends one whole line with one write. System error also when the file
  /// was removed meanwhile: nobody would ever see the line.
  Status append(const std::string &line);
  /// Makes the lines so far durable; before a checkpoint that counts on them.
  Status sync();

private:
  std::string path_;
  int descriptor_ = -1;
  bool counts_names_ = false;
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_METRICSFILE_H
