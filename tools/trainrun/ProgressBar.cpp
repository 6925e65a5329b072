//===- ProgressBar.cpp ----------------------------------------------------===//

#include "tools/trainrun/ProgressBar.h"

#include "runtime/core/Terminal.h"

#include <algorithm>
#include <fmt/format.h>

namespace trainc::trainrun {

static constexpr std::string_view kClearLine = "\r\x1b[K";

ProgressBar::ProgressBar(FILE *stream)
    : stream_(stream), terminal_(isTerminal(fileno(stream))),
      start_(Clock::now()) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::write(std::string_view text) {
  // Not fmt::print, which throws when nobody takes the text.
  std::fwrite(text.data(), 1, text.size(), stream_);
  std::fflush(stream_);
}

double ProgressBar::elapsedSeconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void ProgressBar::show(uint64_t done, uint64_t total,
                       const std::function<std::string()> &text) {
  auto interval = std::chrono::milliseconds(terminal_ ? 100 : 10'000);
  Clock::time_point now = Clock::now();
  if (shown_before_ && done != total && now - shown_ < interval)
    return;
  shown_ = now;
  shown_before_ = true;
  if (!terminal_)
    return write(text() + "\n");
  constexpr size_t kWidth = 24;
  size_t filled = total ? static_cast<size_t>(kWidth * done / total) : kWidth;
  std::string line = fmt::format("[{:#<{}}{:.<{}}] {}", "", filled, "",
                                 kWidth - filled, text());
  // A line that wraps cannot be redrawn.
  line.resize(std::min(line.size(), terminalColumns(fileno(stream_)) - 1));
  if (line.size() > kWidth + 2)
    line =
        coloured(fileno(stream_), Colour::Green, line.substr(0, kWidth + 2)) +
        line.substr(kWidth + 2);
  write(fmt::format("{}{}", kClearLine, line));
  drawn_ = true;
}

void ProgressBar::note(std::string_view line) {
  write(fmt::format("{}{}\n", drawn_ ? kClearLine : "", line));
  drawn_ = false;
}

void ProgressBar::finish() {
  if (drawn_)
    write("\n");
  drawn_ = false;
}

} // namespace trainc::trainrun
