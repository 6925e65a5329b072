//===- Progress.cpp -------------------------------------------------------===//

#include "tools/trainrun/Progress.h"

#include "runtime/core/Terminal.h"
#include "tools/trainrun/Support.h"

#include <algorithm>
#include <fmt/format.h>

namespace trainc::trainrun {

static constexpr std::string_view kClearLine = "\r\x1b[K";

Progress::Progress(FILE *stream, uint64_t first, uint64_t last, uint64_t tokens)
    : stream_(stream), first_(first), last_(last), tokens_(tokens),
      done_(first), terminal_(isTerminal(fileno(stream))),
      start_(Clock::now()) {}

Progress::~Progress() { finish(); }

void Progress::write(std::string_view text) {
  // Not fmt::print, which throws when nobody takes the text.
  std::fwrite(text.data(), 1, text.size(), stream_);
  std::fflush(stream_);
}

double Progress::elapsedSeconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

double Progress::tokensPerSecond() const {
  double seconds = elapsedSeconds();
  return seconds > 0 ? static_cast<double>((done_ - first_) * tokens_) / seconds
                     : 0;
}

std::string Progress::status(uint64_t step, double loss) const {
  double per_step = elapsedSeconds() / static_cast<double>(step - first_);
  return fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s  {} left", step,
                     last_, loss, tokensPerSecond(),
                     humanTime(per_step * static_cast<double>(last_ - step)));
}

void Progress::step(uint64_t step, double loss) {
  bool first = done_ == first_;
  done_ = step;
  auto interval = std::chrono::milliseconds(terminal_ ? 100 : 10'000);
  Clock::time_point now = Clock::now();
  if (!first && step != last_ && now - shown_ < interval)
    return;
  shown_ = now;
  if (!terminal_)
    return write(status(step, loss) + "\n");
  constexpr size_t kWidth = 24;
  size_t filled = last_ ? static_cast<size_t>(kWidth * step / last_) : kWidth;
  std::string line = fmt::format("[{:#<{}}{:.<{}}] {}", "", filled, "",
                                 kWidth - filled, status(step, loss));
  // A line that wraps cannot be redrawn.
  line.resize(std::min(line.size(), terminalColumns(fileno(stream_)) - 1));
  if (line.size() > kWidth + 2)
    line =
        coloured(fileno(stream_), Colour::Green, line.substr(0, kWidth + 2)) +
        line.substr(kWidth + 2);
  write(fmt::format("{}{}", kClearLine, line));
  drawn_ = true;
}

void Progress::note(std::string_view line) {
  write(fmt::format("{}{}\n", drawn_ ? kClearLine : "", line));
  drawn_ = false;
}

void Progress::finish() {
  if (drawn_)
    write("\n");
  drawn_ = false;
}

} // namespace trainc::trainrun
