//===- LayerLowering.cpp - embeddings -------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "compiler/support/BufferSize.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;

double sizeBytes(Value value) {
  return bufferSizeBytes(cast<ShapedType>(value.getType()));
}

/// Row number ids[i] as an index, from inside a linalg body.
Value rowOf(OpBuilder &body, Location loc, Value id) {
  return arith::IndexCastOp::create(body, loc, body.getIndexType(), id);
}

struct EmbeddingModel
    : LowerableOpInterface::ExternalModel<EmbeddingModel, nn::EmbeddingOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    Location loc = op->getLoc();
    Value table = operands[0], ids = asFlat(builder, loc, operands[1]);
    Value rows = asRows(builder, loc, destinations[0]);
    SmallVector<int64_t> shape(
        cast<RankedTensorType>(rows.getType()).getShape());
    SmallVector<Value> results = buildTiles(
        builder, loc, shape, chooseTile(shape), rows,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value id = slice(b, loc, ids, offsets[0], sizes[0]);
          Value out = slice(b, loc, outs[0], offsets, sizes);
          Value gathered = buildGeneric(
              b, loc, "pp", {{id, {0}}}, {{out, {0, 1}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                Value column = arith::AddIOp::create(
                    body, loc, linalg::IndexOp::create(body, loc, 1),
                    materialize(body, loc, offsets[1]));
                return {tensor::ExtractOp::create(
                    body, loc, table,
                    ValueRange{rowOf(body, loc, x[0]), column})};
              })[0];
          return SmallVector<TileResult>{
              {gathered, Indices(offsets), Indices(sizes)}};
        });
    return SmallVector<Value>{
        reshape(builder, loc, results[0],
                cast<RankedTensorType>(destinations[0].getType()).getShape())};
  }
  double flops(Operation *) const { return 0; }
  /// Rows of the table that positions name, not the table.
  double bytes(Operation *op) const {
    auto embedding = cast<nn::EmbeddingOp>(op);
    return 2 * sizeBytes(embedding.getResult()) + sizeBytes(embedding.getIds());
  }
};

struct EmbeddingGradModel
    : LowerableOpInterface::ExternalModel<EmbeddingGradModel,
                                          nn::EmbeddingGradOp> {
  // A workgroup owns some columns of the table and adds all positions in order,
  // so the sum's order does not depend on threads.
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    Location loc = op->getLoc();
    Value gradient = asRows(builder, loc, operands[0]),
          ids = asFlat(builder, loc, operands[1]);
    auto type = cast<RankedTensorType>(destinations[0].getType());
    int64_t positions = cast<RankedTensorType>(ids.getType()).getDimSize(0);
    int64_t columns = largestDivisor(type.getDimSize(1), 64);
    if (columns < 8)
      columns = std::min<int64_t>(type.getDimSize(1), 64);
    return buildTiles(
        builder, loc, type.getShape(), {type.getDimSize(0), columns},
        destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value table = slice(b, loc, outs[0], offsets, sizes);
          bool inPlace = operands.size() > 2 && operands[2] == destinations[0];
          if (operands.size() == 2)
            table = fill(b, loc, table, 0.0);
          else if (!inPlace)
            table =
                linalg::CopyOp::create(
                    b, loc, slice(b, loc, operands[2], offsets, sizes), table)
                    .getResult(0);
          auto loop = scf::ForOp::create(b, loc, index(b, loc, 0),
                                         index(b, loc, positions),
                                         index(b, loc, 1), table);
          OpBuilder body = OpBuilder::atBlockEnd(loop.getBody());
          Value position = loop.getInductionVar();
          Value row = rowOf(
              body, loc, tensor::ExtractOp::create(body, loc, ids, position));
          Indices from = {position, offsets[1]},
                  to = {row, body.getIndexAttr(0)};
          Indices size = {body.getIndexAttr(1), sizes[1]};
          Value sum =
              slice(body, loc, loop.getRegionIterArgs()[0], to, size, {0});
          sum = buildGeneric(
              body, loc, "p",
              {{slice(body, loc, gradient, from, size, {0}), {0}}},
              {{sum, {0}}},
              [&](OpBuilder &inner, ValueRange x) -> SmallVector<Value> {
                Value term = castFloat(inner, loc, x[0], type.getElementType());
                return {arith::AddFOp::create(inner, loc, x[1], term)};
              })[0];
          SmallVector<OpFoldResult> strides(2, body.getIndexAttr(1));
          Value updated = tensor::InsertSliceOp::create(
              body, loc, sum, loop.getRegionIterArgs()[0], to, size, strides);
          scf::YieldOp::create(body, loc, updated);
          return SmallVector<TileResult>{
              {loop.getResult(0), Indices(offsets), Indices(sizes)}};
        });
  }
  double flops(Operation *op) const {
    return cast<nn::EmbeddingGradOp>(op)
        .getGradient()
        .getType()
        .getNumElements();
  }
  std::optional<unsigned> getOverwritten(Operation *op, unsigned) const {
    if (op->getNumOperands() > 2)
      return 2;
    return std::nullopt;
  }
  /// Of a table that is there already, only rows that positions name.
  double bytes(Operation *op) const {
    auto gradient = cast<nn::EmbeddingGradOp>(op);
    double rows = sizeBytes(gradient.getGradient());
    return rows + sizeBytes(gradient.getIds()) +
           (gradient.getAccumulator() ? 2 * rows
                                      : sizeBytes(gradient.getResult()));
  }
};

struct EmbeddingGradSum
    : nn::AccumulatingOpInterface::ExternalModel<EmbeddingGradSum,
                                                 nn::EmbeddingGradOp> {
  Value accumulateOnto(Operation *op, OpBuilder &builder,
                       Value accumulator) const {
    auto grad = cast<nn::EmbeddingGradOp>(op);
    if (grad.getAccumulator())
      accumulator =
          nn::AddOp::create(builder, op->getLoc(), accumulator.getType(),
                            accumulator, grad.getAccumulator());
    return nn::EmbeddingGradOp::create(builder, op->getLoc(), grad.getType(),
                                       grad.getGradient(), grad.getIds(),
                                       accumulator);
  }
};

} // namespace

void registerLayerLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::EmbeddingOp::attachInterface<EmbeddingModel>(*context);
    nn::EmbeddingGradOp::attachInterface<EmbeddingGradModel, EmbeddingGradSum>(
        *context);
  });
}

} // namespace trainc::fusion::lowering
