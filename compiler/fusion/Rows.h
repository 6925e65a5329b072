//===- Rows.h - computing some rows at a time -------------------*- C++ -*-===//
//
// A set of operations that can be computed together for some rows at a time:
// for consecutive indices along dimension 0 of values of N rows. Decides what
// belongs together; which rows, and whether it is worth it, others decide.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_ROWS_H
#define TRAINC_COMPILER_FUSION_ROWS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include <string>

namespace trainc::fusion {

/// How one operation falls into rows.
struct RowCut {
  /// Per operand: only the rows at hand are read; otherwise all of it.
  llvm::SmallVector<bool> operands;
  /// Per result: a sum over all rows, for which the rows at hand give one term;
  /// otherwise the rows at hand.
  llvm::SmallVector<bool> sums;
};

/// What hangs together with a value that shall exist for some rows only.
class RowRegion {
public:
  /// Collects, around `wide` of a block: the operation that makes it, back to a
  /// product; all that read it and values of its shape; what lies between
  /// those; and the free operations that they need. With an obstacle where
  /// something of it cannot be computed for some rows at a time.
  explicit RowRegion(mlir::Value wide);

  /// Why the region cannot be computed for some rows at a time; empty where it
  /// can.
  const std::string &obstacle() const { return reason; }

  /// In the order of the block. Free operations may stand before `begin()`.
  llvm::ArrayRef<mlir::Operation *> operations() const { return order; }
  const RowCut &cut(mlir::Operation *op) const { return cuts.at(op); }
  bool contains(mlir::Operation *op) const { return cuts.contains(op); }

  /// The first operation that is not free.
  mlir::Operation *begin() const;

  /// Clones an operation of the region for `rows` rows; `operands` are its
  /// operands for those.
  mlir::Operation *cloneRows(mlir::OpBuilder &builder, mlir::Operation *op,
                             mlir::ValueRange operands, int64_t rows) const;

private:
  void add(mlir::Operation *op);
  void addBetween();
  void markRows(mlir::Value value);
  void checkInside();
  void fail(mlir::Operation *op, const llvm::Twine &why);
  bool isWide(mlir::Value value) const;

  mlir::Value wide;
  llvm::DenseSet<mlir::Value> byRows; ///< values known to be cut into rows
  llvm::DenseMap<mlir::Operation *, RowCut> cuts;
  llvm::SmallVector<mlir::Operation *> order;
  std::string reason;
};

/// Whether computing the operation again costs nothing.
bool isFreeOperation(mlir::Operation *op);

/// Moves what `value` depends on before `point` of the same block, if it stands
/// behind and may: pure operations, and reads of variables that nothing between
/// writes. Leaves everything in place where it may not.
bool hoistBefore(mlir::Value value, mlir::Operation *point);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_ROWS_H
