//===- Expression.cpp - formulas that become IR ---------------------------===//

#include "models/Expression.h"

using namespace mlir;

namespace trainc::models {

Expression Expression::constant(double constant) const {
  auto type = cast<RankedTensorType>(value_.getType());
  auto element = builder_->getFloatAttr(type.getElementType(), constant);
  return {*builder_,
          nn::ConstantOp::create(*builder_, value_.getLoc(),
                                 DenseElementsAttr::get(type, element))};
}

Value Expression::compare(nn::ComparePredicate predicate,
                          Expression other) const {
  auto type = RankedTensorType::get({}, builder_->getI1Type());
  return nn::CompareOp::create(*builder_, value_.getLoc(), type, predicate,
                               value_, other.value_);
}

Expression operator-(Expression operand) { return operand.unary<nn::NegOp>(); }
Expression sqrt(Expression operand) { return operand.unary<nn::SqrtOp>(); }
Expression rsqrt(Expression operand) { return operand.unary<nn::RsqrtOp>(); }
Expression exp(Expression operand) { return operand.unary<nn::ExpOp>(); }
Expression log(Expression operand) { return operand.unary<nn::LogOp>(); }
Expression cos(Expression operand) { return operand.unary<nn::CosOp>(); }

Expression sign(Expression operand) {
  Expression zero = operand.constant(0);
  Expression negative =
      select(operand.compare(nn::ComparePredicate::Less, zero),
             operand.constant(-1), zero);
  return select(operand.compare(nn::ComparePredicate::Greater, zero),
                operand.constant(1), negative);
}

Expression select(Value condition, Expression onTrue, Expression onFalse) {
  OpBuilder &builder = *onTrue.builder_;
  return {builder, nn::SelectOp::create(builder, condition.getLoc(), condition,
                                        onTrue.value_, onFalse.value_)};
}

Expression mean(train::Extent over, Expression operand) {
  Value value = operand.value_;
  return {*operand.builder_,
          train::MeanOp::create(*operand.builder_, value.getLoc(),
                                value.getType(), over, value)};
}

Expression orthogonalize(train::Scale scale, Expression operand,
                         int64_t steps) {
  Value value = operand.value_;
  return {*operand.builder_,
          train::OrthogonalizeOp::create(*operand.builder_, value.getLoc(),
                                         value.getType(), scale, value, steps)};
}

} // namespace trainc::models
