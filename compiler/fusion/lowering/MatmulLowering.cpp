//===- MatmulLowering.cpp - matrix products -------------------------------===//
//
// Decides the tiles of a product: large enough to reuse packed panels from
// cache, small enough that several threads share the work evenly. A tile is a
// fill and a contraction, which code generation knows as a product worth
// packing.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;
using nn::TiledOpInterface;

/// Tiles of a product, where it has them.
constexpr int64_t leastTiles = 8;

/// Largest multiple of `unit` up to `limit` that divides `size`; `limit` where
/// that would be less than half of it (the last tile is then a smaller one).
int64_t evenTile(int64_t size, int64_t limit, int64_t unit) {
  if (size <= limit)
    return size;
  for (int64_t tile = limit; tile * 2 >= limit; tile -= unit)
    if (size % tile == 0)
      return tile;
  return limit;
}

/// Tile of an [M, N] product. Each tile packs its columns of the right factor,
/// which pays the more rows they meet; rows of the left one are read from far
/// once per tile, which pays the more columns they meet. At least 8 tiles,
/// where the product has them, so that a few threads share them evenly.
SmallVector<int64_t> matmulTile(int64_t m, int64_t n) {
  int64_t rows = evenTile(m, 1024, 16), columns = evenTile(n, 192, 48);
  auto tiles = [&] {
    return llvm::divideCeil(m, rows) * llvm::divideCeil(n, columns);
  };
  while (tiles() < leastTiles && (rows > 64 || columns > 48)) {
    if (rows > 64 && (rows > 512 || rows >= 4 * columns || columns <= 48))
      rows = evenTile(m, std::max<int64_t>(64, rows / 2), 16);
    else
      columns = evenTile(n, std::max<int64_t>(48, columns / 2), 48);
  }
  return {rows, columns};
}

/// The same of factors in bfloat16, which CPUs with tile registers multiply so
/// fast that copying both factors into their order must pay.
SmallVector<int64_t> narrowMatmulTile(int64_t m, int64_t n) {
  int64_t rows = evenTile(m, 512, 32), columns = evenTile(n, 384, 32);
  auto tiles = [&] {
    return llvm::divideCeil(m, rows) * llvm::divideCeil(n, columns);
  };
  while (tiles() < leastTiles && (rows > 64 || columns > 64)) {
    if (rows >= columns || columns <= 64)
      rows = evenTile(m, std::max<int64_t>(64, rows / 2), 32);
    else
      columns = evenTile(n, std::max<int64_t>(64, columns / 2), 32);
  }
  return {rows, columns};
}

struct MatmulTiles
    : TiledOpInterface::ExternalModel<MatmulTiles, nn::MatmulOp> {
  SmallVector<int64_t> getTileSizes(Operation *op) const {
    ArrayRef<int64_t> shape = cast<nn::MatmulOp>(op).getType().getShape();
    int64_t rank = shape.size();
    SmallVector<int64_t> tile(rank - 2, 1);
    Type factor = cast<nn::MatmulOp>(op).getLhs().getType().getElementType();
    tile.append(factor.isBF16()
                    ? narrowMatmulTile(shape[rank - 2], shape[rank - 1])
                    : matmulTile(shape[rank - 2], shape[rank - 1]));
    for (int64_t d = rank - 2; d < rank; ++d)
      tile[d] = std::min(tile[d], shape[d]);
    return tile;
  }

  unsigned getDroppedRank(Operation *op) const {
    return cast<nn::MatmulOp>(op).getType().getRank() - 2;
  }

  /// One result, no by-products.
  void getByProductTile(Operation *, unsigned, OpBuilder &,
                        ArrayRef<OpFoldResult>, ArrayRef<OpFoldResult>,
                        SmallVector<OpFoldResult> &,
                        SmallVector<OpFoldResult> &) const {}

  SmallVector<Value> lowerTile(Operation *op, OpBuilder &b, ValueRange operands,
                               ArrayRef<Value>, ArrayRef<OpFoldResult> offsets,
                               ArrayRef<OpFoldResult> sizes,
                               ValueRange destinations) const {
    auto matmul = cast<nn::MatmulOp>(op);
    Location loc = op->getLoc();
    bool tl = matmul.getTransposeLhs(), tr = matmul.getTransposeRhs();
    int64_t rank = offsets.size(), batch = rank - 2;
    int64_t k = matmul.getLhs().getType().getDimSize(tl ? rank - 2 : rank - 1);
    Type element = matmul.getType().getElementType();
    SmallVector<int64_t> drop = llvm::to_vector(llvm::seq<int64_t>(0, batch));
    OpFoldResult zero = b.getIndexAttr(0), whole = b.getIndexAttr(k);
    auto operand = [&](Value value, bool transposed, int64_t d, bool left) {
      Indices from(offsets.take_front(batch)), size(sizes.take_front(batch));
      bool kFirst = left == transposed;
      from.append({kFirst ? zero : offsets[d], kFirst ? offsets[d] : zero});
      size.append({kFirst ? whole : sizes[d], kFirst ? sizes[d] : whole});
      return slice(b, loc, value, from, size, drop);
    };
    Value lhs = operand(operands[0], tl, rank - 2, true);
    Value rhs = operand(operands[1], tr, rank - 1, false);
    Value out = fill(b, loc, destinations[0], 0.0);
    using Dims = SmallVector<int64_t, 4>;
    return buildGeneric(
        b, loc, "ppr",
        {{lhs, tl ? Dims{2, 0} : Dims{0, 2}},
         {rhs, tr ? Dims{1, 2} : Dims{2, 1}}},
        {{out, {0, 1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          Value l = castFloat(body, loc, x[0], element);
          Value r = castFloat(body, loc, x[1], element);
          return {arith::AddFOp::create(
              body, loc, x[2], arith::MulFOp::create(body, loc, l, r))};
        });
  }
};

struct MatmulModel
    : LowerableOpInterface::ExternalModel<MatmulModel, nn::MatmulOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto tiled = cast<TiledOpInterface>(op);
    SmallVector<int64_t> drop =
        llvm::to_vector(llvm::seq<int64_t>(0, tiled.getDroppedRank()));
    return buildTiles(
        builder, op->getLoc(), cast<nn::MatmulOp>(op).getType().getShape(),
        tiled.getTileSizes(), destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value out = slice(b, op->getLoc(), outs[0], offsets, sizes, drop);
          SmallVector<Value> none(operands.size());
          return SmallVector<TileResult>{
              {tiled.lowerTile(b, operands, none, offsets, sizes, out)[0],
               Indices(offsets), Indices(sizes)}};
        });
  }
  double flops(Operation *op) const {
    auto matmul = cast<nn::MatmulOp>(op);
    auto lhs = matmul.getLhs().getType();
    double k =
        lhs.getDimSize(lhs.getRank() - (matmul.getTransposeLhs() ? 2 : 1));
    return 2.0 * k * matmul.getType().getNumElements();
  }
};

} // namespace

void registerMatmulLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::MatmulOp::attachInterface<MatmulTiles, MatmulModel>(*context);
  });
}

} // namespace trainc::fusion::lowering
