//===- RegionCut.h - a rule with means as passes ----------------*- C++ -*-===//
//
// Decides in which pass over a parameter each value of region `element` or
// `matrix` is computed. Passes have times: those of time t go over elements,
// rows and columns, and read only what passes before t have made. Values of
// elements are computed again in each pass that needs them, never stored, but
// for matrices that are orthogonalised.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_OPTIMIZER_REGIONCUT_H
#define TRAINC_COMPILER_OPTIMIZER_REGIONCUT_H

#include "dialects/train/Train.h"

namespace trainc::optimizer {

class RegionCut {
public:
  RegionCut(train::UpdateOp update, mlir::Region &region);

  mlir::Block &block() { return region.front(); }
  mlir::ValueRange yielded() { return block().getTerminator()->getOperands(); }

  train::Extent extentOf(mlir::Value value) { return extents.lookup(value); }
  /// When a value is computed; 0: it is there before the first pass.
  int timeOf(mlir::Value value) { return times.lookup(value); }
  /// When the terms of a mean are summed: as soon as they can be, or over the
  /// tensor as late as a pass is there for it.
  int sumTimeOf(train::MeanOp mean) {
    return std::max({1, timeOf(mean.getInput()), sumTimes.lookup(mean)});
  }

  /// When the matrix that is orthogonalised is written.
  int writeTimeOf(train::OrthogonalizeOp op) {
    return std::max(1, timeOf(op.getInput()));
  }

  /// How much what the rule yields as number `i` varies, where it is kept.
  train::Extent yieldExtent(unsigned i) { return yieldExtents[i]; }
  /// When it is written: elements all in the last pass over them.
  int yieldTime(unsigned i);

  /// Time of the last pass.
  int last() const { return end; }

  /// Whether a pass over `space` at `time` computes `value`, a result of an
  /// operation; otherwise the pass reads it.
  bool computes(train::Extent space, int time, mlir::Value value);

private:
  void findTimes();
  llvm::SmallVector<int> fixedTimes(train::MeanOp apart);
  void postponeSums();
  int ownYieldTime(unsigned i);

  mlir::Region &region;
  train::Extents extents;
  llvm::DenseMap<mlir::Value, int> times;
  /// Of means over the tensor that are summed later than they could be.
  llvm::DenseMap<mlir::Operation *, int> sumTimes;
  llvm::SmallVector<train::Extent> yieldExtents;
  int elementsEnd = 1, end = 1;
};

} // namespace trainc::optimizer

#endif // TRAINC_COMPILER_OPTIMIZER_REGIONCUT_H
