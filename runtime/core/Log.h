//===- Log.h - notes for the person who runs a tool ---------------*- C++
//-*-===//
//
// One line per note on stderr, "info: ..." or "warning: ...". Errors are not
// logged here: they travel as Status and the tool prints them once.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_LOG_H
#define TRAINC_RUNTIME_CORE_LOG_H

#include <fmt/format.h>
#include <string_view>

namespace trainc {

enum class LogLevel { Quiet = 0, Warning = 1, Info = 2, Debug = 3 };

/// Notes above this level are dropped. Initially Warning; TRAINC_LOG=quiet,
/// warning, info or debug in the environment overrides it.
LogLevel logLevel();
void setLogLevel(LogLevel level);

/// Writes one whole line with one write, so that threads do not interleave.
void logLine(LogLevel level, std::string_view message);

template <typename... Args>
void logInfo(fmt::format_string<Args...> format, Args &&...args) {
  if (logLevel() >= LogLevel::Info)
    logLine(LogLevel::Info, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void logWarning(fmt::format_string<Args...> format, Args &&...args) {
  if (logLevel() >= LogLevel::Warning)
    logLine(LogLevel::Warning,
            fmt::format(format, std::forward<Args>(args)...));
}

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_LOG_H
