//===- DoubleMath.cpp - transcendental functions in f64 -------------------===//
//
// Decides the approximations. Each reduces its argument to a small interval and
// evaluates a Taylor polynomial there, long enough for the last place; erf uses
// two Chebyshev fits computed with 40 digits.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/DoubleMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <limits>
#include <numbers>

using namespace mlir;

namespace trainc::codegen {

/// 1.5 * 2^52: adding it rounds to an integer that lies in the low bits.
static constexpr double roundingShift = 0x1.8p52;
/// ln 2 in two parts; the first has 32 trailing zero bits, so that products
/// with exponents are exact.
static constexpr double ln2High = 0x1.62e42p-1;
static constexpr double ln2Low = 0x1.fdf473de6af28p-22;
static constexpr int64_t exponentBias = 1023;
static constexpr unsigned mantissaBits = 52;

static arith::CmpFPredicate ordered(char c) {
  return c == '<'   ? arith::CmpFPredicate::OLT
         : c == '>' ? arith::CmpFPredicate::OGT
                    : arith::CmpFPredicate::OEQ;
}

static Value compare(ImplicitLocOpBuilder &b, char c, Value x, Value y) {
  return arith::CmpFOp::create(b, ordered(c), x, y);
}

static Value choose(ImplicitLocOpBuilder &b, Value condition, Value yes,
                    Value no) {
  return arith::SelectOp::create(b, condition, yes, no);
}

Value DoubleMath::constant(double value) {
  return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
}

Value DoubleMath::integer(int64_t value) {
  return arith::ConstantOp::create(b, b.getI64IntegerAttr(value));
}

Value DoubleMath::fma(Value x, Value y, Value z) {
  return math::FmaOp::create(b, x, y, z);
}

Value DoubleMath::bits(Value x) {
  return arith::BitcastOp::create(b, b.getI64Type(), x);
}

Value DoubleMath::fromBits(Value x) {
  return arith::BitcastOp::create(b, b.getF64Type(), x);
}

Value DoubleMath::abs(Value x) { return math::AbsFOp::create(b, x); }

Value DoubleMath::copySign(Value magnitude, Value sign) {
  return math::CopySignOp::create(b, magnitude, sign);
}

/// Horner's scheme, lowest coefficient first.
Value DoubleMath::polynomial(Value x, ArrayRef<double> coefficients) {
  Value sum = constant(coefficients.back());
  for (double c : llvm::reverse(coefficients.drop_back()))
    sum = fma(sum, x, constant(c));
  return sum;
}

Value DoubleMath::clamp(Value x, double low, double high) {
  x = choose(b, compare(b, '<', x, constant(low)), constant(low), x);
  return choose(b, compare(b, '>', x, constant(high)), constant(high), x);
}

/// Nearest integer of |x| < 2^51, as i64, and as f64 in `number`.
Value DoubleMath::roundToInteger(Value x, Value &number) {
  Value shifted = arith::AddFOp::create(b, x, constant(roundingShift));
  number = arith::SubFOp::create(b, shifted, constant(roundingShift));
  return arith::SubIOp::create(b, bits(shifted), bits(constant(roundingShift)));
}

/// x * 2^exponent for exponents in [-2044, 2046], in two steps, so that neither
/// factor leaves the range of normal numbers.
Value DoubleMath::scale(Value x, Value exponent) {
  // Halved as an unsigned number: AVX2 has no arithmetic shift of 64 bits.
  Value half = arith::SubIOp::create(
      b,
      arith::ShRUIOp::create(
          b, arith::AddIOp::create(b, exponent, integer(4096)), integer(1)),
      integer(2048));
  Value other = arith::SubIOp::create(b, exponent, half);
  auto power = [&](Value e) {
    return fromBits(arith::ShLIOp::create(
        b, arith::AddIOp::create(b, e, integer(exponentBias)),
        integer(mantissaBits)));
  };
  return arith::MulFOp::create(b, arith::MulFOp::create(b, x, power(half)),
                               power(other));
}

/// e^r - 1 for |r| <= ln(2)/2: Taylor to r^14.
Value DoubleMath::expm1OfRest(Value r) {
  SmallVector<double> coefficients;
  long double factorial = 1;
  for (int n = 2; n <= 14; ++n)
    coefficients.push_back(double(1 / (factorial *= n)));
  Value square = arith::MulFOp::create(b, r, r);
  return fma(square, polynomial(r, coefficients), r);
}

DoubleMath::Reduced DoubleMath::reduceByLn2(Value x) {
  Reduced result;
  result.integer =
      roundToInteger(arith::MulFOp::create(b, x, constant(std::numbers::log2e)),
                     result.number);
  Value negative = arith::NegFOp::create(b, result.number);
  result.rest =
      fma(negative, constant(ln2Low), fma(negative, constant(ln2High), x));
  return result;
}

Value DoubleMath::exp(Value x) {
  // e^-746 is below half the smallest number, e^710 above the largest.
  Reduced reduced = reduceByLn2(clamp(x, -746.0, 710.0));
  Value power =
      arith::AddFOp::create(b, constant(1.0), expm1OfRest(reduced.rest));
  return scale(power, reduced.integer);
}

Value DoubleMath::exp2(Value x) {
  Value clamped = clamp(x, -1076.0, 1025.0), number;
  Value exponent = roundToInteger(clamped, number);
  Value rest =
      arith::MulFOp::create(b, arith::SubFOp::create(b, clamped, number),
                            constant(std::numbers::ln2));
  Value power = arith::AddFOp::create(b, constant(1.0), expm1OfRest(rest));
  return scale(power, exponent);
}

Value DoubleMath::expm1(Value x) {
  // Below -40 the result is -1; 2^n (e^r - 1) + (2^n - 1) keeps small results
  // exact.
  Reduced reduced = reduceByLn2(clamp(x, -40.0, 710.0));
  Value one = constant(1.0), power = scale(one, reduced.integer);
  Value result = fma(power, expm1OfRest(reduced.rest),
                     arith::SubFOp::create(b, power, one));
  // Above 2^1023 the two halves overflow apart: infinite only past the largest.
  Value large = compare(b, '>', x, constant(100.0));
  Value plain = scale(arith::AddFOp::create(b, one, expm1OfRest(reduced.rest)),
                      reduced.integer);
  result = choose(b, large, plain, result);
  // Keeps the sign of zero.
  return choose(b, compare(b, '=', x, constant(0.0)), x, result);
}

/// x = 2^exponent * m with m in [sqrt(1/2), sqrt(2)), for finite x > 0.
void DoubleMath::splitLog(Value x, Value &exponent, Value &mantissa_log) {
  // Subnormal numbers are scaled up by 2^54 first.
  Value small =
      compare(b, '<', x, constant(std::numeric_limits<double>::min()));
  Value scaled =
      choose(b, small, arith::MulFOp::create(b, x, constant(0x1p54)), x);
  Value raw = bits(scaled);
  Value biased = arith::ShRUIOp::create(b, raw, integer(mantissaBits));
  Value mantissa = fromBits(arith::OrIOp::create(
      b,
      arith::AndIOp::create(b, raw, integer((int64_t(1) << mantissaBits) - 1)),
      integer(exponentBias << mantissaBits)));
  // The biased exponent as f64, through the low bits of a large number.
  Value number = arith::SubFOp::create(
      b,
      fromBits(arith::AddIOp::create(b, biased, bits(constant(roundingShift)))),
      constant(roundingShift));
  exponent =
      arith::SubFOp::create(b, number,
                            choose(b, small, constant(exponentBias + 54.0),
                                   constant(double(exponentBias))));
  Value upper = compare(b, '>', mantissa, constant(std::numbers::sqrt2));
  mantissa = choose(b, upper, arith::MulFOp::create(b, mantissa, constant(0.5)),
                    mantissa);
  exponent = choose(b, upper, arith::AddFOp::create(b, exponent, constant(1.0)),
                    exponent);

  // log(1+f) = f - f^2/2 + s (f^2/2 + R), s = f/(2+f), R = 2 s^2/3 + 2 s^4/5 +
  // ...
  Value f = arith::SubFOp::create(b, mantissa, constant(1.0));
  Value s =
      arith::DivFOp::create(b, f, arith::AddFOp::create(b, f, constant(2.0)));
  Value z = arith::MulFOp::create(b, s, s);
  SmallVector<double> coefficients;
  for (int n = 3; n <= 23; n += 2)
    coefficients.push_back(2.0 / n);
  Value series = arith::MulFOp::create(b, z, polynomial(z, coefficients));
  Value half =
      arith::MulFOp::create(b, arith::MulFOp::create(b, f, f), constant(0.5));
  Value correction = arith::SubFOp::create(
      b, half,
      arith::MulFOp::create(b, s, arith::AddFOp::create(b, half, series)));
  mantissa_log = arith::SubFOp::create(b, f, correction);
}

/// NaN below zero, -inf at zero, inf at inf, NaN at NaN.
Value DoubleMath::fixLog(Value x, Value result) {
  double inf = std::numeric_limits<double>::infinity();
  Value zero = constant(0.0);
  result = choose(b, compare(b, '=', x, constant(inf)), x, result);
  result = choose(b, compare(b, '=', x, zero), constant(-inf), result);
  Value invalid = arith::CmpFOp::create(b, arith::CmpFPredicate::ULT, x, zero);
  return choose(b, invalid, constant(std::numeric_limits<double>::quiet_NaN()),
                result);
}

Value DoubleMath::log(Value x) {
  Value exponent, mantissa_log;
  splitLog(x, exponent, mantissa_log);
  Value low = fma(exponent, constant(ln2Low), mantissa_log);
  return fixLog(x, fma(exponent, constant(ln2High), low));
}

Value DoubleMath::log2(Value x) {
  Value exponent, mantissa_log;
  splitLog(x, exponent, mantissa_log);
  return fixLog(x, fma(mantissa_log, constant(std::numbers::log2e), exponent));
}

Value DoubleMath::log10(Value x) {
  return arith::MulFOp::create(b, log(x), constant(std::numbers::log10e));
}

Value DoubleMath::log1p(Value x) {
  // log(u) * x / (u - 1) with u = 1 + x rounded makes up for the rounding.
  Value one = constant(1.0), u = arith::AddFOp::create(b, one, x);
  Value d = arith::SubFOp::create(b, u, one);
  Value logarithm = log(u);
  Value result =
      arith::MulFOp::create(b, logarithm, arith::DivFOp::create(b, x, d));
  // Large x need no correction, and inf / inf would be NaN.
  result = choose(b, compare(b, '>', x, constant(0x1p60)), logarithm, result);
  // So does -1, and where u is 1 the result is x.
  result = choose(b, compare(b, '=', x, constant(-1.0)), logarithm, result);
  return choose(b, compare(b, '=', d, constant(0.0)), x, result);
}

Value DoubleMath::tanh(Value x) {
  // (e^2a - 1) / (e^2a + 1); from 22 on it rounds to 1.
  Value a = clamp(abs(x), 0.0, 22.0);
  Value e = expm1(arith::AddFOp::create(b, a, a));
  Value t =
      arith::DivFOp::create(b, e, arith::AddFOp::create(b, e, constant(2.0)));
  return copySign(t, x);
}

Value DoubleMath::erf(Value x) {
  // erf(x)/x in x^2 on [0, 1].
  static constexpr double inner[] = {
      1.1283791670955126,      -0.3761263890318375,     0.11283791670954879,
      -0.026866170645076792,   0.0052239776248180145,   -0.000854832698083379,
      0.0001205533111164271,   -1.4925595266831182e-05, 1.6461000484121368e-06,
      -1.6350312701054695e-07, 1.4659775274047436e-08,  -1.1372848856791674e-09,
      5.957176147748911e-11};
  // exp(x^2) erfc(x) in t = (x - 2.5) / (x + 2.5) on [1, 6.5].
  static constexpr double outer[] = {
      0.21080636406114356,     -0.37173673394897355,   0.2517131932174612,
      -0.12503305237878384,    0.03992253907427074,    -0.0039937011688248175,
      -0.0026423659090909824,  0.0008759155353283884,  0.00022837923801566614,
      -0.00012887843611628593, -3.416941425476893e-05, 1.8624739056429757e-05,
      7.472617977295588e-06,   -2.343243114738801e-06, -1.541892321826808e-06,
      1.7377683500434127e-07};
  Value a = clamp(abs(x), 0.0, 6.5);
  Value square = arith::MulFOp::create(b, a, a);
  Value near = arith::MulFOp::create(b, a, polynomial(square, inner));
  Value k = constant(2.5);
  Value t = arith::DivFOp::create(b, arith::SubFOp::create(b, a, k),
                                  arith::AddFOp::create(b, a, k));
  Value tail = arith::MulFOp::create(b, exp(arith::NegFOp::create(b, square)),
                                     polynomial(t, outer));
  Value far = arith::SubFOp::create(b, constant(1.0), tail);
  return copySign(choose(b, compare(b, '<', a, constant(1.0)), near, far), x);
}

Value DoubleMath::sinOrCos(Value x, bool cosine) {
  // pi/2 in three parts; products of the first two with |n| < 2^26 are exact.
  Value number;
  Value n = roundToInteger(
      arith::MulFOp::create(b, x, constant(2.0 * std::numbers::inv_pi)),
      number);
  Value negative = arith::NegFOp::create(b, number);
  Value r = fma(negative, constant(0x1.921fb5p+0), x);
  r = fma(negative, constant(0x1.110b46p-26), r);
  r = fma(negative, constant(0x1.1a62633145c07p-54), r);

  SmallVector<double> sine, cosines;
  long double factorial = 1;
  for (int k = 2; k <= 19; ++k) {
    factorial *= k;
    double c = double(1 / factorial);
    (k % 2 ? sine : cosines).push_back((k / 2) % 2 ? -c : c);
  }
  Value z = arith::MulFOp::create(b, r, r);
  Value s = fma(arith::MulFOp::create(b, r, z), polynomial(z, sine), r);
  Value c = fma(z, polynomial(z, cosines), constant(1.0));
  if (cosine) // cos(x) = sin(x + pi/2)
    n = arith::AddIOp::create(b, n, integer(1));
  Value odd = arith::CmpIOp::create(b, arith::CmpIPredicate::ne,
                                    arith::AndIOp::create(b, n, integer(1)),
                                    integer(0));
  Value result = choose(b, odd, c, s);
  Value sign = arith::ShLIOp::create(b, arith::AndIOp::create(b, n, integer(2)),
                                     integer(62));
  return fromBits(arith::XOrIOp::create(b, bits(result), sign));
}

Value DoubleMath::sin(Value x) { return sinOrCos(x, false); }
Value DoubleMath::cos(Value x) { return sinOrCos(x, true); }

Value DoubleMath::pow(Value x, Value y) {
  Value zero = constant(0.0), one = constant(1.0);
  Value logarithm = log(abs(x));
  Value product = arith::MulFOp::create(b, y, logarithm);
  // The product's rounding error, where it is finite.
  Value error = fma(y, logarithm, arith::NegFOp::create(b, product));
  Value bounded = compare(b, '<', abs(product), constant(800.0));
  error = choose(b, bounded, error, zero);
  Value magnitude = exp(product);
  Value corrected = fma(magnitude, error, magnitude);
  magnitude = choose(b, compare(b, '<', magnitude, constant(0x1p1023)),
                     corrected, magnitude);

  // Negative bases: integral exponents only, odd ones keep the sign.
  Value half = arith::MulFOp::create(b, y, constant(0.5));
  Value integral = compare(b, '=', math::FloorOp::create(b, y), y);
  Value even = compare(b, '=', math::FloorOp::create(b, half), half);
  Value sign = choose(b, even, one, copySign(one, x));
  Value base_negative = compare(b, '<', x, zero);
  Value result =
      arith::MulFOp::create(b, magnitude, choose(b, integral, sign, one));
  Value invalid = arith::AndIOp::create(
      b, base_negative,
      arith::CmpFOp::create(b, arith::CmpFPredicate::ONE,
                            math::FloorOp::create(b, y), y));
  result = choose(b, invalid,
                  constant(std::numeric_limits<double>::quiet_NaN()), result);
  result = choose(b, compare(b, '=', x, one), one, result);
  return choose(b, compare(b, '=', y, zero), one, result);
}

Value DoubleMath::rsqrt(Value x) {
  return arith::DivFOp::create(b, constant(1.0), math::SqrtOp::create(b, x));
}

} // namespace trainc::codegen
