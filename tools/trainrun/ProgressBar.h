//===- ProgressBar.h - long work, as a person sees it ------------*- C++
//-*-===//
//
// Decides how progress is shown: one line that is redrawn on a terminal, plain
// lines about every ten seconds otherwise. Output that nobody takes (a closed
// pipe, a full disk) is dropped: it must not end the work.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_PROGRESSBAR_H
#define TRAINC_TOOLS_TRAINRUN_PROGRESSBAR_H

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

namespace trainc::trainrun {

class ProgressBar {
public:
  explicit ProgressBar(FILE *stream);
  ~ProgressBar();

  /// `done` of `total` is done. The text beside the bar is asked for only when
  /// it is shown: the first and the last time always, in between when some time
  /// has passed.
  void show(uint64_t done, uint64_t total,
            const std::function<std::string()> &text);
  /// Prints `line` above the bar.
  void note(std::string_view line);
  /// Ends the bar's line.
  void finish();
  double elapsedSeconds() const;

private:
  using Clock = std::chrono::steady_clock;
  void write(std::string_view text);

  FILE *stream_;
  bool terminal_;
  bool shown_before_ = false;
  bool drawn_ = false;
  Clock::time_point start_, shown_;
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_PROGRESSBAR_H
