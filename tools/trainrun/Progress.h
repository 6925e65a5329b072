//===- Progress.h - what a person sees of a run ------------------*- C++
//-*-===//
//
// Decides what the progress bar says beside the steps of a training run.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_PROGRESS_H
#define TRAINC_TOOLS_TRAINRUN_PROGRESS_H

#include "tools/trainrun/ProgressBar.h"

#include <optional>

namespace trainc::trainrun {

class Progress {
public:
  /// Steps first + 1 .. last will be reported on `stream`; `tokens` were
  /// consumed before.
  Progress(FILE *stream, uint64_t first, uint64_t last, uint64_t tokens)
      : bar_(stream), first_(first), last_(last), first_tokens_(tokens),
        tokens_(tokens) {}

  /// Step `step` is done with this loss and scale of the loss, if it has one,
  /// and so many tokens are consumed.
  void step(uint64_t step, double loss, std::optional<double> scale,
            uint64_t tokens);
  /// Prints `line` above the bar.
  void note(std::string_view line) { bar_.note(line); }
  /// Logs a warning, not into the bar.
  void warn(std::string_view line);
  /// Ends the bar's line.
  void finish() { bar_.finish(); }
  /// Tokens per second since the start.
  double tokensPerSecond() const;

private:
  ProgressBar bar_;
  uint64_t first_, last_, first_tokens_, tokens_;
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_PROGRESS_H
