//===- SweepBody.h - what a sweep does on a few rows ------------*- C++ -*-===//
//
// Decides the loops over the columns of a few rows that train.sweep goes over
// together: first one for every sum, then one per row for what is written,
// which finds the row in cache. Several rows share what is done per column.
// Terms that come from f32 are added up in it along a row that is not too long,
// and over the rows of a column; all else is f64.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_LOWERING_SWEEPBODY_H
#define TRAINC_COMPILER_FUSION_LOWERING_SWEEPBODY_H

#include "compiler/fusion/lowering/Generic.h"
#include "dialects/train/Train.h"

namespace trainc::fusion::lowering {

/// What operands and results of a sweep are on one row: rows of values, or one
/// value each.
struct SweepRow {
  llvm::SmallVector<mlir::Value> values, outs;
};

class SweepBody {
public:
  /// A segment of results, and how far each of its members is cut.
  enum class Kind { Element, RowSum, ColumnSum, Sum };

  SweepBody(train::SweepOp op, mlir::ValueRange operands,
            mlir::ValueRange destinations);

  /// Of the results.
  llvm::ArrayRef<Kind> kinds() const { return resultKinds; }

  /// All sums of some rows, in one loop over their columns: of rows to their
  /// outs, others to the tiles, one per result.
  void buildSums(mlir::OpBuilder &b, llvm::MutableArrayRef<SweepRow> rows,
                 llvm::MutableArrayRef<mlir::Value> tiles);

  /// The new elements of a row, to its outs.
  void buildElements(mlir::OpBuilder &b, SweepRow &row);

private:
  mlir::Operation *yield() { return op.getBody().front().getTerminator(); }
  llvm::SmallVector<mlir::Value>
  compute(mlir::OpBuilder &body, llvm::ArrayRef<mlir::Value> wanted,
          llvm::function_ref<mlir::Value(unsigned)> scalarOf);
  llvm::SmallVector<unsigned> operandsFor(llvm::ArrayRef<mlir::Value> wanted);
  mlir::Value narrowTerm(unsigned result);
  mlir::Value addTo(mlir::OpBuilder &body, mlir::Value sum, mlir::Value term);
  mlir::Value addUp(mlir::OpBuilder &body,
                    llvm::SmallVector<mlir::Value> values);
  mlir::Value addScalar(mlir::OpBuilder &b, mlir::Value sum, mlir::Value value);
  llvm::SmallVector<Indexed> withSpace(mlir::OpBuilder &b,
                                       llvm::SmallVector<Indexed> inputs,
                                       llvm::ArrayRef<Indexed> outputs);

  train::SweepOp op;
  mlir::Location loc;
  mlir::ValueRange operands, destinations;
  llvm::SmallVector<Kind> resultKinds;
  int64_t columns;
};

} // namespace trainc::fusion::lowering

#endif // TRAINC_COMPILER_FUSION_LOWERING_SWEEPBODY_H
