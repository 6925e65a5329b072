#include "runtime/core/Log.h"

#include "runtime/core/Terminal.h"

#include <atomic>
#include <cstdlib>
#include <iterator>
#include <string>
#include <unistd.h>

using namespace trainc;

static LogLevel levelFromEnvironment() {
  const char *value = std::getenv("TRAINC_LOG");
  const std::string_view name = value ? value : "";
  if (name == "quiet")
    return LogLevel::Quiet;
  if (name == "info")
    return LogLevel::Info;
  if (name == "debug")
    return LogLevel::Debug;
  return LogLevel::Warning;
}

static std::atomic<LogLevel> &currentLevel() {
  static std::atomic<LogLevel> level{levelFromEnvironment()};
  return level;
}

LogLevel trainc::logLevel() {
  return currentLevel().load(std::memory_order_relaxed);
}

void trainc::setLogLevel(LogLevel level) {
  currentLevel().store(level, std::memory_order_relaxed);
}

void trainc::logLine(LogLevel level, std::string_view message) {
  if (level == LogLevel::Quiet || level > logLevel())
    return;
  std::string line;
  fmt::format_to(std::back_inserter(line), "{}: {}\n",
                 level == LogLevel::Warning
                     ? coloured(STDERR_FILENO, Colour::Yellow, "warning")
                     : "info",
                 message);
  for (size_t written = 0; written != line.size();) {
    const ssize_t step =
        ::write(STDERR_FILENO, line.data() + written, line.size() - written);
    // A closed stderr must not stop a training run.
    if (step <= 0)
      return;
    written += static_cast<size_t>(step);
  }
}
