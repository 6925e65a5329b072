//===- MathTest.cpp - accuracy of expanded functions ----------------------===//
//
// Every function against the C library in double (long double for f64), over
// its whole range and at special values.
//
//===----------------------------------------------------------------------===//
#include "test/unit/compiler/codegen/KernelRunner.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace trainc::test {
namespace {

constexpr size_t count = 4099;
constexpr double infinity = std::numeric_limits<double>::infinity();

std::string unaryKernel(const std::string &op, const std::string &type) {
  std::string memref = "memref<" + std::to_string(count) + "x" + type + ">";
  return "plan.kernel @k_" + op + "_" + type +
         " access [1, 2] computes \"math\" {\n^bb0(%x: " + memref +
         ", %out: " + memref +
         "):\n linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, "
         "affine_map<(i) -> (i)>],"
         " iterator_types = [\"parallel\"]} ins(%x : " +
         memref + ") outs(%out : " + memref + ") {\n ^bb0(%a: " + type +
         ", %o: " + type + "):\n %r = math." + op + " %a : " + type +
         "\n linalg.yield %r : " + type + "\n }\n plan.return\n}\n";
}

struct Function {
  const char *name;
  long double (*exact)(long double);
  double low, high;    ///< range of random arguments
  double tolerance64;  ///< relative
  double tolerance32;  ///< relative; 0: not tested
  double absolute = 0; ///< allowed besides
};

const Function functions[] = {
    {"exp", [](long double x) { return std::exp(x); }, -700, 700, 1e-15, 0},
    {"exp", [](long double x) { return std::exp(x); }, -80, 80, 1e-15, 4e-7},
    {"exp2", [](long double x) { return std::exp2(x); }, -1000, 1000, 1e-15, 0},
    {"exp2", [](long double x) { return std::exp2(x); }, -100, 100, 1e-15,
     1e-7},
    {"expm1", [](long double x) { return std::expm1(x); }, -30, 30, 2e-15, 0},
    {"expm1", [](long double x) { return std::expm1(x); }, -1e-3, 1e-3, 1e-15,
     0},
    {"log", [](long double x) { return std::log(x); }, 1e-300, 10, 1e-15, 0},
    {"log", [](long double x) { return std::log(x); }, 0.5, 2, 2e-15, 1e-6,
     1e-8},
    {"log2", [](long double x) { return std::log2(x); }, 1e-3, 1e3, 2e-15, 0},
    {"log10", [](long double x) { return std::log10(x); }, 2, 1e3, 2e-15, 1e-7},
    {"log1p", [](long double x) { return std::log1p(x); }, -0.9, 100, 2e-15, 0},
    {"log1p", [](long double x) { return std::log1p(x); }, -1e-6, 1e-6, 2e-15,
     0},
    {"tanh", [](long double x) { return std::tanh(x); }, -25, 25, 2e-15, 5e-7},
    {"tanh", [](long double x) { return std::tanh(x); }, -1e-3, 1e-3, 2e-15,
     1e-6},
    {"erf", [](long double x) { return std::erf(x); }, -7, 7, 2e-15, 5e-6},
    {"erf", [](long double x) { return std::erf(x); }, -1e-3, 1e-3, 2e-15,
     1e-5},
    {"sin", [](long double x) { return std::sin(x); }, -7, 7, 1e-14, 0, 1e-16},
    {"sin", [](long double x) { return std::sin(x); }, -1e5, 1e5, 0, 0, 4e-16},
    {"cos", [](long double x) { return std::cos(x); }, -7, 7, 1e-14, 0, 1e-16},
    {"cos", [](long double x) { return std::cos(x); }, -7, 7, 0, 0, 4e-16},
    {"rsqrt", [](long double x) { return 1 / std::sqrt(x); }, 1e-10, 1e3, 1e-15,
     3e-7},
    {"sinh", [](long double x) { return std::sinh(x); }, 1, 100, 2e-15, 0},
};

class Math : public testing::TestWithParam<bool> {
protected:
  static codegen::CodegenCpuOptions options() {
    codegen::CodegenCpuOptions o;
    o.reference = GetParam();
    return o;
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, Math, testing::Bool(), [](const auto &info) {
  return info.param ? "reference" : "fast";
});

template <typename T>
void checkRange(const Kernels &kernels, const Function &f, double tolerance,
                std::mt19937_64 &random) {
  std::uniform_real_distribution<double> distribution(f.low, f.high);
  Buffer<T> x(count), out(count, T(NAN));
  for (size_t i = 0; i < count; ++i)
    x[i] = T(distribution(random));
  std::string name =
      std::string("k_") + f.name + (sizeof(T) == 8 ? "_f64" : "_f32");
  kernels.call(name, {x.data(), out.data()});
  for (size_t i = 0; i < count; ++i) {
    long double expected = f.exact(x[i]);
    long double error = std::abs(out[i] - expected);
    ASSERT_TRUE(error <= tolerance * std::abs(expected) + f.absolute)
        << name << "(" << x[i] << "): got " << out[i] << ", expected "
        << double(expected) << ", relative error "
        << double(error / std::abs(expected));
  }
  EXPECT_TRUE(out.intact());
}

TEST_P(Math, AccuracyOverTheRange) {
  std::string text;
  std::string done;
  for (const Function &f : functions)
    for (const char *type : {"f64", "f32"})
      if (std::string key = std::string(f.name) + type + " ";
          done.find(" " + key) == std::string::npos) {
        done += " " + key;
        text += unaryKernel(f.name, type);
      }
  Kernels kernels(text, options());
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  std::mt19937_64 random(7);
  for (const Function &f : functions) {
    checkRange<double>(kernels, f, f.tolerance64, random);
    if (f.tolerance32 > 0)
      checkRange<float>(kernels, f, f.tolerance32, random);
  }
}

struct Special {
  const char *name;
  double x, expected;
};

TEST_P(Math, SpecialValues) {
  const double nan = NAN, tiny = 5e-324;
  const Special specials[] = {
      {"exp", -infinity, 0},
      {"exp", infinity, infinity},
      {"exp", 0, 1},
      {"exp", 800, infinity},
      {"exp", -800, 0},
      {"exp", nan, nan},
      {"log", 0, -infinity},
      {"log", 1, 0},
      {"log", infinity, infinity},
      {"log", -1, nan},
      {"log", nan, nan},
      {"tanh", infinity, 1},
      {"tanh", -infinity, -1},
      {"tanh", 100, 1},
      {"tanh", 0, 0},
      {"tanh", nan, nan},
      {"erf", infinity, 1},
      {"erf", -infinity, -1},
      {"erf", 0, 0},
      {"erf", nan, nan},
      {"sin", 0, 0},
      {"cos", 0, 1},
      {"sin", nan, nan},
      {"cos", infinity, nan},
      {"rsqrt", 0, infinity},
      {"rsqrt", 4, 0.5},
      {"rsqrt", -1, nan},
  };
  std::string text;
  for (const char *name : {"exp", "log", "tanh", "erf", "sin", "cos", "rsqrt"})
    for (const char *type : {"f64", "f32"})
      text += unaryKernel(name, type);
  Kernels kernels(text, options());
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  auto check = [&](auto zero, const std::string &suffix) {
    using T = decltype(zero);
    for (const Special &s : specials) {
      // Upstream's f32 sine of infinity is unspecified.
      Buffer<T> x(count, T(s.x)), out(count, T(-77));
      kernels.call("k_" + std::string(s.name) + suffix, {x.data(), out.data()});
      for (size_t i : {size_t(0), count - 1}) {
        if (std::isnan(s.expected))
          EXPECT_TRUE(std::isnan(out[i]))
              << s.name << suffix << "(" << s.x << ") = " << out[i];
        else if (sizeof(T) == 8 || s.expected == 0 || std::isinf(s.expected))
          EXPECT_EQ(out[i], T(s.expected))
              << s.name << suffix << "(" << s.x << ")";
        else
          EXPECT_NEAR(out[i], s.expected, 2e-7)
              << s.name << suffix << "(" << s.x << ")";
      }
    }
  };
  check(double(0), "_f64");
  check(float(0), "_f32");

  // Gradual underflow, and logarithms of subnormal numbers.
  Buffer<double> x(count, -740.0), out(count);
  kernels.call("k_exp_f64", {x.data(), out.data()});
  EXPECT_NEAR(out[0] / tiny, std::exp(-740.0) / tiny, 1.0);
  for (size_t i = 0; i < count; ++i)
    x[i] = tiny;
  kernels.call("k_log_f64", {x.data(), out.data()});
  EXPECT_NEAR(out[0], std::log(tiny), 1e-12);
}

TEST_P(Math, Powers) {
  std::string text;
  for (std::string type : {"f64", "f32"}) {
    std::string memref = "memref<" + std::to_string(count) + "x" + type + ">";
    text += "plan.kernel @pow_" + type +
            " access [1, 1, 2] computes \"pow\" {\n^bb0(%x: " + memref +
            ", %y: " + memref + ", %out: " + memref +
            "):\n linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, "
            "affine_map<(i) -> "
            "(i)>, affine_map<(i) -> (i)>], iterator_types = [\"parallel\"]} "
            "ins(%x, %y : " +
            memref + ", " + memref + ") outs(%out : " + memref +
            ") {\n ^bb0(%a: " + type + ", %b: " + type + ", %o: " + type +
            "):\n %r = math.powf %a, %b : " + type +
            "\n linalg.yield %r : " + type + "\n }\n plan.return\n}\n";
  }
  Kernels kernels(text, options());
  ASSERT_TRUE(kernels.ok()) << kernels.error();
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> base(0.01, 20), exponent(-20, 20);
  auto check = [&](auto zero, const char *name, double tolerance) {
    using T = decltype(zero);
    Buffer<T> x(count), y(count), out(count, T(NAN));
    for (size_t i = 0; i < count; ++i) {
      x[i] = T(base(random));
      y[i] = T(exponent(random));
      if (i % 5 == 0) { // negative bases with integral exponents
        x[i] = -x[i];
        y[i] = std::round(y[i]);
      }
    }
    kernels.call(name, {x.data(), y.data(), out.data()});
    for (size_t i = 0; i < count; ++i) {
      long double expected = std::pow((long double)x[i], (long double)y[i]);
      ASSERT_TRUE(std::abs(out[i] - expected) <= tolerance * std::abs(expected))
          << name << "(" << x[i] << ", " << y[i] << ") = " << out[i]
          << ", expected " << double(expected);
    }
    const double cases[][3] = {
        {0, 2, 0},     {0, -1, infinity}, {0, 0, 1},           {-8, 0, 1},
        {2, 10, 1024}, {-2, 3, -8},       {1, 1e300, 1},       {-2, 0.5, NAN},
        {NAN, 2, NAN}, {2, NAN, NAN},     {2, 2000, infinity}, {2, -3000, 0}};
    for (const auto &c : cases) {
      for (size_t i = 0; i < count; ++i)
        x[i] = T(c[0]), y[i] = T(c[1]);
      kernels.call(name, {x.data(), y.data(), out.data()});
      if (std::isnan(c[2]))
        EXPECT_TRUE(std::isnan(out[0]))
            << c[0] << " ^ " << c[1] << " = " << out[0];
      else
        EXPECT_NEAR(out[0] == T(c[2]) ? 0 : out[0] / c[2] - 1, 0, 1e-14)
            << c[0] << " ^ " << c[1] << " = " << out[0];
    }
  };
  check(double(0), "pow_f64", 2e-14);
  check(float(0), "pow_f32", 1e-7);
}

} // namespace
} // namespace trainc::test
