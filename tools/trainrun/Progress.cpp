//===- Progress.cpp -------------------------------------------------------===//

#include "tools/trainrun/Progress.h"

#include "runtime/core/Log.h"
#include "tools/trainrun/Support.h"

#include <fmt/format.h>

namespace trainc::trainrun {

double Progress::tokensPerSecond() const {
  double seconds = bar_.elapsedSeconds();
  return seconds > 0 ? static_cast<double>(tokens_ - first_tokens_) / seconds
                     : 0;
}

void Progress::warn(std::string_view line) {
  bar_.finish();
  logWarning("{}", line);
}

void Progress::step(uint64_t step, double loss, std::optional<double> scale,
                    uint64_t tokens) {
  tokens_ = tokens;
  bar_.show(step, last_, [&] {
    double per_step =
        bar_.elapsedSeconds() / static_cast<double>(step - first_);
    std::string scaled = scale ? fmt::format("  scale {:g}", *scale) : "";
    return fmt::format("step {}/{}  loss {:.4f}{}  {:.0f} tokens/s  {} left",
                       step, last_, loss, scaled, tokensPerSecond(),
                       humanTime(per_step * static_cast<double>(last_ - step)));
  });
}

} // namespace trainc::trainrun
