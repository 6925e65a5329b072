//===- LayerLowering.cpp - embeddings, layer norm -------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;

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
                return {arith::AddFOp::create(inner, loc, x[1], x[0])};
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

/// Shape of a norm as rows: [R, C], and tiles of whole rows.
struct Rows {
  int64_t rows, columns, tile;
  explicit Rows(RankedTensorType type)
      : rows(type.getNumElements() / type.getShape().back()),
        columns(type.getShape().back()), tile(chooseTile({rows, columns})[0]) {}
  SmallVector<int64_t> shape() const { return {rows, columns}; }
  SmallVector<int64_t> tiles() const { return {tile, columns}; }
};

/// Row sums of `term` over columns of the inputs, divided by C.
Value rowMean(OpBuilder &b, Location loc, ArrayRef<Indexed> inputs,
              OpFoldResult rows, int64_t columns, Type element,
              llvm::function_ref<Value(OpBuilder &, ValueRange)> term) {
  Value sum = fill(b, loc, empty(b, loc, rows, element), 0.0);
  sum = buildGeneric(
      b, loc, "pr", inputs, {{sum, {0}}},
      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
        return {arith::AddFOp::create(body, loc, x.back(), term(body, x))};
      })[0];
  return buildGeneric(
      b, loc, "p", {}, {{sum, {0}}},
      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
        return {arith::MulFOp::create(
            body, loc, x[0], constant(body, loc, element, 1.0 / columns))};
      })[0];
}

struct LayerNormModel
    : LowerableOpInterface::ExternalModel<LayerNormModel, nn::LayerNormOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto norm = cast<nn::LayerNormOp>(op);
    Location loc = op->getLoc();
    Rows rows(norm.getInput().getType());
    Type element = norm.getInput().getType().getElementType();
    double epsilon = norm.getEpsilon().convertToDouble();
    Value input = asRows(builder, loc, operands[0]);
    SmallVector<Value> outs = {asRows(builder, loc, destinations[0]),
                               asFlat(builder, loc, destinations[1]),
                               asFlat(builder, loc, destinations[2])};
    SmallVector<Value> results = buildTiles(
        builder, loc, rows.shape(), rows.tiles(), outs,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          auto sub = [&](OpBuilder &body, Value l, Value r) {
            return arith::SubFOp::create(body, loc, l, r).getResult();
          };
          Value x = slice(b, loc, input, offsets, sizes);
          Value mean =
              rowMean(b, loc, {{x, {0, 1}}}, sizes[0], rows.columns, element,
                      [&](OpBuilder &, ValueRange s) { return s[0]; });
          Value variance = rowMean(
              b, loc, {{x, {0, 1}}, {mean, {0}}}, sizes[0], rows.columns,
              element, [&](OpBuilder &body, ValueRange s) -> Value {
                Value d = sub(body, s[0], s[1]);
                return arith::MulFOp::create(body, loc, d, d);
              });
          Value meanOut = slice(b, loc, outs[1], offsets[0], sizes[0]);
          Value rstdOut = slice(b, loc, outs[2], offsets[0], sizes[0]);
          auto statistics = buildGeneric(
              b, loc, "p", {{mean, {0}}, {variance, {0}}},
              {{meanOut, {0}}, {rstdOut, {0}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                Value shifted = arith::AddFOp::create(
                    body, loc, s[1], constant(body, loc, element, epsilon));
                Value root = math::SqrtOp::create(body, loc, shifted);
                return {s[0], arith::DivFOp::create(
                                  body, loc, constant(body, loc, element, 1.0),
                                  root)};
              });
          Value y = slice(b, loc, outs[0], offsets, sizes);
          y = buildGeneric(
              b, loc, "pp",
              {{x, {0, 1}},
               {operands[1], {1}},
               {operands[2], {1}},
               {statistics[0], {0}},
               {statistics[1], {0}}},
              {{y, {0, 1}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                Value h = arith::MulFOp::create(body, loc,
                                                sub(body, s[0], s[3]), s[4]);
                return {arith::AddFOp::create(
                    body, loc, arith::MulFOp::create(body, loc, h, s[1]),
                    s[2])};
              })[0];
          return SmallVector<TileResult>{
              {y, Indices(offsets), Indices(sizes)},
              {statistics[0], {offsets[0]}, {sizes[0]}},
              {statistics[1], {offsets[0]}, {sizes[0]}}};
        });
    for (auto [result, destination] : llvm::zip(results, destinations))
      result =
          reshape(builder, loc, result,
                  cast<RankedTensorType>(destination.getType()).getShape());
    return results;
  }
  double flops(Operation *op) const {
    return 8.0 *
           cast<nn::LayerNormOp>(op).getInput().getType().getNumElements();
  }
};

struct LayerNormGradInputModel
    : LowerableOpInterface::ExternalModel<LayerNormGradInputModel,
                                          nn::LayerNormGradInputOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto norm = cast<nn::LayerNormGradInputOp>(op);
    Location loc = op->getLoc();
    Rows rows(norm.getInput().getType());
    Type element = norm.getInput().getType().getElementType();
    Value gradient = asRows(builder, loc, operands[0]),
          input = asRows(builder, loc, operands[1]);
    Value mean = asFlat(builder, loc, operands[3]),
          rstd = asFlat(builder, loc, operands[4]);
    SmallVector<Value> results = buildTiles(
        builder, loc, rows.shape(), rows.tiles(),
        asRows(builder, loc, destinations[0]),
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          auto mul = [&](OpBuilder &body, Value l, Value r) {
            return arith::MulFOp::create(body, loc, l, r).getResult();
          };
          auto sub = [&](OpBuilder &body, Value l, Value r) {
            return arith::SubFOp::create(body, loc, l, r).getResult();
          };
          Indexed dy{slice(b, loc, gradient, offsets, sizes), {0, 1}};
          Indexed x{slice(b, loc, input, offsets, sizes), {0, 1}};
          Indexed w{operands[2], {1}};
          Indexed mu{slice(b, loc, mean, offsets[0], sizes[0]), {0}};
          Indexed rs{slice(b, loc, rstd, offsets[0], sizes[0]), {0}};
          Value m1 = rowMean(b, loc, {dy, w}, sizes[0], rows.columns, element,
                             [&](OpBuilder &body, ValueRange s) {
                               return mul(body, s[0], s[1]);
                             });
          Value m2 = rowMean(b, loc, {dy, w, x, mu, rs}, sizes[0], rows.columns,
                             element, [&](OpBuilder &body, ValueRange s) {
                               Value h = mul(body, sub(body, s[2], s[3]), s[4]);
                               return mul(body, mul(body, s[0], s[1]), h);
                             });
          Value out = slice(b, loc, outs[0], offsets, sizes);
          out = buildGeneric(
              b, loc, "pp", {dy, w, x, mu, rs, {m1, {0}}, {m2, {0}}},
              {{out, {0, 1}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                Value d = mul(body, s[0], s[1]);
                Value h = mul(body, sub(body, s[2], s[3]), s[4]);
                Value inner = sub(body, sub(body, d, s[5]), mul(body, h, s[6]));
                return {mul(body, inner, s[4])};
              })[0];
          return SmallVector<TileResult>{
              {out, Indices(offsets), Indices(sizes)}};
        });
    return SmallVector<Value>{
        reshape(builder, loc, results[0],
                cast<RankedTensorType>(destinations[0].getType()).getShape())};
  }
  double flops(Operation *op) const {
    return 15.0 * cast<nn::LayerNormGradInputOp>(op)
                      .getInput()
                      .getType()
                      .getNumElements();
  }
};

struct LayerNormGradWeightModel
    : LowerableOpInterface::ExternalModel<LayerNormGradWeightModel,
                                          nn::LayerNormGradWeightOp> {
  // A workgroup owns some columns and adds all rows in order.
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    Location loc = op->getLoc();
    Value gradient = asRows(builder, loc, operands[0]),
          input = asRows(builder, loc, operands[1]);
    Value mean = asFlat(builder, loc, operands[2]),
          rstd = asFlat(builder, loc, operands[3]);
    auto type = cast<RankedTensorType>(gradient.getType());
    int64_t columns = largestDivisor(type.getDimSize(1), 128);
    if (columns < 16)
      columns = std::min<int64_t>(type.getDimSize(1), 128);
    return buildTiles(
        builder, loc, type.getShape(), {type.getDimSize(0), columns},
        destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value dw =
              fill(b, loc, slice(b, loc, outs[0], offsets[1], sizes[1]), 0.0);
          Value db =
              fill(b, loc, slice(b, loc, outs[1], offsets[1], sizes[1]), 0.0);
          auto sums = buildGeneric(
              b, loc, "rp",
              {{slice(b, loc, gradient, offsets, sizes), {0, 1}},
               {slice(b, loc, input, offsets, sizes), {0, 1}},
               {mean, {0}},
               {rstd, {0}}},
              {{dw, {1}}, {db, {1}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                Value h = arith::MulFOp::create(
                    body, loc, arith::SubFOp::create(body, loc, s[1], s[2]),
                    s[3]);
                Value product = arith::MulFOp::create(body, loc, s[0], h);
                return {arith::AddFOp::create(body, loc, s[4], product),
                        arith::AddFOp::create(body, loc, s[5], s[0])};
              });
          return SmallVector<TileResult>{{sums[0], {offsets[1]}, {sizes[1]}},
                                         {sums[1], {offsets[1]}, {sizes[1]}}};
        });
  }
  double flops(Operation *op) const {
    return 5.0 * cast<nn::LayerNormGradWeightOp>(op)
                     .getInput()
                     .getType()
                     .getNumElements();
  }
};

} // namespace

void registerLayerLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::EmbeddingOp::attachInterface<EmbeddingModel>(*context);
    nn::EmbeddingGradOp::attachInterface<EmbeddingGradModel, EmbeddingGradSum>(
        *context);
    nn::LayerNormOp::attachInterface<LayerNormModel>(*context);
    nn::LayerNormGradInputOp::attachInterface<LayerNormGradInputModel>(
        *context);
    nn::LayerNormGradWeightOp::attachInterface<LayerNormGradWeightModel>(
        *context);
  });
}

} // namespace trainc::fusion::lowering
