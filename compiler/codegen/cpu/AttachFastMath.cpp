//===- AttachFastMath.cpp - what LLVM may do to floating point ------------===//
//
// Decides the two liberties taken with floating point: a multiply and an add
// may fuse, and sums of a linalg reduction may be taken in another (fixed)
// order. NaN, infinities and signed zeros keep their meaning.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/Passes.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_ATTACHFASTMATH
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

void addFlags(Operation *op, arith::FastMathFlags flags) {
  auto math = dyn_cast<arith::ArithFastMathInterface>(op);
  if (!math)
    return;
  arith::FastMathFlagsAttr old = math.getFastMathFlagsAttr();
  op->setAttr(math.getFastMathAttrName(),
              arith::FastMathFlagsAttr::get(
                  op->getContext(),
                  (old ? old.getValue() : arith::FastMathFlags::none) | flags));
}

/// The operation that combines an accumulator with new values, if it is a sum
/// or a product that may be reordered.
Operation *getCombiner(linalg::LinalgOp op, OpOperand &init) {
  BlockArgument accumulator = op.getMatchingBlockArgument(&init);
  if (!accumulator.hasOneUse())
    return nullptr;
  Operation *user = *accumulator.user_begin();
  Value yielded = op.getBlock()->getTerminator()->getOperand(
      init.getOperandNumber() - op.getNumDpsInputs());
  return isa<arith::AddFOp, arith::MulFOp>(user) &&
                 yielded.getDefiningOp() == user
             ? user
             : nullptr;
}

struct AttachFastMath : impl::AttachFastMathBase<AttachFastMath> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<linalg::LinalgOp> named;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (!isa<linalg::GenericOp>(op.getOperation()))
        named.push_back(op);
    });
    for (linalg::LinalgOp op : named) {
      rewriter.setInsertionPoint(op);
      if (failed(linalg::generalizeNamedOp(rewriter, op))) {
        op.emitOpError("expected an operation with a generic form");
        return signalPassFailure();
      }
    }
    getOperation().walk([](Operation *op) {
      if (isa<arith::ArithDialect>(op->getDialect()))
        addFlags(op, arith::FastMathFlags::contract);
    });
    getOperation().walk([](linalg::LinalgOp op) {
      if (op.getNumReductionLoops() == 0)
        return;
      for (OpOperand &init : op.getDpsInitsMutable())
        if (Operation *combiner = getCombiner(op, init))
          addFlags(combiner, arith::FastMathFlags::reassoc);
    });
  }
};

} // namespace
} // namespace trainc::codegen
