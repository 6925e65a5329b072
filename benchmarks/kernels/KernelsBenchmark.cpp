//===- KernelsBenchmark.cpp - every kernel of a module, timed -------------===//
//
// Usage: kernels-benchmark MODULE.mlir [CPU]. The module is a dump of the
// memory stage (trainc compile --dump-stages). Prints each kernel's time on one
// thread and its GFLOP/s and GB/s by the kernel's own counts, slowest first.
// Integers are zero and floats one half, so results mean nothing. Buffers lie
// one behind another in huge pages where the system gives them, as in the
// arena.
//
//===----------------------------------------------------------------------===//
#include "test/unit/compiler/codegen/KernelRunner.h"

#include <algorithm>
#include <fmt/core.h>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <time.h>

using namespace trainc::test;

/// `size_bytes` at the start of a huge page.
static std::shared_ptr<char> allocate(size_t size_bytes) {
  constexpr size_t page = 2 << 20;
  size_t whole = (size_bytes / page + 1) * page;
  void *data = std::aligned_alloc(page, whole);
  (void)madvise(data, whole, MADV_HUGEPAGE);
  return {static_cast<char *>(data), std::free};
}

/// Processor time of this thread.
static double nowSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

int main(int argc, char **argv) {
  std::ifstream file(argc > 1 ? argv[1] : "");
  if (!file) {
    fmt::print(stderr, "error: expected a module's file as argument\n");
    return 1;
  }
  std::stringstream text;
  text << file.rdbuf();
  trainc::codegen::CodegenCpuOptions options;
  if (argc > 2)
    options.cpu = argv[2];
  Kernels kernels(text.str(), options);
  if (!kernels.ok()) {
    fmt::print(stderr, "error: {}", kernels.error());
    return 1;
  }
  struct Row {
    double seconds;
    std::string line;
  };
  std::vector<Row> rows;
  for (const auto &[name, entry] : kernels.all()) {
    size_t arena_bytes = 0;
    std::vector<size_t> offsets;
    for (uint64_t bytes : entry.parameter_bytes) {
      offsets.push_back(arena_bytes);
      arena_bytes += (bytes + 63) / 64 * 64;
    }
    std::shared_ptr<char> arena = allocate(arena_bytes);
    std::vector<void *> buffers;
    for (size_t i = 0; i < offsets.size(); ++i) {
      buffers.push_back(arena.get() + offsets[i]);
      std::fill_n(static_cast<float *>(buffers.back()),
                  (entry.parameter_bytes[i] + 3) / 4,
                  entry.parameter_is_float[i] ? 0.5f : 0.0f);
    }
    double best = 1e30;
    for (int repeat = 0; repeat < 4; ++repeat) {
      double start = nowSeconds();
      kernels.call(name, buffers);
      best = std::min(best, nowSeconds() - start);
    }
    rows.push_back(
        {best, fmt::format(
                   "{:28} {:28} {:6} {:10.1f} us {:8.1f} GFLOP/s {:8.1f} GB/s",
                   name, entry.computes, entry.workgroups, best * 1e6,
                   entry.flops / best * 1e-9, entry.bytes / best * 1e-9)});
  }
  std::sort(rows.begin(), rows.end(),
            [](const Row &x, const Row &y) { return x.seconds > y.seconds; });
  for (const Row &row : rows)
    fmt::print("{}\n", row.line);
  return 0;
}
