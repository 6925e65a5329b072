//===- Progress.cpp -------------------------------------------------------===//

#include "tools/trainrun/Progress.h"

#include "tools/trainrun/Support.h"

#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace trainc::trainrun {

static constexpr std::string_view kClearLine = "\r\x1b[K";

Progress::Progress(uint64_t first, uint64_t last, uint64_t tokens)
    : first_(first), last_(last), tokens_(tokens), done_(first),
      terminal_(isatty(STDOUT_FILENO) == 1), start_(Clock::now()) {}

Progress::~Progress() { finish(); }

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
  if (!terminal_) {
    fmt::print("{}\n", status(step, loss));
    std::fflush(stdout);
    return;
  }
  constexpr size_t kWidth = 24;
  size_t filled = last_ ? static_cast<size_t>(kWidth * step / last_) : kWidth;
  fmt::print("{}[{:#<{}}{:.<{}}] {}", kClearLine, "", filled, "",
             kWidth - filled, status(step, loss));
  std::fflush(stdout);
  drawn_ = true;
}

void Progress::note(std::string_view line) {
  fmt::print("{}{}\n", drawn_ ? kClearLine : "", line);
  std::fflush(stdout);
  drawn_ = false;
}

void Progress::finish() {
  if (drawn_)
    fmt::print("\n");
  drawn_ = false;
  std::fflush(stdout);
}

} // namespace trainc::trainrun
