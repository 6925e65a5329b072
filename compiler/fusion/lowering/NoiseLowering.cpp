//===- NoiseLowering.cpp - dropout and random numbers ---------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "compiler/fusion/lowering/Philox.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <numbers>

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;

using Element = llvm::function_ref<Value(OpBuilder &, const Counters &, Value i,
                                         ValueRange x)>;

/// Builds `destination` flat: `element(body, counters, i, x)` gives element i
/// (i64) from the scalars x of the flat inputs. Counters are loaded once per
/// workgroup.
Value buildFlat(OpBuilder &builder, Location loc, Value counters,
                ValueRange inputs, Value destination, Element element) {
  auto type = cast<RankedTensorType>(destination.getType());
  SmallVector<Value> flat;
  for (Value input : inputs)
    flat.push_back(asFlat(builder, loc, input));
  SmallVector<int64_t> shape = {type.getNumElements()};
  Value result = buildTiles(
      builder, loc, shape, chooseTile(shape, kTileElements / 4),
      asFlat(builder, loc, destination),
      [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
          ArrayRef<OpFoldResult> sizes, ValueRange outs) {
        Counters loaded = loadCounters(b, loc, counters);
        SmallVector<Indexed> ins;
        for (Value input : flat)
          ins.push_back({slice(b, loc, input, offsets, sizes), {0}});
        Value tile = buildGeneric(
            b, loc, "p", ins, {{slice(b, loc, outs[0], offsets, sizes), {0}}},
            [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
              Value i = arith::AddIOp::create(
                  body, loc, linalg::IndexOp::create(body, loc, 0),
                  materialize(body, loc, offsets[0]));
              Value wide =
                  arith::IndexCastOp::create(body, loc, body.getI64Type(), i);
              return {element(body, loaded, wide, x)};
            })[0];
        return SmallVector<TileResult>{
            {tile, Indices(offsets), Indices(sizes)}};
      })[0];
  return reshape(builder, loc, result, type.getShape());
}

struct DropoutModel
    : LowerableOpInterface::ExternalModel<DropoutModel, nn::DropoutOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto dropout = cast<nn::DropoutOp>(op);
    Location loc = op->getLoc();
    RankedTensorType type = dropout.getType();
    double rate = dropout.getRate().convertToDouble();
    int64_t perRow = type.getNumElements() / dropout.getBatchRows();
    return SmallVector<Value>{buildFlat(
        builder, loc, operands[1], operands[0], destinations[0],
        [&](OpBuilder &b, const Counters &counters, Value i,
            ValueRange x) -> Value {
          Value size =
              arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(perRow));
          Value first = arith::MulIOp::create(b, loc, counters.firstRow, size);
          Value keep = buildKeep(b, loc, counters,
                                 arith::AddIOp::create(b, loc, first, i),
                                 operands[2], rate);
          Type element = type.getElementType();
          Value scaled = arith::MulFOp::create(
              b, loc, x[0], constant(b, loc, element, 1 / (1 - rate)));
          return arith::SelectOp::create(b, loc, keep, scaled,
                                         constant(b, loc, element, 0.0));
        })};
  }
  double flops(Operation *op) const {
    return cast<nn::DropoutOp>(op).getType().getNumElements();
  }
};

/// A double in [0, 1) from two words: 53 bits of (high·2²¹) xor (low >> 11).
Value unitInterval(OpBuilder &b, Location loc, Value high, Value low) {
  Type i64 = b.getI64Type(), f64 = b.getF64Type();
  auto c = [&](int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value))
        .getResult();
  };
  Value wide = arith::ShLIOp::create(
      b, loc, arith::ExtUIOp::create(b, loc, i64, high), c(21));
  Value rest = arith::ShRUIOp::create(
      b, loc, arith::ExtUIOp::create(b, loc, i64, low), c(11));
  Value bits = arith::XOrIOp::create(b, loc, wide, rest);
  // Below 2⁵³: signed conversion is exact, and vector units have it.
  Value number = arith::SIToFPOp::create(b, loc, f64, bits);
  return arith::MulFOp::create(b, loc, number, constant(b, loc, f64, 0x1p-53));
}

Value polynomial(OpBuilder &b, Location loc, Value x,
                 ArrayRef<double> coefficients) {
  Type f64 = b.getF64Type();
  Value sum = constant(b, loc, f64, coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    sum = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, sum, x),
                                constant(b, loc, f64, coefficient));
  return sum;
}

/// The quantile of the normal distribution at 0.5 + q (f64), for |q| up to that
/// of two deviations: the first two of the three ranges of algorithm AS 241,
/// PPND16 (Wichura 1988, Applied Statistics 37), which errs by about 1e-16.
Value normalQuantile(OpBuilder &b, Location loc, Value q) {
  static constexpr double kMiddleUpper[] = {
      3.3871328727963666080e0,  1.3314166789178437745e+2,
      1.9715909503065514427e+3, 1.3731693765509461125e+4,
      4.5921953931549871457e+4, 6.7265770927008700853e+4,
      3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr double kMiddleLower[] = {1.0,
                                            4.2313330701600911252e+1,
                                            6.8718700749205790830e+2,
                                            5.3941960214247511077e+3,
                                            2.1213794301586595867e+4,
                                            3.9307895800092710610e+4,
                                            2.8729085735721942674e+4,
                                            5.2264952788528545610e+3};
  static constexpr double kTailUpper[] = {
      1.42343711074968357734e0,  4.63033784615654529590e0,
      5.76949722146069140550e0,  3.64784832476320460504e0,
      1.27045825245236838258e0,  2.41780725177450611770e-1,
      2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double kTailLower[] = {1.0,
                                          2.05319162663775882187e0,
                                          1.67638483018380384940e0,
                                          6.89767334985100004550e-1,
                                          1.48103976427480074590e-1,
                                          1.51986665636164571966e-2,
                                          5.47593808499534494600e-4,
                                          1.05075007164441684324e-9};
  Type f64 = b.getF64Type();
  auto c = [&](double value) { return constant(b, loc, f64, value); };
  auto ratio = [&](Value x, ArrayRef<double> upper,
                   ArrayRef<double> lower) -> Value {
    return arith::DivFOp::create(b, loc, polynomial(b, loc, x, upper),
                                 polynomial(b, loc, x, lower));
  };
  Value size = math::AbsFOp::create(b, loc, q);
  // For |q| up to 0.425.
  Value r = arith::SubFOp::create(b, loc, c(0.180625),
                                  arith::MulFOp::create(b, loc, q, q));
  Value middle =
      arith::MulFOp::create(b, loc, q, ratio(r, kMiddleUpper, kMiddleLower));
  // Beyond: of the root of -log of the tail's probability.
  Value log =
      math::LogOp::create(b, loc, arith::SubFOp::create(b, loc, c(0.5), size));
  Value root =
      math::SqrtOp::create(b, loc, arith::SubFOp::create(b, loc, c(0.0), log));
  Value tail = ratio(arith::SubFOp::create(b, loc, root, c(1.6)), kTailUpper,
                     kTailLower);
  Value negative =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, q, c(0.0));
  tail = arith::SelectOp::create(
      b, loc, negative, arith::SubFOp::create(b, loc, c(0.0), tail), tail);
  Value isMiddle =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLE, size, c(0.425));
  return arith::SelectOp::create(b, loc, isMiddle, middle, tail);
}

/// Φ(2) - Φ(-2).
constexpr double kWithinTwoDeviations = 0.95449973610364158560;

struct RandomModel
    : LowerableOpInterface::ExternalModel<RandomModel, nn::RandomOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto random = cast<nn::RandomOp>(op);
    Location loc = op->getLoc();
    return SmallVector<Value>{buildFlat(
        builder, loc, operands[0], {}, destinations[0],
        [&](OpBuilder &b, const Counters &counters, Value i,
            ValueRange) -> Value {
          auto words = buildPhilox(b, loc, counters, i, operands[1]);
          Type f64 = b.getF64Type();
          auto c = [&](double value) { return constant(b, loc, f64, value); };
          auto mul = [&](Value l, Value r) {
            return arith::MulFOp::create(b, loc, l, r).getResult();
          };
          Value number = unitInterval(b, loc, words[0], words[1]);
          if (random.getDistribution() == nn::Distribution::Normal) {
            Value u2 = unitInterval(b, loc, words[2], words[3]);
            Value log = math::LogOp::create(
                b, loc, arith::SubFOp::create(b, loc, c(1.0), number));
            Value radius = math::SqrtOp::create(b, loc, mul(c(-2.0), log));
            number = mul(radius, math::CosOp::create(
                                     b, loc, mul(c(2 * std::numbers::pi), u2)));
          }
          if (random.getDistribution() == nn::Distribution::Truncated)
            number = normalQuantile(
                b, loc,
                mul(c(kWithinTwoDeviations),
                    arith::SubFOp::create(b, loc, number, c(0.5))));
          number = arith::AddFOp::create(
              b, loc, c(random.getOffset().convertToDouble()),
              mul(c(random.getScale().convertToDouble()), number));
          return castFloat(b, loc, number, random.getType().getElementType());
        })};
  }
  double flops(Operation *op) const {
    return 40.0 * cast<nn::RandomOp>(op).getType().getNumElements();
  }
};

} // namespace

void registerNoiseLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::DropoutOp::attachInterface<DropoutModel>(*context);
    nn::RandomOp::attachInterface<RandomModel>(*context);
  });
}

} // namespace trainc::fusion::lowering
