//===- ShapeLowering.cpp - moving elements --------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;

SmallVector<int64_t, 4> allDimensions(int64_t rank) {
  return llvm::to_vector<4>(llvm::seq<int64_t>(0, rank));
}

struct TransposeModel
    : LowerableOpInterface::ExternalModel<TransposeModel, nn::TransposeOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto transpose = cast<nn::TransposeOp>(op);
    Location loc = op->getLoc();
    ArrayRef<int64_t> shape = transpose.getType().getShape(),
                      permutation = transpose.getPermutation();
    int64_t rank = shape.size();
    return buildTiles(
        builder, loc, shape, chooseTile(shape), destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Indices from(rank), size(rank);
          SmallVector<int64_t, 4> inputDimensions(rank);
          for (int64_t d = 0; d < rank; ++d) {
            from[permutation[d]] = offsets[d];
            size[permutation[d]] = sizes[d];
            inputDimensions[permutation[d]] = d;
          }
          Value in = slice(b, loc, operands[0], from, size);
          Value out = slice(b, loc, outs[0], offsets, sizes);
          Value moved = buildGeneric(
              b, loc, std::string(rank, 'p'), {{in, inputDimensions}},
              {{out, allDimensions(rank)}},
              [](OpBuilder &, ValueRange x) -> SmallVector<Value> {
                return {x[0]};
              })[0];
          return SmallVector<TileResult>{
              {moved, Indices(offsets), Indices(sizes)}};
        });
  }
  double flops(Operation *) const { return 0; }
};

Value copyInto(OpBuilder &b, Location loc, Value from, Value to) {
  return linalg::CopyOp::create(b, loc, from, to).getResult(0);
}

struct SliceModel
    : LowerableOpInterface::ExternalModel<SliceModel, nn::SliceOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto box = cast<nn::SliceOp>(op);
    Location loc = op->getLoc();
    ArrayRef<int64_t> shape = box.getType().getShape();
    return buildTiles(
        builder, loc, shape, chooseTile(shape), destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Indices from;
          for (auto [tile, start] : llvm::zip(offsets, box.getOffsets())) {
            AffineExpr shifted = b.getAffineDimExpr(0) + start;
            from.push_back(
                affine::makeComposedFoldedAffineApply(b, loc, shifted, {tile}));
          }
          Value moved =
              copyInto(b, loc, slice(b, loc, operands[0], from, sizes),
                       slice(b, loc, outs[0], offsets, sizes));
          return SmallVector<TileResult>{
              {moved, Indices(offsets), Indices(sizes)}};
        });
  }
  double flops(Operation *) const { return 0; }
};

struct PadModel : LowerableOpInterface::ExternalModel<PadModel, nn::PadOp> {
  // Per element: inside the box the input, else zero. Indices are clamped so
  // that the load is always inside.
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto pad = cast<nn::PadOp>(op);
    Location loc = op->getLoc();
    ArrayRef<int64_t> shape = pad.getType().getShape(),
                      part = pad.getInput().getType().getShape();
    int64_t rank = shape.size();
    return buildTiles(
        builder, loc, shape, chooseTile(shape), destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value out = rank ? slice(b, loc, outs[0], offsets, sizes) : outs[0];
          Value result = buildGeneric(
              b, loc, std::string(rank, 'p'), {}, {{out, allDimensions(rank)}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                Value inside;
                SmallVector<Value> at;
                for (int64_t d = 0; d < rank; ++d) {
                  Value i = linalg::IndexOp::create(body, loc, d);
                  Value start = arith::SubIOp::create(
                      body, loc, materialize(body, loc, offsets[d]),
                      index(body, loc, pad.getOffsets()[d]));
                  Value k = arith::AddIOp::create(body, loc, i, start);
                  // Unsigned: a negative k is large.
                  Value in = arith::CmpIOp::create(body, loc,
                                                   arith::CmpIPredicate::ult, k,
                                                   index(body, loc, part[d]));
                  inside = inside ? arith::AndIOp::create(body, loc, inside, in)
                                        .getResult()
                                  : in;
                  at.push_back(arith::SelectOp::create(body, loc, in, k,
                                                       index(body, loc, 0)));
                }
                Value value =
                    tensor::ExtractOp::create(body, loc, operands[0], at);
                if (!inside)
                  return {value};
                Value zero = arith::ConstantOp::create(
                    body, loc, body.getZeroAttr(value.getType()));
                return {
                    arith::SelectOp::create(body, loc, inside, value, zero)};
              })[0];
          return SmallVector<TileResult>{
              {result, Indices(offsets), Indices(sizes)}};
        });
  }
  double flops(Operation *) const { return 0; }
};

/// Rows of a split or concat are cut into tiles; part p is columns [p·C,
/// (p+1)·C).
struct SplitModel
    : LowerableOpInterface::ExternalModel<SplitModel, nn::SplitOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    Location loc = op->getLoc();
    Value whole = asRows(builder, loc, operands[0]);
    SmallVector<Value> parts;
    for (Value destination : destinations)
      parts.push_back(asRows(builder, loc, destination));
    auto type = cast<RankedTensorType>(whole.getType());
    int64_t columns = type.getDimSize(1) / parts.size();
    SmallVector<int64_t> shape = {type.getDimSize(0), columns};
    SmallVector<Value> results = buildTiles(
        builder, loc, shape, chooseTile(shape), parts,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          SmallVector<TileResult> results;
          for (auto [p, out] : llvm::enumerate(outs)) {
            AffineExpr shifted = b.getAffineDimExpr(0) + int64_t(p) * columns;
            Indices from = {offsets[0], affine::makeComposedFoldedAffineApply(
                                            b, loc, shifted, {offsets[1]})};
            Value moved = copyInto(b, loc, slice(b, loc, whole, from, sizes),
                                   slice(b, loc, out, offsets, sizes));
            results.push_back({moved, Indices(offsets), Indices(sizes)});
          }
          return results;
        });
    for (auto [result, destination] : llvm::zip(results, destinations))
      result =
          reshape(builder, loc, result,
                  cast<RankedTensorType>(destination.getType()).getShape());
    return results;
  }
  double flops(Operation *) const { return 0; }
};

struct ConcatModel
    : LowerableOpInterface::ExternalModel<ConcatModel, nn::ConcatOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    Location loc = op->getLoc();
    SmallVector<Value> parts;
    for (Value operand : operands)
      parts.push_back(asRows(builder, loc, operand));
    Value whole = asRows(builder, loc, destinations[0]);
    auto type = cast<RankedTensorType>(whole.getType());
    int64_t columns = type.getDimSize(1) / parts.size();
    // Whole rows: a tile holds a piece of each part.
    SmallVector<int64_t> shape(type.getShape());
    SmallVector<int64_t> tile = {chooseTile(shape)[0], shape[1]};
    SmallVector<Value> results = buildTiles(
        builder, loc, shape, tile, whole,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value out = slice(b, loc, outs[0], offsets, sizes);
          SmallVector<OpFoldResult> strides(2, b.getIndexAttr(1));
          for (auto [p, part] : llvm::enumerate(parts)) {
            Indices from = {offsets[0], b.getIndexAttr(0)};
            Indices to = {b.getIndexAttr(0), b.getIndexAttr(p * columns)};
            Indices size = {sizes[0], b.getIndexAttr(columns)};
            Value moved = copyInto(b, loc, slice(b, loc, part, from, size),
                                   slice(b, loc, out, to, size));
            out = tensor::InsertSliceOp::create(b, loc, moved, out, to, size,
                                                strides);
          }
          return SmallVector<TileResult>{
              {out, Indices(offsets), Indices(sizes)}};
        });
    return SmallVector<Value>{
        reshape(builder, loc, results[0],
                cast<RankedTensorType>(destinations[0].getType()).getShape())};
  }
  double flops(Operation *) const { return 0; }
};

} // namespace

void registerShapeLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::TransposeOp::attachInterface<TransposeModel>(*context);
    nn::SliceOp::attachInterface<SliceModel>(*context);
    nn::PadOp::attachInterface<PadModel>(*context);
    nn::SplitOp::attachInterface<SplitModel>(*context);
    nn::ConcatOp::attachInterface<ConcatModel>(*context);
  });
}

} // namespace trainc::fusion::lowering
