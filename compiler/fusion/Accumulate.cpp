//===- Accumulate.cpp - sums grow where they will lie ---------------------===//
//
// A variable that gets a sum of several tensors (the gradient of a table that
// is read in several places, or chunk by chunk) needs no memory for each of
// them: each is added to the variable when it is made. Decides the order of
// such a sum: that in which its terms are made.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Bounds.h"
#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/Rows.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_ACCUMULATEPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

using nn::AccumulatingOpInterface;

/// An addition of two tensors, be it of a term that may be left out.
bool isAddition(Operation *op) {
  return isa<nn::AddOp>(op) || (isa<nn::AccumulateOp>(op) && boundOf(op));
}

/// Appends the terms of `sum`; false where one is not made for it alone.
bool collectTerms(Value sum, SmallVectorImpl<Value> &terms) {
  Operation *op = sum.getDefiningOp();
  if (!op || !sum.hasOneUse())
    return false;
  if (isAddition(op))
    return collectTerms(op->getOperand(0), terms) &&
           collectTerms(op->getOperand(1), terms);
  terms.push_back(sum);
  return true;
}

struct AccumulatePass : impl::AccumulatePassBase<AccumulatePass> {
  void runOnOperation() override {
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      for (auto write :
           llvm::make_early_inc_range(program.getOps<train::WriteOp>()))
        accumulate(write);
  }

  void accumulate(train::WriteOp write) {
    // In later micro-batches the sum is added to what the variable holds.
    auto onto = write.getValue().getDefiningOp<nn::AccumulateOp>();
    if (onto && isAddition(onto))
      onto = nullptr;
    if (onto && !onto->hasOneUse())
      return;
    Value sum = onto ? onto.getValue() : write.getValue();
    SmallVector<Value> terms;
    if (!collectTerms(sum, terms) || terms.size() < 2)
      return;
    // Elementwise terms are one kernel with their sum as it is.
    if (llvm::none_of(terms, [](Value term) {
          return isa<nn::TiledOpInterface, AccumulatingOpInterface>(
              term.getDefiningOp());
        }))
      return;
    llvm::stable_sort(terms, [](Value a, Value b) {
      return a.getDefiningOp()->isBeforeInBlock(b.getDefiningOp());
    });
    Operation *start = terms.front().getDefiningOp()->getNextNode();
    // A sum has to begin with something.
    if (boundOf(terms.front().getDefiningOp()))
      return;
    if (onto && (!hoistBefore(onto.getAccumulator(), start) ||
                 (onto.getFirst() && !hoistBefore(onto.getFirst(), start))))
      return;
    auto opts = remark::RemarkOpts::name("accumulate").category("fusion");
    remark::passed(write.getLoc(), opts)
        << ("the " + llvm::Twine(terms.size()) + " terms of @" +
            write.getSymbol() + " are added where it lies")
               .str();

    Value total = terms.front();
    OpBuilder builder(start);
    if (onto)
      total = nn::AccumulateOp::create(builder, onto.getLoc(), total.getType(),
                                       onto.getAccumulator(), total,
                                       onto.getFirst());
    for (Value term : ArrayRef(terms).drop_front()) {
      builder.setInsertionPointAfterValue(term);
      auto accumulating =
          dyn_cast<AccumulatingOpInterface>(term.getDefiningOp());
      total = accumulating ? accumulating.accumulateOnto(builder, total)
                           : nn::AccumulateOp::create(builder, term.getLoc(),
                                                      total.getType(), total,
                                                      term, Value())
                                 .getResult();
      setBound(total.getDefiningOp(), boundOf(term.getDefiningOp()));
    }
    write.getValueMutable().assign(total);
    if (onto)
      onto->erase();
    eraseDead(sum.getDefiningOp());
  }

  /// Erases additions, and terms that have been replaced.
  void eraseDead(Operation *op) {
    if (!op || !op->use_empty())
      return;
    SmallVector<Value> operands;
    if (isAddition(op))
      operands = op->getOperands();
    op->erase();
    for (Value operand : operands)
      eraseDead(operand.getDefiningOp());
  }
};

} // namespace
} // namespace trainc::fusion
