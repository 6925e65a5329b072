//===- ExpandMath.cpp - no call of a mathematical library -----------------===//
//
// Decides how each math operation becomes arithmetic: f32 by upstream's
// polynomial approximations, f64 (and f32 where upstream has none) by
// DoubleMath. What is left must be an instruction of the CPU; anything else is
// an error here, rather than an undefined symbol later.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/DoubleMath.h"
#include "compiler/codegen/cpu/Passes.h"

#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_EXPANDMATH
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

using Unary = Value (DoubleMath::*)(Value);

/// Expands a unary function on f64.
template <typename OpT, Unary Function>
struct ExpandUnary : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF64())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    rewriter.replaceOp(op, (DoubleMath(builder).*Function)(op.getOperand()));
    return success();
  }
};

/// The same in f32, for functions that upstream does not approximate.
template <typename OpT, Unary Function>
struct ExpandThroughDouble : OpRewritePattern<OpT> {
  using OpRewritePattern<OpT>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpT op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return failure();
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Value x =
        arith::ExtFOp::create(builder, builder.getF64Type(), op.getOperand());
    Value result = (DoubleMath(builder).*Function)(x);
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), result);
    return success();
  }
};

/// Powers in f64 for both types: f32 has no expansion of its own.
struct ExpandPower : OpRewritePattern<math::PowFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::PowFOp op,
                                PatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder builder(op.getLoc(), rewriter);
    Value x = op.getLhs(), y = op.getRhs();
    bool single = op.getType().isF32();
    if (!single && !op.getType().isF64())
      return failure();
    if (single) {
      x = arith::ExtFOp::create(builder, builder.getF64Type(), x);
      y = arith::ExtFOp::create(builder, builder.getF64Type(), y);
    }
    Value result = DoubleMath(builder).pow(x, y);
    if (single)
      result = arith::TruncFOp::create(builder, builder.getF32Type(), result);
    rewriter.replaceOp(op, result);
    return success();
  }
};

/// 1 / sqrt(x) in f32, correctly rounded twice instead of the CPU's estimate.
struct ExpandSingleRsqrt : OpRewritePattern<math::RsqrtOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::RsqrtOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return failure();
    Value root = math::SqrtOp::create(rewriter, op.getLoc(), op.getOperand());
    Value one = arith::ConstantOp::create(rewriter, op.getLoc(),
                                          rewriter.getF32FloatAttr(1.0));
    rewriter.replaceOpWithNewOp<arith::DivFOp>(op, one, root);
    return success();
  }
};

/// Whether LLVM turns the operation into instructions of any CPU that we
/// accept.
bool isInstruction(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::FmaOp, math::SqrtOp,
             math::FloorOp, math::CeilOp, math::TruncOp, math::RoundEvenOp,
             math::CopySignOp, math::CtPopOp, math::CountLeadingZerosOp,
             math::CountTrailingZerosOp, math::IsNaNOp, math::IsInfOp,
             math::IsFiniteOp>(op);
}

struct ExpandMath : impl::ExpandMathBase<ExpandMath> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<ExpandUnary<math::ExpOp, &DoubleMath::exp>,
                 ExpandUnary<math::Exp2Op, &DoubleMath::exp2>,
                 ExpandUnary<math::ExpM1Op, &DoubleMath::expm1>,
                 ExpandUnary<math::LogOp, &DoubleMath::log>,
                 ExpandUnary<math::Log2Op, &DoubleMath::log2>,
                 ExpandUnary<math::Log10Op, &DoubleMath::log10>,
                 ExpandUnary<math::Log1pOp, &DoubleMath::log1p>,
                 ExpandUnary<math::TanhOp, &DoubleMath::tanh>,
                 ExpandUnary<math::ErfOp, &DoubleMath::erf>,
                 ExpandUnary<math::SinOp, &DoubleMath::sin>,
                 ExpandUnary<math::CosOp, &DoubleMath::cos>,
                 ExpandUnary<math::RsqrtOp, &DoubleMath::rsqrt>, ExpandPower,
                 ExpandSingleRsqrt,
                 ExpandThroughDouble<math::Exp2Op, &DoubleMath::exp2>,
                 ExpandThroughDouble<math::Log10Op, &DoubleMath::log10>>(
        context, /*benefit=*/4);
    math::populateExpansionPatterns(
        patterns, {"sinh", "cosh", "tan", "asinh", "acosh", "atanh", "fpowi"});
    // Only these of arith: maximumf stays whole, for LLVM knows its reductions.
    arith::populateCeilFloorDivExpandOpsPatterns(patterns);
    // Integer code for bfloat16 on every CPU: the same bits, denormals kept.
    arith::populateExpandBFloat16Patterns(patterns);
    populateMathPolynomialApproximationPatterns(patterns,
                                                [](StringRef) { return true; });
    // Bodies are expanded as they are: no folding, which could change results.
    GreedyRewriteConfig config;
    config.enableFolding(false).enableConstantCSE(false);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      return signalPassFailure();

    WalkResult left = getOperation().walk([](Operation *op) {
      if (isa<arith::RemFOp>(op) ||
          (isa<math::MathDialect>(op->getDialect()) && !isInstruction(op))) {
        op->emitOpError(
            "expected an operation that the CPU back end can expand; "
            "write it with exp, log, tanh, erf, sin, cos or sqrt");
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (left.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
} // namespace trainc::codegen
