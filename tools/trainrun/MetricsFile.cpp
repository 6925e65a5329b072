//===- MetricsFile.cpp ----------------------------------------------------===//

#include "tools/trainrun/MetricsFile.h"

#include "runtime/checkpoint/FileSystem.h"
#include "runtime/checkpoint/Files.h"
#include "runtime/core/Log.h"
#include "tools/trainrun/Support.h"

#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trainc::trainrun {

std::string formatMetrics(const abi::Plan &plan, uint64_t step,
                          const StepResult &result, uint64_t tokens,
                          std::optional<double> eval_loss) {
  std::string line = fmt::format(R"({{"step": {}, "loss": {}, "losses": {{)",
                                 step, jsonNumber(result.loss));
  for (size_t i = 0; i < result.losses.size(); ++i)
    line += fmt::format(
        "{}{}: {}", i ? ", " : "",
        jsonString(
            view(plan.loss_terms()->Get(static_cast<uint32_t>(i))->name())),
        jsonNumber(result.losses[i]));
  line += '}';
  for (size_t i = 0; i < result.metrics.size(); ++i) {
    std::string_view name =
        view(plan.metrics()->Get(static_cast<uint32_t>(i))->name());
    double value = result.metrics[i];
    line += fmt::format(", {}: {}", jsonString(name),
                        name == "skipped" ? (value != 0 ? "true" : "false")
                                          : jsonNumber(value));
  }
  line +=
      fmt::format(R"(, "tokens": {}, "step_ms": {})", tokens,
                  jsonNumber(static_cast<double>(result.duration_ns) / 1e6));
  if (eval_loss)
    line += fmt::format(R"(, "eval_loss": {})", jsonNumber(*eval_loss));
  return line + "}\n";
}

MetricsFile::MetricsFile(MetricsFile &&other) noexcept {
  *this = std::move(other);
}

MetricsFile &MetricsFile::operator=(MetricsFile &&other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(counts_names_, other.counts_names_);
  return *this;
}

MetricsFile::~MetricsFile() {
  if (descriptor_ >= 0)
    close(descriptor_);
}

/// The step of a line as formatMetrics writes it; none if it is torn.
static std::optional<uint64_t> stepOfLine(std::string_view line) {
  static constexpr std::string_view kStart = R"({"step": )";
  if (!line.starts_with(kStart) || !line.ends_with('}'))
    return std::nullopt;
  uint64_t step = 0;
  auto [end, error] = std::from_chars(line.data() + kStart.size(),
                                      line.data() + line.size(), step);
  if (error != std::errc())
    return std::nullopt;
  return step;
}

/// The lines of `text` for steps 1 .. last_step, each step once; `count` of
/// them.
static std::string linesToKeep(std::string_view text, uint64_t last_step,
                               uint64_t &count) {
  std::string kept;
  uint64_t next = 1;
  while (!text.empty()) {
    size_t end = text.find('\n');
    if (end == text.npos)
      break; // torn by a crash
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    std::optional<uint64_t> step = stepOfLine(line);
    if (!step || *step < next || *step > last_step)
      continue;
    next = *step + 1;
    ++count;
    (kept += line) += '\n';
  }
  return kept;
}

Result<MetricsFile> MetricsFile::open(const std::string &path,
                                      uint64_t last_step) {
  uint64_t count = 0;
  std::error_code error;
  int flags = O_WRONLY | O_APPEND | O_CLOEXEC;
  if (last_step > 0 && std::filesystem::exists(path, error)) {
    Result<std::string> text = readWholeFile(path);
    if (!text.ok())
      return text.status();
    std::string kept = linesToKeep(*text, last_step, count);
    if (kept != *text)
      TRAINC_RETURN_IF_ERROR(writeWholeFile(path, kept));
  } else {
    // Nothing to keep whole: the first sync makes it durable, and the first
    // step does not wait for the disk.
    flags |= O_CREAT | O_TRUNC;
  }
  if (count < last_step)
    logWarning("{}: expected the metrics of {} steps before the checkpoint, "
               "but got {}; the others are lost",
               path, last_step, count);
  MetricsFile file;
  file.path_ = path;
  file.descriptor_ = ::open(path.c_str(), flags, 0666);
  struct stat info;
  if (file.descriptor_ < 0 || fstat(file.descriptor_, &info) != 0)
    return systemError(path, "open the file");
  // Some file systems count no names.
  file.counts_names_ = info.st_nlink > 0;
  return file;
}

Status MetricsFile::append(const std::string &line) {
  struct stat info;
  if (fstat(descriptor_, &info) != 0)
    return systemError(path_, "write the file");
  if (counts_names_ && info.st_nlink == 0)
    return Status::system(fmt::format(
        "{}: expected the file that this run writes, but got: it was removed",
        path_));
  return file_system::write(descriptor_,
                            std::as_bytes(std::span(line.data(), line.size())),
                            path_)
             ? Status()
             : systemError(path_, "write the file");
}

Status MetricsFile::sync() {
  return file_system::sync(descriptor_, path_)
             ? Status()
             : systemError(path_, "write the file to disk");
}

} // namespace trainc::trainrun
