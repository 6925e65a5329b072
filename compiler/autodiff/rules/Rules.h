//===- Rules.h - how a derivative rule is written -----------------*- C++
//-*-===//
//
// A rule is a function of an operation and a RuleContext: it reads the
// gradients that arrive at the results and sets those of the operands.
// attach<rule>(context) makes it the operation's DifferentiableOpInterface.
//
// In the formulas, y' = g is the gradient of the loss for the result, x' the
// one for an operand.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_AUTODIFF_RULES_RULES_H
#define TRAINC_COMPILER_AUTODIFF_RULES_RULES_H

#include "dialects/nn/Nn.h"
#include "mlir/IR/Builders.h"

namespace trainc::autodiff {

/// What a rule reads and writes, and short names for the operations it builds.
class RuleContext {
public:
  RuleContext(mlir::OpBuilder &builder, mlir::Location loc,
              mlir::ValueRange incoming, llvm::ArrayRef<bool> needed,
              llvm::SmallVectorImpl<mlir::Value> &outgoing)
      : builder(builder), loc(loc), incoming(incoming), needed(needed),
        outgoing(outgoing) {}

  /// Gradient of result `i`; null where none arrives.
  mlir::Value gradient(unsigned i = 0) const { return incoming[i]; }
  bool needs(unsigned operand) const { return needed[operand]; }
  void set(unsigned operand, mlir::Value gradient) {
    outgoing[operand] = gradient;
  }

  /// Builds `Op` with all results, e.g. `build<nn::MulOp>(type, x, y)`.
  template <typename Op, typename... Args> Op build(Args &&...args) {
    return Op::create(builder, loc, std::forward<Args>(args)...);
  }
  mlir::Value neg(mlir::Value x) { return unary<nn::NegOp>(x); }
  mlir::Value add(mlir::Value x, mlir::Value y) {
    return binary<nn::AddOp>(x, y);
  }
  mlir::Value sub(mlir::Value x, mlir::Value y) {
    return binary<nn::SubOp>(x, y);
  }
  mlir::Value mul(mlir::Value x, mlir::Value y) {
    return binary<nn::MulOp>(x, y);
  }
  mlir::Value div(mlir::Value x, mlir::Value y) {
    return binary<nn::DivOp>(x, y);
  }
  template <typename Op> mlir::Value unary(mlir::Value x) {
    return build<Op>(x.getType(), x);
  }
  template <typename Op> mlir::Value binary(mlir::Value x, mlir::Value y) {
    return build<Op>(x.getType(), x, y);
  }

  /// `value` everywhere, in the type of `like`.
  mlir::Value splat(double value, mlir::Value like);
  mlir::Value compare(nn::ComparePredicate predicate, mlir::Value x,
                      mlir::Value y);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) {
    return build<nn::SelectOp>(x.getType(), condition, x, y);
  }
  /// `x` in the element type of `like`; itself where it has it already.
  mlir::Value castLike(mlir::Value x, mlir::Value like);
  /// Sum over `dimensions` in the element type of `x`.
  mlir::Value reduceSum(mlir::Value x, llvm::ArrayRef<int64_t> dimensions);
  /// `x`, which lacks the ascending dimensions `reduced` of `like`, repeated
  /// along them.
  mlir::Value broadcastAlong(mlir::Value x, llvm::ArrayRef<int64_t> reduced,
                             mlir::Value like);

  mlir::OpBuilder &builder;
  mlir::Location loc;

private:
  mlir::ValueRange incoming;
  llvm::ArrayRef<bool> needed;
  llvm::SmallVectorImpl<mlir::Value> &outgoing;
};

/// The operation that `LogicalResult rule(Op, RuleContext &)` differentiates.
template <typename Function> struct RuleOperation;
template <typename Op>
struct RuleOperation<llvm::LogicalResult (*)(Op, RuleContext &)> {
  using Type = Op;
};

/// The interface's implementation for the operation of `rule`.
template <auto rule>
struct RuleModel
    : nn::DifferentiableOpInterface::ExternalModel<
          RuleModel<rule>, typename RuleOperation<decltype(rule)>::Type> {
  llvm::LogicalResult
  buildGradient(mlir::Operation *op, mlir::OpBuilder &builder,
                mlir::ValueRange resultGradients, llvm::ArrayRef<bool> needed,
                llvm::SmallVectorImpl<mlir::Value> &operandGradients) const {
    operandGradients.assign(op->getNumOperands(), mlir::Value());
    RuleContext context(builder, op->getLoc(), resultGradients, needed,
                        operandGradients);
    return rule(mlir::cast<typename RuleOperation<decltype(rule)>::Type>(op),
                context);
  }
};

/// Attaches each rule to its operation.
template <auto... rules> void attach(mlir::MLIRContext *context) {
  (RuleOperation<decltype(rules)>::Type::template attachInterface<
       RuleModel<rules>>(*context),
   ...);
}

void registerElementwiseRules(mlir::MLIRContext *context);
void registerShapeRules(mlir::MLIRContext *context);
void registerLayerRules(mlir::MLIRContext *context);
void registerLossRules(mlir::MLIRContext *context);
void registerNoiseRules(mlir::MLIRContext *context);
void registerScanRules(mlir::MLIRContext *context);

} // namespace trainc::autodiff

#endif // TRAINC_COMPILER_AUTODIFF_RULES_RULES_H
