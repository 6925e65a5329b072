//===- ContractionsTest.cpp - matrix products of every layout and size ----===//

#include "test/unit/compiler/codegen/GemmKernels.h"
#include "test/unit/compiler/codegen/KernelRunner.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace trainc::test {
namespace {

template <typename T>
void checkProduct(const Kernels &kernels, const GemmShape &s,
                  std::mt19937_64 &random) {
  SCOPED_TRACE(s.name);
  std::uniform_real_distribution<double> distribution(-1, 1);
  // NaN in C shows when it is read although it must be overwritten.
  Buffer<T> a(s.m * s.k), b(s.k * s.n), c(s.m * s.n, T(NAN));
  for (Buffer<T> *buffer : {&a, &b})
    for (size_t i = 0; i < buffer->size(); ++i)
      (*buffer)[i] = T(distribution(random));
  if (s.accumulate)
    for (size_t i = 0; i < c.size(); ++i)
      c[i] = T(distribution(random));
  std::vector<T> before(c.data(), c.data() + c.size());
  ASSERT_TRUE(kernels.call(s.name, {a.data(), b.data(), c.data()}))
      << "scratch overrun";
  ASSERT_TRUE(a.intact() && b.intact() && c.intact());
  double unit = std::numeric_limits<T>::epsilon();
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      int64_t at = s.c_transposed ? j * s.m + i : i * s.n + j;
      double expected = s.accumulate ? before[at] : 0,
             scale = std::abs(expected);
      for (int64_t k = 0; k < s.k; ++k) {
        double product = double(a[s.a_transposed ? k * s.m + i : i * s.k + k]) *
                         double(b[s.b_transposed ? j * s.k + k : k * s.n + j]);
        expected += product;
        scale += std::abs(product);
      }
      ASSERT_TRUE(std::abs(c[at] - expected) <= 16 * unit * scale)
          << "C[" << i << ", " << j << "] = " << c[at] << ", expected "
          << expected;
    }
}

void checkAll(const std::vector<GemmShape> &shapes,
              const codegen::CodegenCpuOptions &options) {
  std::string text;
  for (const GemmShape &s : shapes)
    text += gemmKernel(s);
  Kernels kernels(text, options);
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  std::mt19937_64 random(42);
  for (const GemmShape &s : shapes)
    if (s.type == "f32")
      checkProduct<float>(kernels, s, random);
    else
      checkProduct<double>(kernels, s, random);
}

/// Mode and CPU: the reference, AVX2 and AVX-512.
struct Mode {
  const char *name, *cpu;
  bool reference;
};

class Contractions : public testing::TestWithParam<Mode> {
protected:
  void SetUp() override {
    if (std::string(GetParam().cpu) == "x86-64-v4" && !hostHasAvx512())
      GTEST_SKIP() << "this machine has no AVX-512";
  }
  static codegen::CodegenCpuOptions options() {
    codegen::CodegenCpuOptions o;
    o.cpu = GetParam().cpu;
    o.reference = GetParam().reference;
    return o;
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, Contractions,
                         testing::Values(Mode{"avx512", "x86-64-v4", false},
                                         Mode{"avx2", "x86-64-v3", false},
                                         Mode{"reference", "x86-64-v3", true}),
                         [](const auto &info) { return info.param.name; });

TEST_P(Contractions, EveryLayoutWithDynamicEdges) {
  std::vector<GemmShape> shapes;
  for (int layout = 0; layout < 16; ++layout)
    for (const char *type : {"f32", "f64"}) {
      if (layout >= 8 && std::string(type) == "f64")
        continue;
      GemmShape s;
      s.name = fmt::format("g{}_{}", layout, type);
      s.type = type;
      s.m = 83, s.n = 117, s.k = 71;
      s.tile_m = 40, s.tile_n = 64;
      s.a_transposed = layout & 1;
      s.b_transposed = layout & 2;
      s.accumulate = layout & 4;
      s.c_transposed = layout & 8;
      shapes.push_back(s);
    }
  checkAll(shapes, options());
}

TEST_P(Contractions, OddAndSmallStaticSizes) {
  const int64_t sizes[][3] = {
      {1, 1, 1},   {1, 48, 16}, {2, 8, 4},    {3, 17, 5},   {8, 48, 64},
      {9, 49, 33}, {5, 100, 9}, {64, 64, 64}, {33, 16, 20}, {16, 31, 100}};
  std::vector<GemmShape> shapes;
  int number = 0;
  for (auto [m, n, k] : sizes) {
    GemmShape s;
    s.name = fmt::format("s{}", number);
    s.m = m, s.n = n, s.k = k;
    s.whole = true;
    s.a_transposed = number & 1;
    s.b_transposed = number & 2;
    s.type = number % 3 == 2 ? "f64" : "f32";
    ++number;
    shapes.push_back(s);
    std::swap(s.a_transposed, s.b_transposed);
    s.name += "x";
    s.accumulate = true;
    shapes.push_back(s);
  }
  checkAll(shapes, options());
}

// The depth is cut into blocks, and the width too where it is large.
TEST_P(Contractions, SeveralBlocksOfDepthAndWidth) {
  std::vector<GemmShape> shapes;
  for (int layout = 0; layout < 4; ++layout) {
    GemmShape s;
    s.name = fmt::format("b{}", layout);
    s.m = 29, s.n = 1111, s.k = 600;
    s.whole = layout % 2;
    s.tile_m = 29, s.tile_n = 1000;
    s.a_transposed = layout & 1;
    s.b_transposed = layout & 2;
    shapes.push_back(s);
  }
  checkAll(shapes, options());
}

// Attention's batched products: heads as an outer dimension in the middle.
TEST_P(Contractions, BatchedWithStridedRows) {
  std::string text = R"(
    plan.kernel @scores access [1, 1, 2] computes "scores" {
    ^bb0(%q: memref<20x3x24xf32>, %k: memref<28x3x24xf32>, %s: memref<3x20x28xf32>):
      %zero = arith.constant 0.0 : f32
      linalg.fill ins(%zero : f32) outs(%s : memref<3x20x28xf32>)
      linalg.generic {indexing_maps = [affine_map<(h, i, j, d) -> (i, h, d)>, affine_map<(h, i, j, d) -> (j, h, d)>, affine_map<(h, i, j, d) -> (h, i, j)>],
                      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
        ins(%q, %k : memref<20x3x24xf32>, memref<28x3x24xf32>) outs(%s : memref<3x20x28xf32>) {
      ^bb0(%x: f32, %y: f32, %z: f32):
        %p = arith.mulf %y, %x : f32
        %r = arith.addf %p, %z : f32
        linalg.yield %r : f32
      }
      plan.return
    })";
  Kernels kernels(text, options());
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  std::mt19937_64 random(3);
  std::uniform_real_distribution<float> distribution(-1, 1);
  Buffer<float> q(20 * 3 * 24), k(28 * 3 * 24), s(3 * 20 * 28, NAN);
  for (Buffer<float> *buffer : {&q, &k})
    for (size_t i = 0; i < buffer->size(); ++i)
      (*buffer)[i] = distribution(random);
  ASSERT_TRUE(kernels.call("scores", {q.data(), k.data(), s.data()}));
  for (size_t h = 0; h < 3; ++h)
    for (size_t i = 0; i < 20; ++i)
      for (size_t j = 0; j < 28; ++j) {
        double expected = 0, scale = 0;
        for (size_t d = 0; d < 24; ++d) {
          double product =
              double(q[(i * 3 + h) * 24 + d]) * k[(j * 3 + h) * 24 + d];
          expected += product;
          scale += std::abs(product);
        }
        double got = s[(h * 20 + i) * 28 + j];
        ASSERT_TRUE(std::abs(got - expected) <= 1e-6 * scale)
            << got << " " << expected;
      }
  EXPECT_TRUE(s.intact());
}

// What follows a product element by element runs part by part: several parts of
// rows, the last one smaller, after a depth of several blocks. The product is
// exact, so that the generic's result is too.
TEST_P(Contractions, EpiloguePartByPart) {
  constexpr int64_t m = 331, n = 117, k = 1600;
  for (bool a_transposed : {false, true}) {
    SCOPED_TRACE(a_transposed);
    std::string a = a_transposed ? "1600x331" : "331x1600",
                map = a_transposed ? "k, m" : "m, k";
    std::string text = fmt::format(
        R"(
    plan.kernel @biased access [1, 1, 1, 2, 2] computes "biased" {{
    ^bb0(%a: memref<{0}xf32>, %b: memref<1600x117xf32>, %v: memref<117xf32>, %c: memref<331x117xf32>, %d: memref<331x117xf32>):
      %zero = arith.constant 0.0 : f32
      linalg.fill ins(%zero : f32) outs(%c : memref<331x117xf32>)
      linalg.generic {{indexing_maps = [affine_map<(m, n, k) -> ({1})>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
                      iterator_types = ["parallel", "parallel", "reduction"]}}
        ins(%a, %b : memref<{0}xf32>, memref<1600x117xf32>) outs(%c : memref<331x117xf32>) {{
      ^bb0(%x: f32, %y: f32, %z: f32):
        %p = arith.mulf %x, %y : f32
        %r = arith.addf %p, %z : f32
        linalg.yield %r : f32
      }}
      linalg.generic {{indexing_maps = [affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m, n)>],
                      iterator_types = ["parallel", "parallel"]}}
        ins(%v : memref<117xf32>) outs(%c, %d : memref<331x117xf32>, memref<331x117xf32>) {{
      ^bb0(%x: f32, %y: f32, %z: f32):
        %row = linalg.index 0 : index
        %i = arith.index_cast %row : index to i32
        %f = arith.sitofp %i : i32 to f32
        %s = arith.addf %y, %x : f32
        %t = arith.addf %s, %f : f32
        linalg.yield %s, %t : f32, f32
      }}
      plan.return
    }})",
        a, map);
    Kernels kernels(text, options());
    ASSERT_TRUE(kernels.ok()) << kernels.error();
    std::mt19937_64 random(5);
    std::uniform_int_distribution<int> small(-8, 8);
    Buffer<float> x(m * k), y(k * n), v(n), c(m * n, NAN), d(m * n, NAN);
    for (Buffer<float> *buffer : {&x, &y, &v})
      for (size_t i = 0; i < buffer->size(); ++i)
        (*buffer)[i] = float(small(random));
    ASSERT_TRUE(kernels.call(
        "biased", {x.data(), y.data(), v.data(), c.data(), d.data()}));
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double expected = v[j];
        for (int64_t p = 0; p < k; ++p)
          expected += double(x[a_transposed ? p * m + i : i * k + p]) *
                      double(y[p * n + j]);
        ASSERT_EQ(c[i * n + j], expected) << i << ", " << j;
        ASSERT_EQ(d[i * n + j], expected + double(i)) << i << ", " << j;
      }
    EXPECT_TRUE(c.intact() && d.intact());
  }
}

} // namespace
} // namespace trainc::test
