//===- ColumnViews.h - parts of a tensor's columns inside kernels -*- C++
//-*-===//
//
// nn.split and nn.concat cut the last dimension: their parts are no buffers,
// because rows of a part do not follow each other in memory. A kernel that
// touches its operand or result tile by tile can work on the whole tensor's
// columns instead, and the copies disappear (attention on the joint projection
// of queries, keys and values). Here: which values are such parts, and the
// views of them in a kernel.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_COLUMNVIEWS_H
#define TRAINC_COMPILER_FUSION_COLUMNVIEWS_H

#include "dialects/nn/Nn.h"
#include "mlir/IR/Builders.h"
#include <optional>

namespace trainc::fusion {

/// One of `count` equal parts of a tensor's columns, seen as `shape`, whose
/// first `rows` dimensions are the tensor's rows.
struct ColumnPart {
  mlir::Value whole; ///< null for a part of a result
  int64_t number, count;
  llvm::SmallVector<int64_t> shape;
  unsigned rows;
};

/// `value` as a part of what an nn.split cuts, if all its parts are read by
/// operations without a kernel yet, through views.
std::optional<ColumnPart> findSplit(mlir::Value value);

/// The nn.concat whose parts are results of `op`, each once, and nothing but
/// them; for its operands in order the numbers of the results. All results have
/// one shape.
struct ColumnJoin {
  nn::ConcatOp concat;
  llvm::SmallVector<unsigned> results;
  llvm::SmallVector<ColumnPart> parts; ///< of each of `results`
};
std::optional<ColumnJoin> findJoin(mlir::Operation *op);

/// In a kernel: `whole` seen as [rows..., parts, columns...].
mlir::Value inParts(mlir::OpBuilder &builder, mlir::Location loc,
                    mlir::Value whole, const ColumnPart &part);
/// The part's columns of a tensor seen so, as [shape].
mlir::Value columnsOf(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Value inParts, const ColumnPart &part);
/// That tensor with the part's columns replaced by `value`.
mlir::Value withColumns(mlir::OpBuilder &builder, mlir::Location loc,
                        mlir::Value inParts, mlir::Value value,
                        const ColumnPart &part);

/// Whether the kernel touches `view` tile by tile only. Anything else would
/// copy it.
bool isTouchedByTiles(mlir::Value view);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_COLUMNVIEWS_H
