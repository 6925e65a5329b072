//===- Expression.h - formulas that become IR -------------------*- C++ -*-===//
//
// Update rules and schedules read as formulas: an Expression is a scalar SSA
// value (a tensor of rank 0), and its operators build `nn` operations where the
// builder stands. Constants take the type of the other operand.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_EXPRESSION_H
#define TRAINC_MODELS_EXPRESSION_H

#include "dialects/train/Train.h"
#include "mlir/IR/Builders.h"

namespace trainc::models {

class Expression {
public:
  /// `builder` must outlive the expression and all made from it.
  Expression(mlir::OpBuilder &builder, mlir::Value value)
      : builder_(&builder), value_(value) {}

  mlir::Value value() const { return value_; }
  mlir::OpBuilder &builder() const { return *builder_; }
  /// `constant` in this expression's type.
  Expression constant(double constant) const;

  template <typename Op> Expression unary() const {
    return {*builder_,
            Op::create(*builder_, value_.getLoc(), value_.getType(), value_)};
  }
  template <typename Op> Expression binary(Expression other) const {
    return {*builder_, Op::create(*builder_, value_.getLoc(), value_.getType(),
                                  value_, other.value_)};
  }
  /// Rank-0 i1: this `predicate` other.
  mlir::Value compare(nn::ComparePredicate predicate, Expression other) const;

private:
  mlir::OpBuilder *builder_;
  mlir::Value value_;
  friend Expression select(mlir::Value, Expression, Expression);
  friend Expression mean(train::Extent, Expression);
  friend Expression orthogonalize(train::Scale, Expression, int64_t);
};

Expression operator-(Expression operand);
Expression sqrt(Expression operand);
Expression rsqrt(Expression operand);
Expression exp(Expression operand);
Expression log(Expression operand);
Expression cos(Expression operand);
/// 1, 0 or -1; 0 for NaN.
Expression sign(Expression operand);
/// condition ? onTrue : onFalse; both are computed.
Expression select(mlir::Value condition, Expression onTrue, Expression onFalse);

/// Mean of the operand over what `over` names, in a rule of region `matrix`; of
/// `element` over the tensor only.
Expression mean(train::Extent over, Expression operand);
/// The matrix with singular values near 1, in a rule of region `matrix`.
Expression orthogonalize(train::Scale scale, Expression operand, int64_t steps);

#define TRAINC_EXPRESSION_OPERATOR(name, Op)                                   \
  inline Expression name(Expression lhs, Expression rhs) {                     \
    return lhs.binary<nn::Op>(rhs);                                            \
  }                                                                            \
  inline Expression name(Expression lhs, double rhs) {                         \
    return lhs.binary<nn::Op>(lhs.constant(rhs));                              \
  }                                                                            \
  inline Expression name(double lhs, Expression rhs) {                         \
    return rhs.constant(lhs).binary<nn::Op>(rhs);                              \
  }
TRAINC_EXPRESSION_OPERATOR(operator+, AddOp)
TRAINC_EXPRESSION_OPERATOR(operator-, SubOp)
TRAINC_EXPRESSION_OPERATOR(operator*, MulOp)
TRAINC_EXPRESSION_OPERATOR(operator/, DivOp)
TRAINC_EXPRESSION_OPERATOR(minimum, MinimumOp)
TRAINC_EXPRESSION_OPERATOR(maximum, MaximumOp)
#undef TRAINC_EXPRESSION_OPERATOR

} // namespace trainc::models

#endif // TRAINC_MODELS_EXPRESSION_H
