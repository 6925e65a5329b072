//===- ColumnViews.cpp - parts of a tensor's columns inside kernels -------===//

#include "compiler/fusion/ColumnViews.h"
#include "compiler/fusion/Tiles.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion {

/// How many leading dimensions of `shape` make the rows of `part`.
static std::optional<unsigned> rowDimensions(ArrayRef<int64_t> shape,
                                             ShapedType part) {
  int64_t rows = part.getNumElements() / part.getShape().back(), product = 1;
  for (auto [i, size] : llvm::enumerate(shape)) {
    if (product == rows)
      return i;
    product *= size;
  }
  return std::nullopt;
}

static bool isView(Operation *op) {
  return isa<nn::ReshapeOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

/// Whether every reader of `value`, through views, will get a kernel of its
/// own.
static bool isReadWithoutKernel(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) {
    return isView(user) ? isReadWithoutKernel(user->getResult(0))
                        : isa<nn::LowerableOpInterface>(user);
  });
}

std::optional<ColumnPart> findSplit(Value value) {
  Value part = value;
  while (part.getDefiningOp() && isView(part.getDefiningOp()))
    part = part.getDefiningOp()->getOperand(0);
  auto split = part.getDefiningOp<nn::SplitOp>();
  if (!split || !llvm::all_of(split.getParts(), isReadWithoutKernel))
    return std::nullopt;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  std::optional<unsigned> rows =
      rowDimensions(shape, cast<ShapedType>(part.getType()));
  if (!rows)
    return std::nullopt;
  return ColumnPart{split.getInput(), cast<OpResult>(part).getResultNumber(),
                    split.getNumResults(), SmallVector<int64_t>(shape), *rows};
}

std::optional<ColumnJoin> findJoin(Operation *op) {
  ColumnJoin join;
  for (Value result : op->getResults()) {
    while (result.hasOneUse() && isView(*result.user_begin()))
      result = result.user_begin()->getResult(0);
    if (result.hasOneUse())
      join.concat = dyn_cast<nn::ConcatOp>(*result.user_begin());
    if (join.concat)
      break;
  }
  if (!join.concat)
    return std::nullopt;
  for (auto [number, part] : llvm::enumerate(join.concat.getParts())) {
    Value source = part;
    while (source.hasOneUse() && source.getDefiningOp() &&
           isView(source.getDefiningOp()))
      source = source.getDefiningOp()->getOperand(0);
    if (source.getDefiningOp() != op || !source.hasOneUse())
      return std::nullopt;
    ArrayRef<int64_t> shape =
        cast<RankedTensorType>(source.getType()).getShape();
    std::optional<unsigned> rows =
        rowDimensions(shape, cast<ShapedType>(part.getType()));
    if (!rows || (number && join.parts[0].shape != shape))
      return std::nullopt;
    join.results.push_back(cast<OpResult>(source).getResultNumber());
    join.parts.push_back({Value(), int64_t(number),
                          int64_t(join.concat->getNumOperands()),
                          SmallVector<int64_t>(shape), *rows});
  }
  return join;
}

namespace {

/// A part's place in the whole seen as [rows..., parts, columns...].
struct Place {
  SmallVector<int64_t> shape;
  Indices offsets, sizes;

  Place(OpBuilder &builder, const ColumnPart &part) : shape(part.shape) {
    shape.insert(shape.begin() + part.rows, part.count);
    for (int64_t size : shape) {
      offsets.push_back(builder.getIndexAttr(0));
      sizes.push_back(builder.getIndexAttr(size));
    }
    offsets[part.rows] = builder.getIndexAttr(part.number);
    sizes[part.rows] = builder.getIndexAttr(1);
  }
};

} // namespace

Value inParts(OpBuilder &builder, Location loc, Value whole,
              const ColumnPart &part) {
  return reshape(builder, loc, whole, Place(builder, part).shape);
}

Value columnsOf(OpBuilder &builder, Location loc, Value inParts,
                const ColumnPart &part) {
  Place place(builder, part);
  return slice(builder, loc, inParts, place.offsets, place.sizes,
               {int64_t(part.rows)});
}

Value withColumns(OpBuilder &builder, Location loc, Value inParts, Value value,
                  const ColumnPart &part) {
  Place place(builder, part);
  SmallVector<OpFoldResult> strides(place.shape.size(),
                                    builder.getIndexAttr(1));
  return tensor::InsertSliceOp::create(builder, loc, value, inParts,
                                       place.offsets, place.sizes, strides);
}

bool isTouchedByTiles(Value view) {
  return llvm::all_of(view.getUses(), [&](OpOperand &use) {
    Operation *user = use.getOwner();
    if (auto loop = dyn_cast<scf::ForallOp>(user))
      return isTouchedByTiles(loop.getTiedBlockArgument(&use));
    return isa<tensor::ExtractSliceOp, tensor::InsertSliceOp,
               tensor::ParallelInsertSliceOp>(user);
  });
}

} // namespace trainc::fusion
