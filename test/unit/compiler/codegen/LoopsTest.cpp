//===- LoopsTest.cpp - workgroups, loops, scratch and the image -----------===//

#include "test/unit/compiler/codegen/KernelRunner.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace trainc::test {
namespace {

/// Both ways of compiling; every test of results runs for each.
class Loops : public testing::TestWithParam<bool> {
protected:
  codegen::CodegenCpuOptions options() const {
    codegen::CodegenCpuOptions o;
    o.reference = GetParam();
    return o;
  }
  std::mt19937_64 random{20240611};
  Buffer<float> uniform(size_t count) {
    Buffer<float> result(count);
    std::uniform_real_distribution<float> distribution(-1, 1);
    for (size_t i = 0; i < count; ++i)
      result[i] = distribution(random);
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, Loops, testing::Bool(), [](const auto &info) {
  return info.param ? "reference" : "fast";
});

/// |got - expected| relative to `scale`; NaN never passes.
void expectClose(double got, double expected, double scale, double tolerance) {
  EXPECT_TRUE(std::abs(got - expected) <= tolerance * scale)
      << "got " << got << ", expected " << expected << " within " << tolerance
      << " of " << scale;
}

const char *const tiled = R"(
  #rows = affine_map<(d0) -> (-d0 + 37, 8)>
  #cols = affine_map<(d0) -> (-d0 + 53, 16)>
  plan.kernel @bias access [1, 1, 2] computes "bias" {
  ^bb0(%x: memref<37x53xf32>, %b: memref<53xf32>, %out: memref<37x53xf32>):
    scf.forall (%i, %j) = (0, 0) to (37, 53) step (8, 16) {
      %m = affine.min #rows(%i)
      %n = affine.min #cols(%j)
      %xs = memref.subview %x[%i, %j] [%m, %n] [1, 1] : memref<37x53xf32> to memref<?x?xf32, strided<[53, 1], offset: ?>>
      %bs = memref.subview %b[%j] [%n] [1] : memref<53xf32> to memref<?xf32, strided<[1], offset: ?>>
      %os = memref.subview %out[%i, %j] [%m, %n] [1, 1] : memref<37x53xf32> to memref<?x?xf32, strided<[53, 1], offset: ?>>
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
                      iterator_types = ["parallel", "parallel"]}
        ins(%xs, %bs : memref<?x?xf32, strided<[53, 1], offset: ?>>, memref<?xf32, strided<[1], offset: ?>>)
        outs(%os : memref<?x?xf32, strided<[53, 1], offset: ?>>) {
      ^bb0(%a: f32, %c: f32, %o: f32):
        %s = arith.addf %a, %c : f32
        linalg.yield %s : f32
      }
    }
    plan.return
  }
)";

TEST_P(Loops, WorkgroupsCoverDynamicEdgeTiles) {
  Kernels kernels(tiled, options());
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  EXPECT_EQ(kernels.entry("bias").workgroups, 5u * 4u);
  Buffer<float> x = uniform(37 * 53), b = uniform(53), out(37 * 53, NAN);
  ASSERT_TRUE(kernels.call("bias", {x.data(), b.data(), out.data()}, true));
  for (size_t i = 0; i < 37; ++i)
    for (size_t j = 0; j < 53; ++j)
      EXPECT_EQ(out[i * 53 + j], x[i * 53 + j] + b[j]) << i << ", " << j;
  EXPECT_TRUE(out.intact() && x.intact() && b.intact());
}

const char *const softmax = R"(
  #id = affine_map<(i, j) -> (i, j)>
  #row = affine_map<(i, j) -> (i)>
  plan.kernel @softmax access [1, 2] computes "softmax" {
  ^bb0(%x: memref<6x131xf32>, %out: memref<6x131xf32>):
    scf.forall (%w) in (3) {
      %r = affine.apply affine_map<(d0) -> (d0 * 2)>(%w)
      %zero = arith.constant 0.0 : f64
      %low = arith.constant 0xFF800000 : f32
      %xs = memref.subview %x[%r, 0] [2, 131] [1, 1] : memref<6x131xf32> to memref<2x131xf32, strided<[131, 1], offset: ?>>
      %os = memref.subview %out[%r, 0] [2, 131] [1, 1] : memref<6x131xf32> to memref<2x131xf32, strided<[131, 1], offset: ?>>
      %max = memref.alloc() : memref<2xf32>
      %sum = memref.alloca() : memref<2xf64>
      linalg.fill ins(%low : f32) outs(%max : memref<2xf32>)
      linalg.fill ins(%zero : f64) outs(%sum : memref<2xf64>)
      linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
        ins(%xs : memref<2x131xf32, strided<[131, 1], offset: ?>>) outs(%max : memref<2xf32>) {
      ^bb0(%a: f32, %m: f32):
        %n = arith.maximumf %a, %m : f32
        linalg.yield %n : f32
      }
      linalg.generic {indexing_maps = [#id, #row, #id, #row], iterator_types = ["parallel", "reduction"]}
        ins(%xs, %max : memref<2x131xf32, strided<[131, 1], offset: ?>>, memref<2xf32>)
        outs(%os, %sum : memref<2x131xf32, strided<[131, 1], offset: ?>>, memref<2xf64>) {
      ^bb0(%a: f32, %m: f32, %o: f32, %s: f64):
        %d = arith.subf %a, %m : f32
        %e = math.exp %d : f32
        %w64 = arith.extf %e : f32 to f64
        %t = arith.addf %s, %w64 : f64
        linalg.yield %e, %t : f32, f64
      }
      linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel"]}
        ins(%sum : memref<2xf64>) outs(%os : memref<2x131xf32, strided<[131, 1], offset: ?>>) {
      ^bb0(%s: f64, %e: f32):
        %s32 = arith.truncf %s : f64 to f32
        %p = arith.divf %e, %s32 : f32
        linalg.yield %p : f32
      }
      memref.dealloc %max : memref<2xf32>
    }
    plan.return
  }
)";

TEST_P(Loops, RowReductionsWithScratch) {
  Kernels kernels(softmax, options());
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  EXPECT_EQ(kernels.entry("softmax").scratch_bytes, 128u);
  Buffer<float> x = uniform(6 * 131), out(6 * 131, NAN);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] *= 30;
  ASSERT_TRUE(kernels.call("softmax", {x.data(), out.data()}));
  for (size_t i = 0; i < 6; ++i) {
    float highest = -INFINITY;
    double sum = 0;
    for (size_t j = 0; j < 131; ++j)
      highest = std::max(highest, x[i * 131 + j]);
    for (size_t j = 0; j < 131; ++j)
      sum += std::exp(double(x[i * 131 + j] - highest));
    for (size_t j = 0; j < 131; ++j) {
      double expected = std::exp(double(x[i * 131 + j] - highest)) / sum;
      expectClose(out[i * 131 + j], expected, expected, 2e-6);
    }
  }
  EXPECT_TRUE(out.intact());
}

const char *const columns = R"(
  plan.kernel @columns access [1, 2] computes "column sums" {
  ^bb0(%x: memref<77x45xf32>, %out: memref<45xf32>):
    %zero = arith.constant 0.0 : f32
    linalg.fill ins(%zero : f32) outs(%out : memref<45xf32>)
    linalg.generic {indexing_maps = [affine_map<(j, i) -> (i, j)>, affine_map<(j, i) -> (j)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<77x45xf32>) outs(%out : memref<45xf32>) {
    ^bb0(%a: f32, %s: f32):
      %t = arith.addf %s, %a : f32
      linalg.yield %t : f32
    }
    plan.return
  }
)";

TEST_P(Loops, ColumnReductionWithoutWorkgroupLoop) {
  Kernels kernels(columns, options());
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  EXPECT_EQ(kernels.entry("columns").workgroups, 1u);
  Buffer<float> x = uniform(77 * 45), out(45, NAN);
  ASSERT_TRUE(kernels.call("columns", {x.data(), out.data()}));
  for (size_t j = 0; j < 45; ++j) {
    double expected = 0, scale = 0;
    for (size_t i = 0; i < 77; ++i) {
      expected += x[i * 45 + j];
      scale += std::abs(x[i * 45 + j]);
    }
    expectClose(out[j], expected, scale, 1e-6);
  }
  EXPECT_TRUE(out.intact());
}

// A gather by i32 index, an i1 mask stored and read back, a memref.copy of a
// strided view, an in-place update, and a dynamically sized temporary.
const char *const mixed = R"(
  plan.kernel @gather access [1, 1, 2, 2] computes "gather" {
  ^bb0(%table: memref<11x19xf32>, %ids: memref<7xi32>, %mask: memref<7x19xi1>, %out: memref<7x19xf32>):
    scf.forall (%i) in (7) {
      %c0 = arith.constant 0 : index
      %id = memref.load %ids[%i] : memref<7xi32>
      %row = arith.index_cast %id : i32 to index
      %n = affine.min affine_map<(d0) -> (d0 + 13, 19)>(%i)
      %src = memref.subview %table[%row, 0] [1, %n] [1, 1] : memref<11x19xf32> to memref<?xf32, strided<[1], offset: ?>>
      %dst = memref.subview %out[%i, 0] [1, %n] [1, 1] : memref<7x19xf32> to memref<?xf32, strided<[1], offset: ?>>
      %tmp = memref.alloc(%n) : memref<?xf32>
      memref.copy %src, %tmp : memref<?xf32, strided<[1], offset: ?>> to memref<?xf32>
      memref.copy %tmp, %dst : memref<?xf32> to memref<?xf32, strided<[1], offset: ?>>
      %os = memref.subview %out[%i, 0] [1, 19] [1, 1] : memref<7x19xf32> to memref<19xf32, strided<[1], offset: ?>>
      %ms = memref.subview %mask[%i, 0] [1, 19] [1, 1] : memref<7x19xi1> to memref<19xi1, strided<[1], offset: ?>>
      %zero = arith.constant 0.0 : f32
      linalg.generic {indexing_maps = [affine_map<(j) -> (j)>, affine_map<(j) -> (j)>], iterator_types = ["parallel"]}
        ins(%os : memref<19xf32, strided<[1], offset: ?>>) outs(%ms : memref<19xi1, strided<[1], offset: ?>>) {
      ^bb0(%a: f32, %m: i1):
        %p = arith.cmpf ogt, %a, %zero : f32
        linalg.yield %p : i1
      }
      linalg.generic {indexing_maps = [affine_map<(j) -> (j)>, affine_map<(j) -> (j)>], iterator_types = ["parallel"]}
        ins(%ms : memref<19xi1, strided<[1], offset: ?>>) outs(%os : memref<19xf32, strided<[1], offset: ?>>) {
      ^bb0(%m: i1, %a: f32):
        %j = linalg.index 0 : index
        %j32 = arith.index_cast %j : index to i32
        %f = arith.sitofp %j32 : i32 to f32
        %v = arith.select %m, %f, %a : f32
        linalg.yield %v : f32
      }
    }
    plan.return
  }
)";

TEST_P(Loops, GatherMaskCopyAndInPlaceUpdate) {
  Kernels kernels(mixed, options());
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  EXPECT_EQ(kernels.entry("gather").scratch_bytes, 128u);
  Buffer<float> table = uniform(11 * 19), out = uniform(7 * 19);
  Buffer<int32_t> ids(7);
  for (size_t i = 0; i < 7; ++i)
    ids[i] = int32_t(random() % 11);
  Buffer<uint8_t> mask(7 * 19, 7);
  std::vector<float> before(out.data(), out.data() + out.size());
  ASSERT_TRUE(kernels.call(
      "gather", {table.data(), ids.data(), mask.data(), out.data()}));
  for (size_t i = 0; i < 7; ++i)
    for (size_t j = 0; j < 19; ++j) {
      float value = j < std::min<size_t>(i + 13, 19)
                        ? table[size_t(ids[i]) * 19 + j]
                        : before[i * 19 + j];
      EXPECT_EQ(mask[i * 19 + j], value > 0 ? 1 : 0);
      EXPECT_EQ(out[i * 19 + j], value > 0 ? float(j) : value);
    }
  EXPECT_TRUE(out.intact() && mask.intact());
}

TEST(Image, IsTheSameForEveryNumberOfThreads) {
  std::string text = std::string(tiled) + softmax + columns + mixed;
  std::vector<uint8_t> first;
  for (unsigned threads : {1u, 2u, 0u}) {
    codegen::CodegenCpuOptions options;
    options.threads = threads;
    Kernels kernels(text, options);
    ASSERT_TRUE(kernels.ok()) << kernels.error();
    if (first.empty())
      first = kernels.image();
    EXPECT_EQ(kernels.image(), first);
  }
}

TEST(Image, NamedCpuDecidesTheFeatures) {
  codegen::CodegenCpuOptions options;
  options.cpu = "x86-64-v3";
  Kernels narrow(columns, options);
  ASSERT_TRUE(narrow.ok()) << narrow.error();
  EXPECT_EQ(
      std::count(narrow.features().begin(), narrow.features().end(), "avx512f"),
      0);
  EXPECT_EQ(
      std::count(narrow.features().begin(), narrow.features().end(), "avx2"),
      1);
  options.cpu = "znver4";
  Kernels wide(columns, options);
  ASSERT_TRUE(wide.ok()) << wide.error();
  EXPECT_EQ(
      std::count(wide.features().begin(), wide.features().end(), "avx512f"), 1);
}

/// The launch's constant comes behind buffers and temporaries, and differs per
/// call of the same code.
TEST(Constant, IsReadFromTheArguments) {
  Kernels kernels(R"(
    plan.kernel @k access [1, 2] computes "k" {
    ^bb0(%x: memref<40xi64>, %out: memref<40xi64>, %c: i64):
      scf.forall (%i) = (0) to (40) step (8) {
        %t = memref.alloc() : memref<8xi64>
        %from = memref.subview %x[%i] [8] [1] : memref<40xi64> to memref<8xi64, strided<[1], offset: ?>>
        %to = memref.subview %out[%i] [8] [1] : memref<40xi64> to memref<8xi64, strided<[1], offset: ?>>
        linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
            ins(%from : memref<8xi64, strided<[1], offset: ?>>) outs(%t : memref<8xi64>) {
        ^bb1(%a: i64, %b: i64):
          %s = arith.addi %a, %c : i64
          linalg.yield %s : i64
        }
        linalg.generic {indexing_maps = [affine_map<(d0) -> (7 - d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
            ins(%t : memref<8xi64>) outs(%to : memref<8xi64, strided<[1], offset: ?>>) {
        ^bb1(%a: i64, %b: i64):
          linalg.yield %a : i64
        }
      }
      plan.return
    })");
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  Buffer<int64_t> x(40), out(40);
  for (int64_t i = 0; i < 40; ++i)
    x[size_t(i)] = i * i;
  for (int64_t constant : {int64_t(0), int64_t(-3), int64_t(1) << 40}) {
    ASSERT_TRUE(kernels.call("k", {x.data(), out.data()}, false, constant));
    for (int64_t i = 0; i < 40; ++i) {
      int64_t from = i / 8 * 8 + 7 - i % 8;
      ASSERT_EQ(out[size_t(i)], from * from + constant) << i;
    }
  }
}

TEST(Errors, NameWhatWasExpected) {
  codegen::CodegenCpuOptions options;
  options.cpu = "x86-64-v2";
  EXPECT_NE(Kernels(columns, options)
                .error()
                .find("expected a CPU with AVX2 and FMA"),
            std::string::npos);
  options.cpu = "pentium-of-my-dreams";
  EXPECT_NE(Kernels(columns, options)
                .error()
                .find("expected the name of an x86-64 CPU"),
            std::string::npos);

  Kernels unbounded(R"(
    plan.kernel @k access [1, 2] computes "k" {
    ^bb0(%n: memref<i64>, %out: memref<4xf32>):
      %l = memref.load %n[] : memref<i64>
      %i = arith.index_cast %l : i64 to index
      %t = memref.alloc(%i) : memref<?xf32>
      %c0 = arith.constant 0 : index
      %v = memref.load %t[%c0] : memref<?xf32>
      memref.store %v, %out[%c0] : memref<4xf32>
      plan.return
    })");
  EXPECT_NE(unbounded.error().find("constant upper bounds"), std::string::npos)
      << unbounded.error();

  Kernels outside(R"(
    plan.kernel @k access [2] computes "k" {
    ^bb0(%out: memref<4xf32>):
      %z = arith.constant 0.0 : f32
      linalg.fill ins(%z : f32) outs(%out : memref<4xf32>)
      scf.forall (%i) in (4) {
        memref.store %z, %out[%i] : memref<4xf32>
      }
      plan.return
    })");
  EXPECT_NE(outside.error().find("beside the workgroup loop of kernel 'k'"),
            std::string::npos)
      << outside.error();

  Kernels library(R"(
    plan.kernel @k access [1, 2] computes "k" {
    ^bb0(%x: memref<f64>, %out: memref<f64>):
      %v = memref.load %x[] : memref<f64>
      %r = math.atan %v : f64
      memref.store %r, %out[] : memref<f64>
      plan.return
    })");
  EXPECT_NE(library.error().find("back end can expand"), std::string::npos)
      << library.error();
}

} // namespace
} // namespace trainc::test
