//===- Profile.cpp - trainrun profile -------------------------------------===//
//
// Times every launch of some training steps and sums them by kernel, largest
// first, with the rates that the kernels' counts of operations and bytes give.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/step/StepLoop.h"
#include "tools/trainrun/Support.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace trainc::trainrun {

namespace {
struct Row {
  std::string name;
  uint64_t launches = 0, elapsed_ns = 0;
  double flops = 0, bytes = 0;
};
} // namespace

static void addProgram(Session &session, size_t index,
                       std::map<std::string, Row> &rows) {
  const abi::Program &program = session.plan().program(index);
  std::span<const LaunchTime> times = session.device().profile(index);
  for (size_t i = 0; i < times.size(); ++i) {
    const abi::CommandItem &item =
        *program.commands()->Get(static_cast<uint32_t>(i));
    std::string name = "copy";
    double flops = 0, bytes = 0;
    if (const abi::Launch *launch = item.command_as_Launch()) {
      const abi::Kernel &kernel =
          *session.plan().variant().kernels()->Get(launch->kernel());
      name = view(kernel.name());
      if (std::string_view operation = view(kernel.operation());
          !operation.empty())
        name += fmt::format(" ({})", operation);
      flops = kernel.flops();
      bytes = kernel.bytes();
    }
    Row &row = rows[name];
    row.name = name;
    row.launches += times[i].runs;
    row.elapsed_ns += times[i].elapsed_ns;
    row.flops += flops * static_cast<double>(times[i].runs);
    row.bytes += bytes * static_cast<double>(times[i].runs);
  }
}

static void printRows(std::vector<Row> rows, uint64_t steps) {
  std::sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) {
    return a.elapsed_ns > b.elapsed_ns;
  });
  uint64_t total_ns = 0;
  for (const Row &row : rows)
    total_ns += row.elapsed_ns;
  fmt::print("{:>9} {:>6} {:>9} {:>9} {:>8}  kernel\n", "ms/step", "%",
             "launches", "GFLOP/s", "GB/s");
  for (const Row &row : rows) {
    if (row.launches == 0)
      continue;
    double ns = static_cast<double>(std::max<uint64_t>(row.elapsed_ns, 1));
    fmt::print("{:>9.3f} {:>6.1f} {:>9} {:>9.1f} {:>8.1f}  {}\n",
               ns / 1e6 / static_cast<double>(steps),
               100 * ns / static_cast<double>(std::max<uint64_t>(total_ns, 1)),
               row.launches / steps, row.flops / ns, row.bytes / ns, row.name);
  }
  fmt::print("{:>9.3f} {:>6.1f}                              all\n",
             static_cast<double>(total_ns) / 1e6 / static_cast<double>(steps),
             100.0);
}

Status runProfile(const ProfileOptions &options) {
  auto session = Session::open(options.plan, {options.threads, {}});
  if (!session.ok())
    return session.status();
  auto loop = StepLoop::create(**session);
  if (!loop.ok())
    return loop.status();
  CausalDataOptions data_options;
  data_options.seed = (*loop)->seed();
  auto data = openData((*session)->plan(), options.data, data_options);
  if (!data.ok())
    return data.status();
  TRAINC_RETURN_IF_ERROR((*loop)->initialize());
  if (!options.weights.empty())
    TRAINC_RETURN_IF_ERROR(loadWeights(**session, options.weights));
  StepResult result;
  // One step first, so that page faults and cold caches are not measured.
  TRAINC_RETURN_IF_ERROR((*loop)->runStep(1, **data, result));
  (*session)->device().enableProfile();
  for (uint64_t step = 2; step < 2 + options.steps; ++step)
    TRAINC_RETURN_IF_ERROR((*loop)->runStep(step, **data, result));
  std::map<std::string, Row> rows;
  for (size_t i = 0; i < (*session)->plan().variant().programs()->size(); ++i)
    addProgram(**session, i, rows);
  std::vector<Row> list;
  for (auto &[name, row] : rows)
    list.push_back(row);
  printRows(std::move(list), options.steps);
  return {};
}

} // namespace trainc::trainrun
