//===- Profile.cpp - trainrun profile -------------------------------------===//
//
// Times every launch of some training steps, sums them by kernel, and sets each
// sum beside the time that the machine needs at best for the kernel's counts of
// operations and bytes; what reads bfloat16 could multiply it as such. The
// machine's limits are measured first, with the same
// threads, and its multiply-adds once more at the end, as clocks change.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/device/cpu/MachineLimits.h"
#include "runtime/step/StepLoop.h"
#include "tools/trainrun/Device.h"
#include "tools/trainrun/Support.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace trainc::trainrun {

namespace {

/// All launches of one kernel, over all steps.
struct Row {
  std::string name, operation;
  uint64_t launches = 0, elapsed_ns = 0;
  double flops = 0, bytes = 0; ///< of one launch
  Factors factors = {};        ///< what it could multiply

  double seconds() const { return static_cast<double>(elapsed_ns) * 1e-9; }
  double count() const { return static_cast<double>(launches); }
};

struct Profile {
  MachineLimits limits;
  std::vector<Row> rows;     ///< slowest first
  double steps = 0;          ///< timed
  double kernel_seconds = 0; ///< of all steps
  double step_seconds = 0;   ///< of all steps, what the host does included

  /// Never more than it took: where a kernel's counts say otherwise, they are
  /// too high, and the step's bound must not rest on them.
  double leastSeconds(const Row &row) const {
    return std::min(row.seconds(), countedSeconds(row));
  }
  double countedSeconds(const Row &row) const {
    return row.count() * limits.leastSeconds(row.flops, row.bytes, row.factors);
  }
  double leastSeconds() const {
    double sum = 0;
    for (const Row &row : rows)
      sum += leastSeconds(row);
    return sum;
  }
  /// "compute" or "memory", whichever bounds the kernel.
  const char *bound(const Row &row) const {
    return limits.computeSeconds(row.flops, row.factors) >
                   limits.memorySeconds(row.bytes)
               ? "compute"
               : "memory";
  }
};

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

} // namespace

static Factors factorsOf(const abi::Kernel &kernel) {
  for (const abi::KernelParameter *parameter : *kernel.parameters())
    if (parameter->element_type() == abi::ElementType::BF16 &&
        parameter->access() == abi::Access::Read)
      return Factors::BFloat16;
  return Factors::Float32;
}

static void addProgram(Session &session, size_t index,
                       std::map<std::string, Row> &rows) {
  const abi::Program &program = session.plan().program(index);
  std::span<const LaunchTime> times = session.device().profile(index);
  for (size_t i = 0; i < times.size(); ++i) {
    const abi::CommandItem &item =
        *program.commands()->Get(static_cast<uint32_t>(i));
    Row command;
    if (const abi::Launch *launch = item.command_as_Launch()) {
      const abi::Kernel &kernel =
          *session.plan().variant().kernels()->Get(launch->kernel());
      command = {std::string(view(kernel.name())),
                 std::string(view(kernel.operation())),
                 0,
                 0,
                 kernel.flops(),
                 kernel.bytes(),
                 factorsOf(kernel)};
    } else {
      // Copies of one size are alike.
      double bytes =
          2.0 * static_cast<double>(session.plan()
                                        .variant()
                                        .buffers()
                                        ->Get(item.command_as_Copy()->source())
                                        ->size_bytes());
      command = {fmt::format("copy_{}", bytes / 2), "copy", 0, 0, 0, bytes, {}};
    }
    Row &row = rows.try_emplace(command.name, command).first->second;
    row.launches += times[i].runs;
    row.elapsed_ns += times[i].elapsed_ns;
  }
}

static void printTable(const Profile &profile) {
  const auto &bandwidths = profile.limits.bandwidths;
  const bool narrow =
      std::any_of(profile.rows.begin(), profile.rows.end(), [](const Row &row) {
        return row.factors == Factors::BFloat16;
      });
  fmt::print("limits  {:.0f} GFLOP/s{}, {:.0f} GB/s in the nearest cache, "
             "{:.0f} GB/s in memory ({} swept)\n\n",
             profile.limits.flops_per_second * 1e-9,
             narrow
                 ? fmt::format(" ({:.0f} of bfloat16)",
                               profile.limits.bfloat16_flops_per_second * 1e-9)
                 : "",
             bandwidths.front().bytes_per_second * 1e-9,
             bandwidths.back().bytes_per_second * 1e-9,
             humanBytes(bandwidths.back().size_bytes));
  fmt::print("{:>9} {:>6} {:>9} {:>9} {:>8} {:>9} {:<7}  kernel\n", "ms/step",
             "%", "launches", "GFLOP/s", "GB/s", "% of limit", "bound by");
  bool counted_too_high = false;
  for (const Row &row : profile.rows) {
    double seconds = row.seconds();
    bool too_high = profile.countedSeconds(row) > 1.05 * seconds;
    counted_too_high |= too_high;
    fmt::print(
        "{:>9.3f} {:>6.1f} {:>9} {:>9.1f} {:>8.1f} {:>9.1f}{} {:<8}  {}{}\n",
        seconds * 1e3 / profile.steps,
        100 * ratio(seconds, profile.kernel_seconds),
        row.count() / profile.steps,
        ratio(row.flops * row.count(), seconds) * 1e-9,
        ratio(row.bytes * row.count(), seconds) * 1e-9,
        100 * ratio(profile.leastSeconds(row), seconds), too_high ? '!' : ' ',
        profile.bound(row), row.name,
        row.operation.empty() ? "" : fmt::format(" ({})", row.operation));
  }
  double per_step = 1e3 / profile.steps;
  fmt::print("\nstep    {:.3f} ms measured, {:.3f} ms of it in kernels; at the "
             "limits {:.3f} ms: {:.1f} % reached\n",
             profile.step_seconds * per_step, profile.kernel_seconds * per_step,
             profile.leastSeconds() * per_step,
             100 * ratio(profile.leastSeconds(), profile.step_seconds));
  if (counted_too_high)
    fmt::print(
        "!       faster than the limits allow, so the kernel counts more "
        "bytes or operations than it needs\n");
}

static void printJson(const Profile &profile, const Session &session,
                      unsigned threads) {
  fmt::print("{{\"plan\": {}, \"target\": {}, \"device\": {}, \"threads\": {}, "
             "\"steps\": {},\n \"limits\": {{\"flops_per_second\": {}, "
             "\"bfloat16_flops_per_second\": {}, \"bandwidths\": [",
             jsonString(view(session.plan().table().name())),
             jsonString(view(session.plan().variant().target())),
             jsonString(deviceName()), threads, profile.steps,
             jsonNumber(profile.limits.flops_per_second),
             jsonNumber(profile.limits.bfloat16_flops_per_second));
  const char *separator = "";
  for (const MachineLimits::Bandwidth &step : profile.limits.bandwidths) {
    fmt::print("{}{{\"size_bytes\": {}, \"bytes_per_second\": {}}}", separator,
               step.size_bytes, jsonNumber(step.bytes_per_second));
    separator = ", ";
  }
  fmt::print("]}},\n \"kernels\": [");
  separator = "";
  for (const Row &row : profile.rows) {
    fmt::print(
        "{}\n  {{\"name\": {}, \"operation\": {}, \"launches\": {}, "
        "\"seconds\": {}, \"flops\": {}, \"bytes\": {}, \"least_seconds\": {}, "
        "\"share\": {}, \"bound\": \"{}\"}}",
        separator, jsonString(row.name), jsonString(row.operation),
        row.count() / profile.steps, jsonNumber(row.seconds() / profile.steps),
        jsonNumber(row.flops * row.count() / profile.steps),
        jsonNumber(row.bytes * row.count() / profile.steps),
        jsonNumber(profile.leastSeconds(row) / profile.steps),
        jsonNumber(ratio(profile.leastSeconds(row), row.seconds())),
        profile.bound(row));
    separator = ",";
  }
  fmt::print("],\n \"step\": {{\"seconds\": {}, \"kernel_seconds\": {}, "
             "\"least_seconds\": {}, \"share\": {}}}}}\n",
             jsonNumber(profile.step_seconds / profile.steps),
             jsonNumber(profile.kernel_seconds / profile.steps),
             jsonNumber(profile.leastSeconds() / profile.steps),
             jsonNumber(ratio(profile.leastSeconds(), profile.step_seconds)));
}

Status runProfile(const ProfileOptions &options) {
  auto session = Session::open(options.plan, {options.threads, {}});
  if (!session.ok())
    return session.status();
  auto loop = StepLoop::create(**session);
  if (!loop.ok())
    return loop.status();
  DataOptions data_options;
  data_options.seed = (*loop)->seed();
  data_options.shapes = (*loop)->shapes();
  auto data = openData((*session)->plan(), {"count", "accumulate"},
                       options.data, data_options);
  if (!data.ok())
    return data.status();
  Profile profile;
  // Before the plan's own memory is touched, so that both need not fit at once.
  auto limits =
      measureMachineLimits((*session)->pool(), options.sweep_mebibytes << 20);
  if (!limits.ok())
    return limits.status();
  profile.limits = std::move(*limits);

  TRAINC_RETURN_IF_ERROR((*loop)->initialize());
  if (!options.weights.empty())
    TRAINC_RETURN_IF_ERROR(loadWeights(**session, options.weights));
  StepResult result;
  // One step first, so that page faults and cold caches are not measured.
  TRAINC_RETURN_IF_ERROR((*loop)->runStep(1, **data, result));
  (*session)->device().enableProfile();
  for (uint64_t step = 2; step < 2 + options.steps; ++step) {
    TRAINC_RETURN_IF_ERROR((*loop)->runStep(step, **data, result));
    profile.step_seconds += static_cast<double>(result.duration_ns) * 1e-9;
  }
  profile.steps = static_cast<double>(options.steps);
  for (auto [limit, factors] :
       {std::pair(&profile.limits.flops_per_second, Factors::Float32),
        std::pair(&profile.limits.bfloat16_flops_per_second,
                  Factors::BFloat16)})
    *limit =
        std::max(*limit, measureMultiplyAdds((*session)->pool(), 0.1, factors));

  std::map<std::string, Row> rows;
  for (size_t i = 0; i < (*session)->plan().variant().programs()->size(); ++i)
    addProgram(**session, i, rows);
  for (auto &[name, row] : rows)
    if (row.launches) {
      profile.kernel_seconds += row.seconds();
      profile.rows.push_back(std::move(row));
    }
  std::sort(
      profile.rows.begin(), profile.rows.end(),
      [](const Row &a, const Row &b) { return a.elapsed_ns > b.elapsed_ns; });
  if (options.json)
    printJson(profile, **session, (*session)->pool().threads());
  else
    printTable(profile);
  return {};
}

} // namespace trainc::trainrun
