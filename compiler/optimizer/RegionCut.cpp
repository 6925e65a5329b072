//===- RegionCut.cpp - a rule with means as passes ------------------------===//

#include "compiler/optimizer/RegionCut.h"

using namespace mlir;

namespace trainc::optimizer {

using train::Extent;

RegionCut::RegionCut(train::UpdateOp update, Region &region)
    : region(region), extents(train::inferExtents(update, region)) {
  findTimes();
  postponeSums();
  SmallVector<Extent> arguments = update.getArgumentExtents(region);
  yieldExtents.push_back(Extent::Element);
  for (unsigned i = 1; i < yielded().size(); ++i)
    yieldExtents.push_back(arguments[1 + i]); // states stand behind θ and g
  for (unsigned i = 0; i < yielded().size(); ++i)
    if (yieldExtents[i] == Extent::Element)
      elementsEnd = std::max(elementsEnd, ownYieldTime(i));
  for (auto mean : block().getOps<train::MeanOp>())
    if (extentOf(mean.getInput()) == Extent::Element)
      elementsEnd = std::max(elementsEnd, sumTimeOf(mean));
  for (Operation &op : block().without_terminator())
    end = std::max(end, timeOf(op.getResult(0)));
  for (unsigned i = 0; i < yielded().size(); ++i)
    end = std::max(end, yieldTime(i));
}

void RegionCut::findTimes() {
  for (Operation &op : block().without_terminator()) {
    int time = 0;
    Value result = op.getResult(0);
    Extent own = extentOf(result);
    if (auto mean = dyn_cast<train::MeanOp>(op)) {
      // A mean over the tensor is a number as soon as its terms are summed; one
      // per row is made of its sum by the next pass over rows.
      time = sumTimeOf(mean) + (own == Extent::Tensor ? 0 : 1);
    } else if (auto matrix = dyn_cast<train::OrthogonalizeOp>(op)) {
      // Made of what one pass writes, and read by the next.
      time = writeTimeOf(matrix) + 1;
    } else if (own > Extent::Tensor) {
      time = 1;
      for (Value operand : op.getOperands())
        time = std::max(time,
                        timeOf(operand) + (extentOf(operand) == own ? 0 : 1));
    } else {
      for (Value operand : op.getOperands())
        time = std::max(time, timeOf(operand));
    }
    times[result] = time;
  }
}

/// When passes are that must not move: other sums, what is written, values of
/// rows and columns. Elements are computed again by whoever needs them.
SmallVector<int> RegionCut::fixedTimes(train::MeanOp apart) {
  SmallVector<int> fixed;
  for (Operation &op : block().without_terminator()) {
    Extent own = extentOf(op.getResult(0));
    if (auto mean = dyn_cast<train::MeanOp>(op)) {
      if (mean != apart)
        fixed.push_back(sumTimeOf(mean));
    } else if (auto matrix = dyn_cast<train::OrthogonalizeOp>(op)) {
      fixed.push_back(writeTimeOf(matrix));
    } else if (own == Extent::Row || own == Extent::Column) {
      fixed.push_back(timeOf(op.getResult(0)));
    }
  }
  for (Value value : yielded())
    fixed.push_back(timeOf(value));
  return fixed;
}

/// Terms of a mean over the tensor are summed by the last pass that goes over
/// elements anyway before the mean is needed: what that pass reads is then in
/// cache for the next.
void RegionCut::postponeSums() {
  SmallVector<train::MeanOp> sums;
  for (auto mean : block().getOps<train::MeanOp>())
    if (extentOf(mean.getInput()) == Extent::Element)
      sums.push_back(mean);
  for (train::MeanOp mean : sums) {
    if (mean.getOver() != Extent::Tensor)
      continue;
    for (train::MeanOp other : sums) {
      int sum = sumTimeOf(mean), pass = sumTimeOf(other);
      if (pass <= sum)
        continue;
      SmallVector<int> before = fixedTimes(mean);
      sumTimes[mean] = pass;
      findTimes();
      if (fixedTimes(mean) != before) {
        sumTimes[mean] = sum;
        findTimes();
      }
    }
  }
}

int RegionCut::ownYieldTime(unsigned i) {
  Value value = yielded()[i];
  return std::max(1,
                  timeOf(value) + (extentOf(value) == yieldExtents[i] ? 0 : 1));
}

int RegionCut::yieldTime(unsigned i) {
  return yieldExtents[i] == Extent::Element ? elementsEnd : ownYieldTime(i);
}

bool RegionCut::computes(Extent space, int time, Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (op->hasTrait<OpTrait::ConstantLike>())
    return true;
  if (isa<train::OrthogonalizeOp>(op))
    return false;
  return extentOf(value) == space &&
         (space == Extent::Element || timeOf(value) == time);
}

} // namespace trainc::optimizer
