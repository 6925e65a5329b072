//===- DoubleMath.h - transcendental functions in f64 -------------*- C++
//-*-===//
//
// Builds arith code for f64 functions, scalar, without branches, so that loops
// of them vectorise. Relative error about 2 units in the last place unless
// stated. NaN gives NaN; infinities and zeros as C's functions, without flags.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_DOUBLEMATH_H
#define TRAINC_COMPILER_CODEGEN_CPU_DOUBLEMATH_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace trainc::codegen {

/// Inserts at the builder's insertion point. Every `x` and `y` is f64.
class DoubleMath {
public:
  explicit DoubleMath(mlir::ImplicitLocOpBuilder &builder) : b(builder) {}

  mlir::Value exp(mlir::Value x);
  mlir::Value exp2(mlir::Value x);
  mlir::Value expm1(mlir::Value x);
  mlir::Value log(mlir::Value x);
  mlir::Value log2(mlir::Value x);
  mlir::Value log10(mlir::Value x);
  mlir::Value log1p(mlir::Value x);
  mlir::Value tanh(mlir::Value x);
  mlir::Value erf(mlir::Value x);
  /// Absolute error about 1e-16 + 1e-33 |x|; meant for |x| below 1e9.
  mlir::Value sin(mlir::Value x);
  mlir::Value cos(mlir::Value x);
  /// Relative error about 2e-16 (1 + |y log x|).
  mlir::Value pow(mlir::Value x, mlir::Value y);
  mlir::Value rsqrt(mlir::Value x);

private:
  /// x = rounded * step + rest.
  struct Reduced {
    mlir::Value integer; ///< i64
    mlir::Value number;  ///< the same as f64
    mlir::Value rest;
  };

  mlir::Value constant(double value);
  mlir::Value integer(int64_t value);
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z);
  mlir::Value bits(mlir::Value x);
  mlir::Value fromBits(mlir::Value x);
  mlir::Value abs(mlir::Value x);
  mlir::Value copySign(mlir::Value magnitude, mlir::Value sign);
  mlir::Value polynomial(mlir::Value x, llvm::ArrayRef<double> coefficients);
  /// NaN stays NaN.
  mlir::Value clamp(mlir::Value x, double low, double high);
  mlir::Value roundToInteger(mlir::Value x, mlir::Value &number);
  mlir::Value scale(mlir::Value x, mlir::Value exponent);
  mlir::Value expm1OfRest(mlir::Value rest);
  Reduced reduceByLn2(mlir::Value x);
  void splitLog(mlir::Value x, mlir::Value &exponent,
                mlir::Value &mantissa_log);
  mlir::Value fixLog(mlir::Value x, mlir::Value result);
  mlir::Value sinOrCos(mlir::Value x, bool cosine);

  mlir::ImplicitLocOpBuilder &b;
};

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_DOUBLEMATH_H
