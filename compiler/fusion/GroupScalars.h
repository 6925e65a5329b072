//===- GroupScalars.h - what groups of operations have in common --*- C++
//-*-===//
//
// A group's kernel computes its elementwise operations on scalars, one index at
// a time, inside a linalg.generic over the group's shape. Here is what a group
// reads from outside, how those scalars are built, and which variable a result
// may replace in place.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_GROUPSCALARS_H
#define TRAINC_COMPILER_FUSION_GROUPSCALARS_H

#include "compiler/fusion/KernelTable.h"
#include "mlir/IR/IRMapping.h"

namespace trainc::fusion {

/// A value from outside, read along `dimensions` of the group's shape.
struct Operand {
  mlir::Value value;
  llvm::SmallVector<int64_t> dimensions;
  bool operator==(const Operand &other) const {
    return value == other.value && dimensions == other.dimensions;
  }
};

/// 0, 1, … rank - 1.
llvm::SmallVector<int64_t> allDimensions(int64_t rank);

/// How `op`, elementwise or a sum, reads its operand `index` in a space of
/// `rank` dimensions.
Operand operandOf(mlir::Operation *op, unsigned index, int64_t rank);

/// What `ops` read that none of `inside` makes, each once, in order.
llvm::SmallVector<Operand>
operandsOf(llvm::ArrayRef<mlir::Operation *> ops,
           const llvm::SmallDenseSet<mlir::Operation *> &inside, int64_t rank);

/// Whether an operation outside reads what `op` makes.
bool leaves(mlir::Value value,
            const llvm::SmallDenseSet<mlir::Operation *> &inside);

/// Adds to `computed` the scalars that the elementwise operations `ops`
/// compute, in order; `outside` gives those of operands that are not in
/// `computed`.
void buildScalars(mlir::OpBuilder &body, mlir::Location loc,
                  llvm::ArrayRef<mlir::Operation *> ops, int64_t rank,
                  mlir::IRMapping &computed,
                  llvm::function_ref<mlir::Value(const Operand &)> outside);

/// The operand that `result` may replace in place: one that it grows from and
/// nobody else reads, or a train.read of the variable that it goes to, read
/// element by element by operations for which `reads` holds and by nobody else.
/// None of `taken`; null where there is none.
mlir::Value findUpdate(mlir::Value result, llvm::ArrayRef<Operand> operands,
                       llvm::ArrayRef<mlir::Value> taken, int64_t rank,
                       llvm::function_ref<bool(mlir::Operation *)> reads);

/// Operations, where their operands come from, which results leave, and what
/// they replace.
KernelKey keyOfGroup(llvm::ArrayRef<mlir::Operation *> group,
                     llvm::ArrayRef<mlir::Value> results,
                     llvm::ArrayRef<mlir::Value> updates);

/// The request's destinations: what each result replaces, or a fresh tensor.
void addDestinations(KernelRequest &request, mlir::OpBuilder &builder,
                     mlir::Location loc, llvm::ArrayRef<mlir::Value> results,
                     llvm::ArrayRef<mlir::Value> updates);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_GROUPSCALARS_H
