//===- GemmBenchmark.cpp - generated matrix products against the peak -----===//
//
// Prints GFLOP/s of one thread at GPT-2's shapes (T = 1024, C = 768, V =
// 50304), and the fraction of the peak, which a kernel of nothing but fused
// multiply-adds measures just before each. A result above the peak is reported
// as an error.
//
//===----------------------------------------------------------------------===//
#include "test/unit/compiler/codegen/GemmKernels.h"
#include "test/unit/compiler/codegen/KernelRunner.h"

#include <fmt/core.h>
#include <functional>
#include <random>
#include <time.h>

using namespace trainc::test;

namespace {

/// Processor time of this thread, which other programs on the machine do not
/// count in.
double elapsedSeconds(const std::function<void()> &body) {
  auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
  };
  double start = now();
  body();
  return now() - start;
}

constexpr int peakChains = 12, peakSteps = 1000000;

/// A kernel of independent multiply-adds in registers.
std::string peakKernel(int64_t lanes) {
  std::string vector = fmt::format("vector<{}xf32>", lanes), starts, types,
              body, yields;
  for (int i = 0; i < peakChains; ++i) {
    std::string comma = i ? ", " : "";
    starts += fmt::format("{}%s{} = %y", comma, i);
    types += comma + vector;
    body +=
        fmt::format("  %t{0} = vector.fma %s{0}, %x, %y : {1}\n", i, vector);
    yields += fmt::format("{}%t{}", comma, i);
  }
  std::string sum = "%r#0";
  std::string tail;
  for (int i = 1; i < peakChains; ++i) {
    tail +=
        fmt::format("%u{0} = arith.addf {1}, %r#{0} : {2}\n", i, sum, vector);
    sum = fmt::format("%u{}", i);
  }
  return fmt::format(
      "plan.kernel @peak access [1, 2] computes \"peak\" {{\n"
      "^bb0(%in: memref<2x{0}xf32>, %out: memref<{0}xf32>):\n"
      "%c0 = arith.constant 0 : index\n%c1 = arith.constant 1 : index\n"
      "%n = arith.constant {1} : index\n"
      "%x = vector.load %in[%c0, %c0] : memref<2x{0}xf32>, {2}\n"
      "%y = vector.load %in[%c1, %c0] : memref<2x{0}xf32>, {2}\n"
      "%r:{3} = scf.for %i = %c0 to %n step %c1 iter_args({4}) -> ({5}) {{\n{6}"
      "  scf.yield {7} : {5}\n}}\n{8}"
      "vector.store {9}, %out[%c0] : memref<{0}xf32>, {2}\nplan.return\n}}\n",
      lanes, peakSteps, vector, peakChains, starts, types, body, yields, tail,
      sum);
}

/// GFLOP/s of the peak kernel: the best of a few runs.
double measurePeak(const Kernels &kernels, int64_t lanes) {
  Buffer<float> in(2 * lanes, 0.5f), out(lanes);
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat)
    best = std::max(best, 2e-9 * peakChains * peakSteps * double(lanes) /
                              elapsedSeconds([&] {
                                kernels.call("peak", {in.data(), out.data()});
                              }));
  return best;
}

} // namespace

int main(int argc, char **argv) {
  std::vector<GemmShape> shapes = {
      {"qkv_nn", 1024, 2304, 768},
      {"ffn_nn", 1024, 3072, 768},
      {"project_nn", 1024, 768, 3072},
      {"ffn_nt", 1024, 3072, 768, false, true},
      {"weight_tn", 768, 3072, 1024, true, false},
      {"weight_tn_wide", 3072, 768, 1024, true, false},
      {"head_nt", 1024, 50304, 768, false, true},
      {"head_nn", 1024, 768, 50304},
  };
  trainc::codegen::CodegenCpuOptions options;
  if (argc > 1)
    options.cpu = argv[1];
  int64_t lanes = hostHasAvx512() && options.cpu != "x86-64-v3" ? 16 : 8;
  std::string text = peakKernel(lanes);
  for (const GemmShape &s : shapes)
    text += gemmKernel(s);
  Kernels kernels(text, options);
  if (!kernels.ok()) {
    fmt::print(stderr, "error: {}", kernels.error());
    return 1;
  }
  std::mt19937 random(1);
  std::uniform_real_distribution<float> distribution(-1, 1);
  bool plausible = true;
  for (const GemmShape &s : shapes) {
    Buffer<float> a(s.m * s.k), b(s.k * s.n), c(s.m * s.n);
    for (Buffer<float> *buffer : {&a, &b})
      for (size_t i = 0; i < buffer->size(); ++i)
        (*buffer)[i] = distribution(random);
    double flops = 2.0 * double(s.m) * double(s.n) * double(s.k), best = 0;
    for (int repeat = 0; repeat < 5; ++repeat)
      best =
          std::max(best, flops * 1e-9 / elapsedSeconds([&] {
                           kernels.call(s.name, {a.data(), b.data(), c.data()});
                         }));
    double peak = measurePeak(kernels, lanes);
    plausible &= best < 1.05 * peak;
    fmt::print(
        "{:16} {:5} x {:5} x {:5}  {:7.1f} GFLOP/s  {:5.1f} % of {:.1f}\n",
        s.name, s.m, s.n, s.k, best, 100 * best / peak, peak);
  }
  if (!plausible)
    fmt::print(
        stderr,
        "error: expected results below the peak; the measurement is wrong\n");
  return plausible ? 0 : 1;
}
