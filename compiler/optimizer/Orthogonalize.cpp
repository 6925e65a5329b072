//===- Orthogonalize.cpp - Newton-Schulz steps as products ----------------===//
//
// Each step is three products in the matrix's type, of which the smaller side
// decides the size; a tall matrix is multiplied from the right, so nothing is
// transposed in memory. What is between the products fuses with them.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/Orthogonalize.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace trainc::optimizer {
namespace {

/// Of Keller Jordan's Muon: steep at 0, so that small singular values grow
/// fast.
constexpr double kLinear = 3.4445, kCubic = -4.7750, kQuintic = 2.0315;
/// Added to the norm.
constexpr double kEpsilon = 1e-7;

class Steps {
public:
  Steps(OpBuilder &b, Location loc, RankedTensorType type)
      : b(b), loc(loc), type(type), rows(type.getDimSize(0)),
        columns(type.getDimSize(1)) {}

  Value scaled(Value x, double factor) {
    auto own = cast<RankedTensorType>(x.getType());
    return nn::MulOp::create(b, loc, own, x, constant(own, factor));
  }

  /// x over its Frobenius norm, which is summed in f64.
  Value normalized(Value x) {
    auto f64 = RankedTensorType::get({}, b.getF64Type());
    Value squares = nn::MulOp::create(b, loc, type, x, x);
    Value sum = nn::ReduceSumOp::create(b, loc, f64, squares,
                                        b.getDenseI64ArrayAttr({0, 1}));
    Value norm = nn::SqrtOp::create(b, loc, f64, sum);
    norm = nn::AddOp::create(b, loc, f64, norm, constant(f64, kEpsilon));
    Value inverse = nn::DivOp::create(b, loc, f64, constant(f64, 1.0), norm);
    if (!type.getElementType().isF64())
      inverse =
          nn::CastOp::create(b, loc, f64.clone(type.getElementType()), inverse);
    Value wide =
        nn::BroadcastOp::create(b, loc, type, inverse, ArrayRef<int64_t>());
    return nn::MulOp::create(b, loc, type, x, wide);
  }

  Value step(Value x) {
    bool tall = rows > columns;
    int64_t side = std::min(rows, columns);
    auto square = type.clone({side, side});
    Value a = product(square, x, x, tall, !tall);
    Value a2 = product(square, a, a, false, false);
    Value polynomial = nn::AddOp::create(b, loc, square, scaled(a, kCubic),
                                         scaled(a2, kQuintic));
    Value rest = tall ? product(type, x, polynomial, false, false)
                      : product(type, polynomial, x, false, false);
    return nn::AddOp::create(b, loc, type, scaled(x, kLinear), rest);
  }

private:
  Value constant(RankedTensorType own, double value) {
    Attribute element = b.getFloatAttr(own.getElementType(), value);
    return nn::ConstantOp::create(b, loc, own,
                                  SplatElementsAttr::get(own, element));
  }

  Value product(RankedTensorType own, Value lhs, Value rhs, bool transposeLhs,
                bool transposeRhs) {
    return nn::MatmulOp::create(b, loc, own, lhs, rhs, transposeLhs,
                                transposeRhs);
  }

  OpBuilder &b;
  Location loc;
  RankedTensorType type;
  int64_t rows, columns;
};

double factorOf(train::Scale scale, double rows, double columns) {
  switch (scale) {
  case train::Scale::One:
    return 1;
  case train::Scale::Rows:
    return std::sqrt(std::max(1.0, rows / columns));
  case train::Scale::Columns:
    return std::sqrt(std::max(1.0, columns / rows));
  case train::Scale::Largest:
    return 0.2 * std::sqrt(std::max(rows, columns));
  }
  return 1;
}

} // namespace

Value orthogonalize(OpBuilder &builder, train::OrthogonalizeOp op,
                    Value elements, int64_t rows, int64_t columns) {
  Location loc = elements.getLoc();
  auto flat = cast<RankedTensorType>(elements.getType());
  RankedTensorType type = flat.clone({rows, columns});
  Steps steps(builder, loc, type);
  Value x =
      steps.normalized(nn::ReshapeOp::create(builder, loc, type, elements));
  for (int64_t i = 0; i < int64_t(op.getSteps()); ++i)
    x = steps.step(x);
  double factor = factorOf(op.getScale(), double(rows), double(columns));
  if (factor != 1)
    x = steps.scaled(x, factor);
  return nn::ReshapeOp::create(builder, loc, flat, x);
}

} // namespace trainc::optimizer
