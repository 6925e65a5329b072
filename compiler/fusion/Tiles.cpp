//===- Tiles.cpp - distributing work over workgroups ----------------------===//

#include "compiler/fusion/Tiles.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion {

Indices selectIndices(ArrayRef<OpFoldResult> all,
                      ArrayRef<int64_t> dimensions) {
  Indices chosen;
  for (int64_t d : dimensions)
    chosen.push_back(all[d]);
  return chosen;
}

int64_t largestDivisor(int64_t size, int64_t limit) {
  for (int64_t d = std::min(size, limit); d > 1; --d)
    if (size % d == 0)
      return d;
  return 1;
}

int64_t sweepTileElements(int64_t elements) {
  constexpr int64_t kTiles = 256;
  return std::clamp(elements / kTiles, kTileElements, 4 * kTileElements);
}

SmallVector<int64_t> chooseTile(ArrayRef<int64_t> shape, int64_t elements) {
  SmallVector<int64_t> tile(shape);
  int64_t inner = 1;
  for (int64_t size : shape)
    inner *= size;
  for (size_t d = 0; d < shape.size() && inner > elements; ++d) {
    inner /= shape[d];
    int64_t limit =
        std::max<int64_t>(1, elements / std::max<int64_t>(inner, 1));
    int64_t even = largestDivisor(shape[d], limit);
    // An uneven cut needs a tile of dynamic size; accept up to 4 times more,
    // smaller tiles to avoid it.
    tile[d] = even * 4 >= limit ? even : limit;
  }
  return tile;
}

SmallVector<Value> buildTiles(OpBuilder &builder, Location loc,
                              ArrayRef<int64_t> shape, ArrayRef<int64_t> tile,
                              ValueRange destinations, TileBody body) {
  if (shape == tile) {
    SmallVector<OpFoldResult> offsets(shape.size(), builder.getIndexAttr(0));
    SmallVector<OpFoldResult> sizes =
        getAsIndexOpFoldResult(builder.getContext(), shape);
    SmallVector<Value> results;
    for (auto [result, destination] :
         llvm::zip(body(builder, offsets, sizes, destinations), destinations)) {
      if (result.tile.getType() !=
          destination.getType()) { // unit dimensions dropped
        SmallVector<OpFoldResult> strides(result.offsets.size(),
                                          builder.getIndexAttr(1));
        result.tile = tensor::InsertSliceOp::create(builder, loc, result.tile,
                                                    destination, result.offsets,
                                                    result.sizes, strides);
      }
      results.push_back(result.tile);
    }
    return results;
  }
  MLIRContext *context = builder.getContext();
  SmallVector<OpFoldResult> lower(shape.size(), builder.getIndexAttr(0));
  auto forall = scf::ForallOp::create(
      builder, loc, lower, getAsIndexOpFoldResult(context, shape),
      getAsIndexOpFoldResult(context, tile), destinations,
      /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(forall.getTerminator());
  SmallVector<OpFoldResult> offsets, sizes;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (tile[d] == shape[d]) {
      offsets.push_back(builder.getIndexAttr(0));
      sizes.push_back(builder.getIndexAttr(tile[d]));
      continue;
    }
    Value iv = forall.getInductionVar(d);
    offsets.push_back(iv);
    if (shape[d] % tile[d] == 0) {
      sizes.push_back(builder.getIndexAttr(tile[d]));
      continue;
    }
    AffineExpr d0 = builder.getAffineDimExpr(0);
    AffineMap map = AffineMap::get(
        1, 0, {builder.getAffineConstantExpr(tile[d]), shape[d] - d0}, context);
    sizes.push_back(
        affine::AffineMinOp::create(builder, loc, map, iv).getResult());
  }
  auto arguments = forall.getRegionIterArgs();
  SmallVector<TileResult> results =
      body(builder, offsets, sizes,
           ValueRange(SmallVector<Value>(arguments.begin(), arguments.end())));
  builder.setInsertionPointToEnd(forall.getTerminator().getBody());
  for (auto [result, argument] : llvm::zip(results, arguments)) {
    SmallVector<OpFoldResult> strides(result.offsets.size(),
                                      builder.getIndexAttr(1));
    tensor::ParallelInsertSliceOp::create(builder, loc, result.tile, argument,
                                          result.offsets, result.sizes,
                                          strides);
  }
  return SmallVector<Value>(forall.getResults());
}

Value slice(OpBuilder &builder, Location loc, Value tensor,
            ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
            ArrayRef<int64_t> drop) {
  SmallVector<OpFoldResult> strides(offsets.size(), builder.getIndexAttr(1));
  SmallVector<int64_t> shape;
  for (auto [d, size] : llvm::enumerate(sizes))
    if (!llvm::is_contained(drop, int64_t(d)))
      shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
  auto type = RankedTensorType::get(
      shape, cast<RankedTensorType>(tensor.getType()).getElementType());
  return tensor::ExtractSliceOp::create(builder, loc, type, tensor, offsets,
                                        sizes, strides);
}

Value asFlat(OpBuilder &builder, Location loc, Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return reshape(builder, loc, tensor, type.getNumElements());
}

Value asRows(OpBuilder &builder, Location loc, Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  int64_t last = type.getShape().back();
  return reshape(builder, loc, tensor, {type.getNumElements() / last, last});
}

Value reshape(OpBuilder &builder, Location loc, Value tensor,
              ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type.getShape() == shape)
    return tensor;
  auto result = RankedTensorType::get(shape, type.getElementType());
  auto flat =
      RankedTensorType::get(type.getNumElements(), type.getElementType());
  auto allOf = [](int64_t rank) {
    SmallVector<ReassociationIndices> groups(1);
    llvm::append_range(groups.front(), llvm::seq<int64_t>(0, rank));
    return groups;
  };
  SmallVector<ReassociationIndices> none;
  if (type.getRank() == 0)
    tensor = tensor::ExpandShapeOp::create(builder, loc, flat, tensor, none);
  else if (type.getRank() > 1)
    tensor = tensor::CollapseShapeOp::create(builder, loc, flat, tensor,
                                             allOf(type.getRank()));
  if (shape.empty())
    return tensor::CollapseShapeOp::create(builder, loc, result, tensor, none);
  if (shape.size() > 1)
    return tensor::ExpandShapeOp::create(builder, loc, result, tensor,
                                         allOf(shape.size()));
  return tensor;
}

} // namespace trainc::fusion
