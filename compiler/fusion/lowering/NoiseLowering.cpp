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
