//===- ElementwiseLowering.cpp - scalar formulas of elementwise operations ===//

#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <numbers>

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::ElementwiseOpInterface;

/// One math or arith operation on floats.
template <typename Op, typename Scalar>
struct UnaryModel
    : ElementwiseOpInterface::ExternalModel<UnaryModel<Op, Scalar>, Op> {
  Value buildScalar(Operation *, OpBuilder &b, Location loc,
                    ValueRange x) const {
    return Scalar::create(b, loc, x[0]);
  }
  bool isZeroWith(Operation *, unsigned) const {
    return std::is_same_v<Op, nn::NegOp>;
  }
};

/// A float operation and its signed integer counterpart.
template <typename Op, typename FloatScalar, typename IntegerScalar>
struct BinaryModel : ElementwiseOpInterface::ExternalModel<
                         BinaryModel<Op, FloatScalar, IntegerScalar>, Op> {
  Value buildScalar(Operation *, OpBuilder &b, Location loc,
                    ValueRange x) const {
    if (isa<FloatType>(x[0].getType()))
      return FloatScalar::create(b, loc, x[0], x[1]);
    return IntegerScalar::create(b, loc, x[0], x[1]);
  }
  bool isZeroWith(Operation *, unsigned) const {
    return std::is_same_v<Op, nn::MulOp>;
  }
};

Value sigmoid(OpBuilder &b, Location loc, Value x) {
  Value one = constant(b, loc, x.getType(), 1.0);
  Value exp = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, x));
  return arith::DivFOp::create(b, loc, one,
                               arith::AddFOp::create(b, loc, one, exp));
}

struct SigmoidModel
    : ElementwiseOpInterface::ExternalModel<SigmoidModel, nn::SigmoidOp> {
  Value buildScalar(Operation *, OpBuilder &b, Location loc,
                    ValueRange x) const {
    return sigmoid(b, loc, x[0]);
  }
};

struct ReluModel
    : ElementwiseOpInterface::ExternalModel<ReluModel, nn::ReluOp> {
  Value buildScalar(Operation *, OpBuilder &b, Location loc,
                    ValueRange x) const {
    return arith::MaximumFOp::create(b, loc, x[0],
                                     constant(b, loc, x[0].getType(), 0.0));
  }
};

/// The parts GELU and its derivative share. tanh form: gelu = x·s with s =
/// σ(2u), u = √(2/π)(x + 0.044715x³), the same as ½x(1+tanh u) without its
/// cancellation for negative x. erf form: s = ½(1 + erf(x/√2)).
struct GeluParts {
  Value s, derivative; ///< gate and its derivative ds/dx
};

GeluParts geluParts(OpBuilder &b, Location loc, nn::GeluKind kind, Value x,
                    bool derivative) {
  Type type = x.getType();
  auto c = [&](double value) { return constant(b, loc, type, value); };
  auto mul = [&](Value l, Value r) {
    return arith::MulFOp::create(b, loc, l, r).getResult();
  };
  auto add = [&](Value l, Value r) {
    return arith::AddFOp::create(b, loc, l, r).getResult();
  };
  GeluParts parts;
  if (kind == nn::GeluKind::Tanh) {
    const double k = std::sqrt(2.0 / std::numbers::pi);
    Value square = mul(x, x);
    Value twoU = mul(x, add(c(2 * k), mul(c(2 * k * 0.044715), square)));
    parts.s = sigmoid(b, loc, twoU);
    if (derivative) {
      Value slope = add(c(2 * k), mul(c(6 * k * 0.044715), square));
      Value rest = arith::SubFOp::create(b, loc, c(1.0), parts.s);
      parts.derivative = mul(mul(parts.s, rest), slope);
    }
    return parts;
  }
  Value erf = math::ErfOp::create(b, loc, mul(x, c(std::numbers::sqrt2 / 2)));
  parts.s = mul(c(0.5), add(c(1.0), erf));
  if (derivative) {
    Value density = math::ExpOp::create(b, loc, mul(c(-0.5), mul(x, x)));
    parts.derivative = mul(c(1 / std::sqrt(2 * std::numbers::pi)), density);
  }
  return parts;
}

struct GeluModel
    : ElementwiseOpInterface::ExternalModel<GeluModel, nn::GeluOp> {
  Value buildScalar(Operation *op, OpBuilder &b, Location loc,
                    ValueRange x) const {
    GeluParts parts =
        geluParts(b, loc, cast<nn::GeluOp>(op).getKind(), x[0], false);
    return arith::MulFOp::create(b, loc, x[0], parts.s);
  }
};

struct GeluGradModel
    : ElementwiseOpInterface::ExternalModel<GeluGradModel, nn::GeluGradOp> {
  // gelu' = s + x·ds/dx
  Value buildScalar(Operation *op, OpBuilder &b, Location loc,
                    ValueRange x) const {
    GeluParts parts =
        geluParts(b, loc, cast<nn::GeluGradOp>(op).getKind(), x[1], true);
    Value slope = arith::AddFOp::create(
        b, loc, parts.s, arith::MulFOp::create(b, loc, x[1], parts.derivative));
    return arith::MulFOp::create(b, loc, x[0], slope);
  }
};

struct CompareModel
    : ElementwiseOpInterface::ExternalModel<CompareModel, nn::CompareOp> {
  Value buildScalar(Operation *op, OpBuilder &b, Location loc,
                    ValueRange x) const {
    // Both tables follow the order of ComparePredicate: eq ne lt le gt ge.
    static constexpr arith::CmpFPredicate floats[] = {
        arith::CmpFPredicate::OEQ, arith::CmpFPredicate::UNE,
        arith::CmpFPredicate::OLT, arith::CmpFPredicate::OLE,
        arith::CmpFPredicate::OGT, arith::CmpFPredicate::OGE};
    static constexpr arith::CmpIPredicate integers[] = {
        arith::CmpIPredicate::eq,  arith::CmpIPredicate::ne,
        arith::CmpIPredicate::slt, arith::CmpIPredicate::sle,
        arith::CmpIPredicate::sgt, arith::CmpIPredicate::sge};
    auto predicate = unsigned(cast<nn::CompareOp>(op).getPredicate());
    if (isa<FloatType>(x[0].getType()))
      return arith::CmpFOp::create(b, loc, floats[predicate], x[0], x[1]);
    return arith::CmpIOp::create(b, loc, integers[predicate], x[0], x[1]);
  }
};

struct SelectModel
    : ElementwiseOpInterface::ExternalModel<SelectModel, nn::SelectOp> {
  Value buildScalar(Operation *, OpBuilder &b, Location loc,
                    ValueRange x) const {
    return arith::SelectOp::create(b, loc, x[0], x[1], x[2]);
  }
};

struct AccumulateModel
    : ElementwiseOpInterface::ExternalModel<AccumulateModel, nn::AccumulateOp> {
  Value buildScalar(Operation *, OpBuilder &b, Location loc,
                    ValueRange x) const {
    Value sum = isa<FloatType>(x[0].getType())
                    ? arith::AddFOp::create(b, loc, x[0], x[1]).getResult()
                    : arith::AddIOp::create(b, loc, x[0], x[1]).getResult();
    return x.size() == 2
               ? sum
               : arith::SelectOp::create(b, loc, x[2], x[1], sum).getResult();
  }
  std::optional<unsigned> getAccumulator(Operation *) const { return 0; }
};

struct CastModel
    : ElementwiseOpInterface::ExternalModel<CastModel, nn::CastOp> {
  Value buildScalar(Operation *op, OpBuilder &b, Location loc,
                    ValueRange x) const {
    Type from = x[0].getType(),
         to = cast<nn::CastOp>(op).getType().getElementType();
    if (isa<FloatType>(from) && isa<FloatType>(to))
      return castFloat(b, loc, x[0], to);
    if (isa<FloatType>(from))
      return arith::FPToSIOp::create(b, loc, to, x[0]);
    bool boolean = from.isInteger(1);
    if (isa<FloatType>(to))
      return boolean ? arith::UIToFPOp::create(b, loc, to, x[0]).getResult()
                     : arith::SIToFPOp::create(b, loc, to, x[0]).getResult();
    if (from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth())
      return arith::TruncIOp::create(b, loc, to, x[0]);
    return boolean ? arith::ExtUIOp::create(b, loc, to, x[0]).getResult()
                   : arith::ExtSIOp::create(b, loc, to, x[0]).getResult();
  }
  bool isZeroWith(Operation *, unsigned) const { return true; }
  /// What memory keeps in 16 bits is widened where it is read.
  bool isFree(Operation *op) const {
    auto cast = llvm::cast<nn::CastOp>(op);
    Type from = cast.getInput().getType().getElementType();
    return (from.isBF16() || from.isF16()) &&
           cast.getType().getElementType().isF32();
  }
};

struct ConstantModel
    : ElementwiseOpInterface::ExternalModel<ConstantModel, nn::ConstantOp> {
  Value buildScalar(Operation *op, OpBuilder &b, Location loc,
                    ValueRange) const {
    auto value = cast<DenseElementsAttr>(cast<nn::ConstantOp>(op).getValue());
    return arith::ConstantOp::create(
        b, loc, cast<TypedAttr>(value.getSplatValue<Attribute>()));
  }
  bool isFree(Operation *) const { return true; }
};

struct BroadcastModel
    : ElementwiseOpInterface::ExternalModel<BroadcastModel, nn::BroadcastOp> {
  Value buildScalar(Operation *, OpBuilder &, Location, ValueRange x) const {
    return x[0];
  }
  SmallVector<int64_t> getOperandDimensions(Operation *op, unsigned) const {
    return SmallVector<int64_t>(cast<nn::BroadcastOp>(op).getDimensions());
  }
  bool isFree(Operation *) const { return true; }
};

} // namespace

void registerElementwiseLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::NegOp::attachInterface<UnaryModel<nn::NegOp, arith::NegFOp>>(*context);
    nn::ExpOp::attachInterface<UnaryModel<nn::ExpOp, math::ExpOp>>(*context);
    nn::LogOp::attachInterface<UnaryModel<nn::LogOp, math::LogOp>>(*context);
    nn::TanhOp::attachInterface<UnaryModel<nn::TanhOp, math::TanhOp>>(*context);
    nn::SqrtOp::attachInterface<UnaryModel<nn::SqrtOp, math::SqrtOp>>(*context);
    nn::RsqrtOp::attachInterface<UnaryModel<nn::RsqrtOp, math::RsqrtOp>>(
        *context);
    nn::CosOp::attachInterface<UnaryModel<nn::CosOp, math::CosOp>>(*context);
    nn::SinOp::attachInterface<UnaryModel<nn::SinOp, math::SinOp>>(*context);
    nn::SigmoidOp::attachInterface<SigmoidModel>(*context);
    nn::ReluOp::attachInterface<ReluModel>(*context);
    nn::AddOp::attachInterface<
        BinaryModel<nn::AddOp, arith::AddFOp, arith::AddIOp>>(*context);
    nn::SubOp::attachInterface<
        BinaryModel<nn::SubOp, arith::SubFOp, arith::SubIOp>>(*context);
    nn::MulOp::attachInterface<
        BinaryModel<nn::MulOp, arith::MulFOp, arith::MulIOp>>(*context);
    nn::DivOp::attachInterface<
        BinaryModel<nn::DivOp, arith::DivFOp, arith::DivSIOp>>(*context);
    nn::MaximumOp::attachInterface<
        BinaryModel<nn::MaximumOp, arith::MaximumFOp, arith::MaxSIOp>>(
        *context);
    nn::MinimumOp::attachInterface<
        BinaryModel<nn::MinimumOp, arith::MinimumFOp, arith::MinSIOp>>(
        *context);
    nn::GeluOp::attachInterface<GeluModel>(*context);
    nn::GeluGradOp::attachInterface<GeluGradModel>(*context);
    nn::CompareOp::attachInterface<CompareModel>(*context);
    nn::SelectOp::attachInterface<SelectModel>(*context);
    nn::AccumulateOp::attachInterface<AccumulateModel>(*context);
    nn::CastOp::attachInterface<CastModel>(*context);
    nn::ConstantOp::attachInterface<ConstantModel>(*context);
    nn::BroadcastOp::attachInterface<BroadcastModel>(*context);
  });
}

} // namespace trainc::fusion::lowering
