//===- Tiles.h - distributing work over workgroups ----------------*- C++
//-*-===//
//
// The decomposition of a kernel is fixed at compile time: an iteration space is
// cut into tiles, one scf.forall iteration per tile. Everything about how big
// tiles are is decided here.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_TILES_H
#define TRAINC_COMPILER_FUSION_TILES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace trainc::fusion {

using Indices = llvm::SmallVector<mlir::OpFoldResult>;

/// `all[d]` for each of `dimensions`.
Indices selectIndices(llvm::ArrayRef<mlir::OpFoldResult> all,
                      llvm::ArrayRef<int64_t> dimensions);

/// Part of a destination that one workgroup computes.
struct TileResult {
  mlir::Value tile;
  Indices offsets, sizes; ///< in the destination
};

/// Elements of work per workgroup that amortise its dispatch (about 10 µs).
inline constexpr int64_t kTileElements = 16384;

/// The same where memory is swept and nothing else done: each stream of a tile
/// starts anew, and of long ones that is a smaller part. Never so long that
/// there are few tiles.
int64_t sweepTileElements(int64_t elements);

/// Largest divisor of `size` that is at most `limit` (at least 1).
int64_t largestDivisor(int64_t size, int64_t limit);

/// Tile sizes for a row-major space: trailing dimensions whole, a leading one
/// cut, so that a tile has about `elements` elements. Cut evenly where a
/// divisor is near.
llvm::SmallVector<int64_t> chooseTile(llvm::ArrayRef<int64_t> shape,
                                      int64_t elements = kTileElements);

/// Body of one workgroup: offsets and sizes of its tile in the iteration space,
/// and the destinations as seen by it; returns one TileResult per destination.
using TileBody = llvm::function_ref<llvm::SmallVector<TileResult>(
    mlir::OpBuilder &, llvm::ArrayRef<mlir::OpFoldResult> offsets,
    llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::ValueRange destinations)>;

/// Builds the scf.forall over the tiles of `shape`; returns its results, one
/// per destination. With a single tile there is no loop.
llvm::SmallVector<mlir::Value>
buildTiles(mlir::OpBuilder &builder, mlir::Location loc,
           llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> tile,
           mlir::ValueRange destinations, TileBody body);

/// `tensor[offsets][sizes][1…]`, with the dimensions in `drop` (of size 1)
/// removed.
mlir::Value slice(mlir::OpBuilder &builder, mlir::Location loc,
                  mlir::Value tensor,
                  llvm::ArrayRef<mlir::OpFoldResult> offsets,
                  llvm::ArrayRef<mlir::OpFoldResult> sizes,
                  llvm::ArrayRef<int64_t> drop = {});

/// View of `tensor` as [rows, last dimension] (rank 1: one row).
mlir::Value asRows(mlir::OpBuilder &builder, mlir::Location loc,
                   mlir::Value tensor);
/// View of `tensor` with one dimension (rank 0: one element).
mlir::Value asFlat(mlir::OpBuilder &builder, mlir::Location loc,
                   mlir::Value tensor);
/// View of `tensor` with another static shape of as many elements.
mlir::Value reshape(mlir::OpBuilder &builder, mlir::Location loc,
                    mlir::Value tensor, llvm::ArrayRef<int64_t> shape);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_TILES_H
