//===- LimitsBenchmark.cpp - what this machine can do ---------------------===//
//
// Prints, as one JSON object, the fused multiply-adds and the bandwidth of each
// kind of sweep over caches and memory, with one thread and with several. The
// memory swept last is as large as what an optimizer step of a 124M model
// touches, so that a large shared cache does not pose as memory.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cpu/Arena.h"
#include "runtime/device/cpu/MachineLimits.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <fmt/core.h>
#include <iostream>

using namespace trainc;

namespace {

struct Options {
  unsigned threads = 0;
  uint64_t largest_mib = 2000;
  double seconds = 0.2;
  bool serve = false;
};

struct Place {
  const char *name;
  uint64_t bytes_per_thread; ///< 0: all of the memory
};
constexpr Place places[] = {
    {"l1", 24 << 10}, {"l2", 1 << 20}, {"l3", 16 << 20}, {"memory", 0}};

struct Kind {
  const char *name;
  Sweep sweep;
};
constexpr Kind kinds[] = {
    {"read", Sweep::Read}, {"copy", Sweep::Copy}, {"scale", Sweep::Scale}};

/// Limits of `threads` threads as a JSON object.
Result<std::string> measure(unsigned threads, std::span<float> memory,
                            double seconds) {
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads);
  if (!pool.ok())
    return pool.status();
  std::string text =
      fmt::format(R"({{"threads": {}, "fma_flops": {:.6g})"
                  R"(, "bfloat16_flops": {:.6g})",
                  (*pool)->threads(), measureMultiplyAdds(**pool, seconds),
                  measureMultiplyAdds(**pool, seconds, Factors::BFloat16));
  for (const Place &place : places) {
    uint64_t bytes = place.bytes_per_thread * threads;
    if (bytes == 0 || bytes > memory.size_bytes())
      bytes = memory.size_bytes();
    text += fmt::format(R"(, "{}": {{"bytes": {})", place.name, bytes);
    for (const Kind &kind : kinds)
      text += fmt::format(R"(, "{}": {:.6g})", kind.name,
                          measureSweep(**pool, kind.sweep,
                                       memory.first(bytes / sizeof(float)),
                                       seconds));
    text += '}';
  }
  return text + '}';
}

/// Sweeps of all the memory whenever a line of input asks for a "time"; other
/// lines are only answered (suite/workers.py).
Status serve(const Options &options, std::span<float> memory) {
  Result<std::unique_ptr<ThreadPool>> pool =
      ThreadPool::create(options.threads);
  if (!pool.ok())
    return pool.status();
  for (std::string line; std::getline(std::cin, line);) {
    if (line.find("\"time\"") == std::string::npos)
      fmt::print("{{\"ready\": true}}\n");
    else
      fmt::print("{{\"scale\": {:.6g}, \"read\": {:.6g}}}\n",
                 measureSweep(**pool, Sweep::Scale, memory, options.seconds),
                 measureSweep(**pool, Sweep::Read, memory, options.seconds));
    std::fflush(stdout);
  }
  return {};
}

Status run(Options options) {
  if (options.threads == 0)
    options.threads = allowedCpuCount();
  const uint64_t bytes = options.largest_mib << 20;
  Result<Arena> arena = Arena::allocate("limits", bytes, 4096);
  if (!arena.ok())
    return arena.status();
  std::span<float> memory(reinterpret_cast<float *>(arena->data()),
                          bytes / sizeof(float));
  std::fill(memory.begin(), memory.end(), 1.0f);
  if (options.serve)
    return serve(options, memory);
  Result<std::string> one = measure(1, memory, options.seconds);
  if (!one.ok())
    return one.status();
  Result<std::string> all = measure(options.threads, memory, options.seconds);
  if (!all.ok())
    return all.status();
  fmt::print("{{\"one\": {},\n \"all\": {}}}\n", *one, *all);
  return {};
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Measures the limits of this machine; prints one JSON object.");
  app.footer("Examples:\n"
             "  limits-benchmark\n"
             "  limits-benchmark --threads 2 --largest-mib 64 --seconds 0.01");
  app.add_option("--threads", options.threads,
                 "of the second half of the results; default: one per CPU");
  app.add_option("--largest-mib", options.largest_mib,
                 "memory to sweep; more than all caches")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "for each measurement")
      ->capture_default_str();
  app.add_flag("--serve", options.serve,
               "measure memory in place whenever standard input asks for a "
               "\"time\"");
  CLI11_PARSE(app, argc, argv);
  if (Status status = run(options); !status.ok()) {
    fmt::print(stderr, "error: {}\n", status.message());
    return status.exitStatus();
  }
  return 0;
}
