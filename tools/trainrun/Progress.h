//===- Progress.h - what a person sees of a run ------------------*- C++
//-*-===//
//
// Decides how progress is shown: one line that is redrawn on a terminal, plain
// lines about every ten seconds otherwise. Output that nobody takes (a closed
// pipe, a full disk) is dropped: it must not end a run.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_PROGRESS_H
#define TRAINC_TOOLS_TRAINRUN_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace trainc::trainrun {

class Progress {
public:
  /// Steps first + 1 .. last will be reported on `stream`; each consumes
  /// `tokens` tokens.
  Progress(FILE *stream, uint64_t first, uint64_t last, uint64_t tokens);
  ~Progress();

  /// Step `step` is done with this loss.
  void step(uint64_t step, double loss);
  /// Prints `line` above the bar.
  void note(std::string_view line);
  /// Ends the bar's line.
  void finish();
  /// Tokens per second since the start.
  double tokensPerSecond() const;

private:
  using Clock = std::chrono::steady_clock;
  std::string status(uint64_t step, double loss) const;
  double elapsedSeconds() const;
  void write(std::string_view text);

  FILE *stream_;
  uint64_t first_, last_, tokens_, done_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_, shown_;
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_PROGRESS_H
