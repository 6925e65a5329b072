//===- ElementwiseRules.cpp - derivatives of elementwise operations -------===//

#include "compiler/autodiff/rules/Rules.h"

using namespace mlir;

namespace trainc::autodiff {

// y = -x: x' = -g
static LogicalResult neg(nn::NegOp op, RuleContext &c) {
  c.set(0, c.neg(c.gradient()));
  return success();
}

// y = exp x: x' = g·y
static LogicalResult exp(nn::ExpOp op, RuleContext &c) {
  c.set(0, c.mul(c.gradient(), op.getResult()));
  return success();
}

// y = ln x: x' = g/x
static LogicalResult log(nn::LogOp op, RuleContext &c) {
  c.set(0, c.div(c.gradient(), op.getInput()));
  return success();
}

// y = tanh x: x' = g·(1 - y²)
static LogicalResult tanh(nn::TanhOp op, RuleContext &c) {
  Value y = op.getResult();
  c.set(0, c.mul(c.gradient(), c.sub(c.splat(1, y), c.mul(y, y))));
  return success();
}

// y = √x: x' = ½g/y
static LogicalResult sqrt(nn::SqrtOp op, RuleContext &c) {
  Value y = op.getResult();
  c.set(0, c.div(c.mul(c.gradient(), c.splat(0.5, y)), y));
  return success();
}

// y = 1/√x: x' = -½g·y³
static LogicalResult rsqrt(nn::RsqrtOp op, RuleContext &c) {
  Value y = op.getResult();
  Value cube = c.mul(c.mul(y, y), y);
  c.set(0, c.mul(c.mul(c.gradient(), c.splat(-0.5, y)), cube));
  return success();
}

// y = cos x: x' = -g·sin x
static LogicalResult cos(nn::CosOp op, RuleContext &c) {
  c.set(0, c.neg(c.mul(c.gradient(), c.unary<nn::SinOp>(op.getInput()))));
  return success();
}

// y = sin x: x' = g·cos x
static LogicalResult sin(nn::SinOp op, RuleContext &c) {
  c.set(0, c.mul(c.gradient(), c.unary<nn::CosOp>(op.getInput())));
  return success();
}

// y = σ(x): x' = g·y·(1 - y)
static LogicalResult sigmoid(nn::SigmoidOp op, RuleContext &c) {
  Value y = op.getResult();
  c.set(0, c.mul(c.gradient(), c.mul(y, c.sub(c.splat(1, y), y))));
  return success();
}

// y = max(x, 0): x' = g where x > 0, else 0
static LogicalResult relu(nn::ReluOp op, RuleContext &c) {
  Value x = op.getInput(), zero = c.splat(0, x);
  Value positive = c.compare(nn::ComparePredicate::Greater, x, zero);
  c.set(0, c.select(positive, c.gradient(), zero));
  return success();
}

// y = gelu(x): x' = g·gelu'(x)
static LogicalResult gelu(nn::GeluOp op, RuleContext &c) {
  Value x = op.getInput();
  c.set(0, c.build<nn::GeluGradOp>(x.getType(), op.getKind(), c.gradient(), x));
  return success();
}

// y = a + b: a' = g, b' = g
static LogicalResult add(nn::AddOp op, RuleContext &c) {
  c.set(0, c.gradient());
  c.set(1, c.gradient());
  return success();
}

// y = a - b: a' = g, b' = -g
static LogicalResult sub(nn::SubOp op, RuleContext &c) {
  c.set(0, c.gradient());
  if (c.needs(1))
    c.set(1, c.neg(c.gradient()));
  return success();
}

// y = a·b: a' = g·b, b' = g·a
static LogicalResult mul(nn::MulOp op, RuleContext &c) {
  if (c.needs(0))
    c.set(0, c.mul(c.gradient(), op.getRhs()));
  if (c.needs(1))
    c.set(1, c.mul(c.gradient(), op.getLhs()));
  return success();
}

// y = a/b: a' = g/b, b' = -(g/b)·y
static LogicalResult div(nn::DivOp op, RuleContext &c) {
  Value quotient = c.div(c.gradient(), op.getRhs());
  c.set(0, quotient);
  if (c.needs(1))
    c.set(1, c.neg(c.mul(quotient, op.getResult())));
  return success();
}

/// Sends g to operand `first` where `condition` holds and to the next
/// elsewhere.
static void route(RuleContext &c, Value condition, unsigned first) {
  Value zero = c.splat(0, c.gradient());
  if (c.needs(first))
    c.set(first, c.select(condition, c.gradient(), zero));
  if (c.needs(first + 1))
    c.set(first + 1, c.select(condition, zero, c.gradient()));
}

// y = max(a, b): a' = g where a ≥ b, b' = g elsewhere
static LogicalResult maximum(nn::MaximumOp op, RuleContext &c) {
  route(c,
        c.compare(nn::ComparePredicate::GreaterEqual, op.getLhs(), op.getRhs()),
        0);
  return success();
}

// y = min(a, b): a' = g where a ≤ b, b' = g elsewhere
static LogicalResult minimum(nn::MinimumOp op, RuleContext &c) {
  route(c, c.compare(nn::ComparePredicate::LessEqual, op.getLhs(), op.getRhs()),
        0);
  return success();
}

// y = condition ? a : b: a' = g where the condition holds, b' = g elsewhere
static LogicalResult select(nn::SelectOp op, RuleContext &c) {
  route(c, op.getCondition(), 1);
  return success();
}

// y = first ? x : a + x: a' = first ? 0 : g, x' = g
static LogicalResult accumulate(nn::AccumulateOp op, RuleContext &c) {
  Value g = c.gradient();
  if (c.needs(0)) {
    Value kept = g;
    if (op.getFirst()) {
      auto all = llvm::to_vector(llvm::seq<int64_t>(0, op.getType().getRank()));
      kept =
          c.select(c.broadcastAlong(op.getFirst(), all, g), c.splat(0, g), g);
    }
    c.set(0, kept);
  }
  if (c.needs(1))
    c.set(1, g);
  return success();
}

// y = x in another float type: x' = g in the type of x
static LogicalResult cast(nn::CastOp op, RuleContext &c) {
  c.set(0, c.castLike(c.gradient(), op.getInput()));
  return success();
}

void registerElementwiseRules(MLIRContext *context) {
  attach<neg, exp, log, tanh, sqrt, rsqrt, cos, sin, sigmoid, relu, gelu, add,
         sub, mul, div, maximum, minimum, select, accumulate, cast>(context);
}

} // namespace trainc::autodiff
