//===- GemmBenchmark.cpp - generated matrix products against the peak -----===//
//
// Prints GFLOP/s of one thread at the products of a training step of GPT-2 124M
// (1024 tokens, C = 768, V = 50257), forward (nn, the head nt), backward to the
// input (nt, the head nn) and to the weight (tn), cut into tiles as the fusion
// stage does. Each is compared with the peak, which a kernel of nothing but
// fused multiply-adds measures just before and after it; the median of several
// such pairs counts, because clocks vary. A result above the peak is reported
// as an error.
//
//===----------------------------------------------------------------------===//
#include "test/unit/compiler/codegen/GemmKernels.h"
#include "test/unit/compiler/codegen/KernelRunner.h"

#include <algorithm>
#include <fmt/core.h>
#include <functional>
#include <random>
#include <sys/mman.h>
#include <time.h>

using namespace trainc::test;

namespace {

/// Floats in huge pages where available, as in the runtime's arenas, freed
/// by the caller.
float *allocate(int64_t count, std::mt19937 &random) {
  constexpr size_t page = size_t{2} << 20;
  size_t bytes = (size_t(count) * sizeof(float) + page - 1) / page * page;
  void *memory = std::aligned_alloc(page, bytes);
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
  auto *floats = static_cast<float *>(memory);
  std::uniform_real_distribution<float> distribution(0.5f, 1);
  for (int64_t i = 0; i < count; ++i)
    floats[i] = i < 4096 ? distribution(random) : floats[i - 4096];
  return floats;
}

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

constexpr int peakChains = 12, peakSteps = 300000;

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

/// GFLOP/s of the peak kernel.
double measurePeak(const Kernels &kernels, int64_t lanes) {
  static Buffer<float> in(size_t(2 * lanes), 0.5f), out(size_t(lanes), 0.0f);
  return 2e-9 * peakChains * peakSteps * double(lanes) /
         elapsedSeconds([&] { kernels.call("peak", {in.data(), out.data()}); });
}

struct Measurement {
  double gflops, peak;
  double share() const { return gflops / peak; }
};

/// The pair of median share.
Measurement measure(const Kernels &kernels, int64_t lanes, const GemmShape &s,
                    void *scratch, const std::vector<void *> &buffers) {
  constexpr int repeats = 9;
  double flops = 2.0 * double(s.m) * double(s.n) * double(s.k);
  std::vector<Measurement> all;
  kernels.callIn(scratch, s.name, buffers);
  for (int repeat = 0; repeat < repeats; ++repeat) {
    double before = measurePeak(kernels, lanes);
    double gflops = flops * 1e-9 / elapsedSeconds([&] {
                      kernels.callIn(scratch, s.name, buffers);
                    });
    all.push_back({gflops, (before + measurePeak(kernels, lanes)) / 2});
  }
  std::sort(all.begin(), all.end(),
            [](auto &x, auto &y) { return x.share() < y.share(); });
  return all[repeats / 2];
}

} // namespace

int main(int argc, char **argv) {
  std::vector<GemmShape> shapes;
  auto add = [&](const char *name, int64_t n, int64_t k, bool transposed) {
    auto shape = [&](const char *what, int64_t m, int64_t n, int64_t k, bool a,
                     bool b) {
      GemmShape s;
      s.name = fmt::format("{}_{}", name, what);
      s.m = m, s.n = n, s.k = k, s.a_transposed = a, s.b_transposed = b;
      s.tile_m = m == 768 ? (n == 768 ? 384 : 768)
                          : (m == 1024 && n == 768 ? 512 : 1024);
      s.tile_n = 192;
      shapes.push_back(s);
    };
    shape(transposed ? "forward_nt" : "forward_nn", 1024, n, k, false,
          transposed);
    shape(transposed ? "input_nn" : "input_nt", 1024, k, n, false, !transposed);
    // The weight has the layout [K, N], or [N, K] where it is transposed.
    shape("weight_tn", transposed ? n : k, transposed ? k : n, 1024, true,
          false);
  };
  add("qkv", 2304, 768, false);
  add("project", 768, 768, false);
  add("ffn", 3072, 768, false);
  add("ffn_project", 768, 3072, false);
  add("head", 50257, 768, true);
  trainc::codegen::CodegenCpuOptions options;
  if (argc > 1)
    options.cpu = argv[1];
  // The second argument: only shapes whose names contain it.
  if (argc > 2)
    std::erase_if(shapes, [&](const GemmShape &s) {
      return s.name.find(argv[2]) == std::string::npos;
    });
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
  using Memory = std::unique_ptr<float, decltype(&std::free)>;
  Memory scratch(allocate(int64_t{1} << 21, random), &std::free);
  bool plausible = true;
  for (const GemmShape &s : shapes) {
    std::unique_ptr<float, decltype(&std::free)> a(allocate(s.m * s.k, random),
                                                   &std::free),
        b(allocate(s.k * s.n, random), &std::free),
        c(allocate(s.m * s.n, random), &std::free);
    Measurement result =
        measure(kernels, lanes, s, scratch.get(), {a.get(), b.get(), c.get()});
    plausible &= result.share() < 1.05;
    fmt::print(
        "{:24} {:5} x {:5} x {:5}  {:7.1f} GFLOP/s  {:5.1f} % of {:.1f}\n",
        s.name, s.m, s.n, s.k, result.gflops, 100 * result.share(),
        result.peak);
    std::fflush(stdout);
  }
  if (!plausible)
    fmt::print(
        stderr,
        "error: expected results below the peak; the measurement is wrong\n");
  return plausible ? 0 : 1;
}
