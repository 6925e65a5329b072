//===- CountedRows.h - only the rows that a loss counts ---------*- C++ -*-===//
//
// Masked language models count about 15 of 100 rows; what all others would get
// is known to be zero. Decides whether a region of operations by rows may leave
// those rows out, and gives it its operands in another order: rows that count
// first. Then a chunk behind them need not run.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_COUNTEDROWS_H
#define TRAINC_COMPILER_FUSION_COUNTEDROWS_H

#include "compiler/fusion/Rows.h"
#include "dialects/nn/Nn.h"

namespace trainc::fusion {

class CountedRows {
public:
  /// Of the rows that `loss`, which `region` contains, counts.
  CountedRows(const RowRegion &region, mlir::Operation *loss);

  /// Why rows that do not count must be computed; empty where they need not.
  const std::string &obstacle() const { return reason; }

  /// Makes the order at `builder`, and a bound for chunks from `firsts` on.
  void create(mlir::OpBuilder &builder, llvm::ArrayRef<int64_t> firsts);

  /// A value by rows from outside, in the new order; once per value.
  mlir::Value gather(mlir::OpBuilder &builder, mlir::Value whole);

  /// What the region made by rows, in the old order and 0 where a row does not
  /// count.
  mlir::Value scatter(mlir::OpBuilder &builder, mlir::Value whole);

  /// The number of the bound of what begins at firsts[i].
  int64_t bound(unsigned i) const { return bounds[i]; }

private:
  void findObstacle(const RowRegion &region);

  mlir::Value targets;
  int64_t ignored = 0;
  std::string reason;
  nn::OrderRowsOp order;
  llvm::SmallVector<int64_t> bounds;
  llvm::DenseMap<mlir::Value, mlir::Value> gathered;
};

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_COUNTEDROWS_H
