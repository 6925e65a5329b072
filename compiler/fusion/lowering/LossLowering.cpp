//===- LossLowering.cpp - softmax and cross-entropy -----------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;

Value mul(OpBuilder &b, Location loc, Value l, Value r) {
  return arith::MulFOp::create(b, loc, l, r);
}
Value add(OpBuilder &b, Location loc, Value l, Value r) {
  return arith::AddFOp::create(b, loc, l, r);
}
Value sub(OpBuilder &b, Location loc, Value l, Value r) {
  return arith::SubFOp::create(b, loc, l, r);
}
Value expOf(OpBuilder &b, Location loc, Value x) {
  return math::ExpOp::create(b, loc, x);
}

/// Row maxima of `x` [R, C].
Value rowMaximum(OpBuilder &b, Location loc, Value x, OpFoldResult rows,
                 Type element) {
  Value start = fill(b, loc, empty(b, loc, rows, element),
                     -std::numeric_limits<double>::infinity());
  return buildGeneric(b, loc, "pr", {{x, {0, 1}}}, {{start, {0}}},
                      [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                        return {
                            arith::MaximumFOp::create(body, loc, s[1], s[0])};
                      })[0];
}

/// Σ_c exp(x - maximum) per row.
Value rowSumExp(OpBuilder &b, Location loc, Value x, Value maximum,
                OpFoldResult rows, Type element) {
  Value start = fill(b, loc, empty(b, loc, rows, element), 0.0);
  return buildGeneric(
      b, loc, "pr", {{x, {0, 1}}, {maximum, {0}}}, {{start, {0}}},
      [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
        return {
            add(body, loc, s[2], expOf(body, loc, sub(body, loc, s[0], s[1])))};
      })[0];
}

struct SoftmaxModel
    : LowerableOpInterface::ExternalModel<SoftmaxModel, nn::SoftmaxOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    Location loc = op->getLoc();
    Value input = asRows(builder, loc, operands[0]);
    auto type = cast<RankedTensorType>(input.getType());
    SmallVector<int64_t> tile = {chooseTile(type.getShape())[0],
                                 type.getDimSize(1)};
    Value result = buildTiles(
        builder, loc, type.getShape(), tile,
        asRows(builder, loc, destinations[0]),
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value x = slice(b, loc, input, offsets, sizes);
          Value maximum =
              rowMaximum(b, loc, x, sizes[0], type.getElementType());
          Value sum =
              rowSumExp(b, loc, x, maximum, sizes[0], type.getElementType());
          Value y = buildGeneric(
              b, loc, "pp", {{x, {0, 1}}, {maximum, {0}}, {sum, {0}}},
              {{slice(b, loc, outs[0], offsets, sizes), {0, 1}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                Value e = expOf(body, loc, sub(body, loc, s[0], s[1]));
                return {arith::DivFOp::create(body, loc, e, s[2])};
              })[0];
          return SmallVector<TileResult>{{y, Indices(offsets), Indices(sizes)}};
        })[0];
    return SmallVector<Value>{
        reshape(builder, loc, result,
                cast<RankedTensorType>(destinations[0].getType()).getShape())};
  }
  double flops(Operation *op) const {
    return 5.0 * cast<nn::SoftmaxOp>(op).getType().getNumElements();
  }
};

/// Rows per workgroup: whole rows of V logits.
SmallVector<int64_t> rowTile(ArrayRef<int64_t> shape) {
  return {chooseTile(shape, 4 * kTileElements)[0], shape[1]};
}

Value isIgnored(OpBuilder &b, Location loc, Value target, int64_t ignoreIndex) {
  Value ignored =
      arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(ignoreIndex));
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, target,
                               ignored);
}

struct CrossEntropyModel
    : LowerableOpInterface::ExternalModel<CrossEntropyModel,
                                          nn::CrossEntropyOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto loss = cast<nn::CrossEntropyOp>(op);
    Location loc = op->getLoc();
    auto type = loss.getLogits().getType();
    Type element = loss.getLoss().getType().getElementType();
    double smoothing = loss.getLabelSmoothing().convertToDouble();
    double z = loss.getZLoss().convertToDouble();
    return buildTiles(
        builder, loc, type.getShape(), rowTile(type.getShape()), destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value x = widened(b, loc, slice(b, loc, operands[0], offsets, sizes),
                            element);
          Value targets = slice(b, loc, operands[1], offsets[0], sizes[0]);
          Value maximum = rowMaximum(b, loc, x, sizes[0], element);
          Value sum = rowSumExp(b, loc, x, maximum, sizes[0], element);
          SmallVector<Indexed> inputs = {
              {targets, {0}}, {maximum, {0}}, {sum, {0}}};
          if (smoothing > 0) {
            Value total = fill(b, loc, empty(b, loc, sizes[0], element), 0.0);
            total = buildGeneric(
                b, loc, "pr", {{x, {0, 1}}}, {{total, {0}}},
                [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                  return {add(body, loc, s[1], s[0])};
                })[0];
            inputs.push_back({total, {0}});
          }
          auto rows = buildGeneric(
              b, loc, "p", inputs,
              {{slice(b, loc, outs[0], offsets[0], sizes[0]), {0}},
               {slice(b, loc, outs[1], offsets[0], sizes[0]), {0}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                Value ignored =
                    isIgnored(body, loc, s[0], loss.getIgnoreIndex());
                Value lse =
                    add(body, loc, math::LogOp::create(body, loc, s[2]), s[1]);
                Value column = arith::IndexCastOp::create(
                    body, loc, body.getIndexType(), s[0]);
                column = arith::SelectOp::create(body, loc, ignored,
                                                 index(body, loc, 0), column);
                Value row = linalg::IndexOp::create(body, loc, 0);
                Value logit = tensor::ExtractOp::create(
                    body, loc, x, ValueRange{row, column});
                auto c = [&](double value) {
                  return constant(body, loc, element, value);
                };
                Value value = sub(body, loc, lse,
                                  mul(body, loc, c(1 - smoothing), logit));
                if (smoothing > 0)
                  value = sub(
                      body, loc, value,
                      mul(body, loc, c(smoothing / type.getDimSize(1)), s[3]));
                if (z > 0)
                  value = add(body, loc, value,
                              mul(body, loc, c(z), mul(body, loc, lse, lse)));
                return {
                    arith::SelectOp::create(body, loc, ignored, c(0.0), value),
                    lse};
              });
          return SmallVector<TileResult>{{rows[0], {offsets[0]}, {sizes[0]}},
                                         {rows[1], {offsets[0]}, {sizes[0]}}};
        });
  }
  double flops(Operation *op) const {
    return 4.0 *
           cast<nn::CrossEntropyOp>(op).getLogits().getType().getNumElements();
  }
};

struct CrossEntropyGradModel
    : LowerableOpInterface::ExternalModel<CrossEntropyGradModel,
                                          nn::CrossEntropyGradOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto loss = cast<nn::CrossEntropyGradOp>(op);
    Location loc = op->getLoc();
    auto type = loss.getLogits().getType();
    Type element = loss.getLse().getType().getElementType();
    double smoothing = loss.getLabelSmoothing().convertToDouble();
    double z = loss.getZLoss().convertToDouble();
    return buildTiles(
        builder, loc, type.getShape(), rowTile(type.getShape()), destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          auto rowOf = [&](unsigned i) {
            return Indexed{slice(b, loc, operands[i], offsets[0], sizes[0]),
                           {0}};
          };
          Indexed x{slice(b, loc, operands[1], offsets, sizes), {0, 1}};
          Value out = buildGeneric(
              b, loc, "pp", {x, rowOf(0), rowOf(2), rowOf(3)},
              {{slice(b, loc, outs[0], offsets, sizes), {0, 1}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                Value logit = castFloat(body, loc, s[0], element);
                Value gradient = s[1], target = s[2], lse = s[3];
                auto c = [&](double value) {
                  return constant(body, loc, element, value);
                };
                Value p = expOf(body, loc, sub(body, loc, logit, lse));
                if (z > 0)
                  p = mul(
                      body, loc, p,
                      add(body, loc, c(1.0), mul(body, loc, c(2 * z), lse)));
                Value column = arith::IndexCastOp::create(
                    body, loc, body.getI32Type(),
                    linalg::IndexOp::create(body, loc, 1));
                Value hit = arith::CmpIOp::create(
                    body, loc, arith::CmpIPredicate::eq, column, target);
                Value base = c(-smoothing / type.getDimSize(1));
                Value wanted =
                    c(-smoothing / type.getDimSize(1) - (1 - smoothing));
                p = add(body, loc, p,
                        arith::SelectOp::create(body, loc, hit, wanted, base));
                Value ignored =
                    isIgnored(body, loc, target, loss.getIgnoreIndex());
                Value result = arith::SelectOp::create(
                    body, loc, ignored, c(0.0), mul(body, loc, gradient, p));
                return {castFloat(body, loc, result, type.getElementType())};
              })[0];
          return SmallVector<TileResult>{
              {out, Indices(offsets), Indices(sizes)}};
        });
  }
  double flops(Operation *op) const {
    return 4.0 * cast<nn::CrossEntropyGradOp>(op)
                     .getLogits()
                     .getType()
                     .getNumElements();
  }
};

/// One row of logits stays in cache for four passes: its maximum; exponentials
/// in the gradient's place; their sum; the gradient.
struct CrossEntropyWithGradModel
    : LowerableOpInterface::ExternalModel<CrossEntropyWithGradModel,
                                          nn::CrossEntropyWithGradOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto loss = cast<nn::CrossEntropyWithGradOp>(op);
    Location loc = op->getLoc();
    auto type = loss.getLogits().getType();
    Type element = loss.getLse().getType().getElementType();
    double smoothing = loss.getLabelSmoothing().convertToDouble();
    double z = loss.getZLoss().convertToDouble();
    bool narrow = type.getElementType() != element;
    // Of narrow logits a copy is worked on.
    bool inPlace = narrow || operands[1] == destinations[2];
    return buildTiles(
        builder, loc, type.getShape(), rowTile(type.getShape()), destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          auto rowOf = [&](Value value) {
            return Indexed{slice(b, loc, value, offsets[0], sizes[0]), {0}};
          };
          Indexed gradient = rowOf(operands[0]), targets = rowOf(operands[2]);
          Value out = slice(b, loc, outs[2], offsets, sizes);
          Value x = operands[1] == destinations[2]
                        ? out
                        : slice(b, loc, operands[1], offsets, sizes);
          x = widened(b, loc, x, element);
          auto newRow = [&] { return empty(b, loc, sizes[0], element); };

          Indexed maximum{rowMaximum(b, loc, x, sizes[0], element), {0}};
          SmallVector<Indexed> inputs = {targets, gradient, maximum};
          if (smoothing > 0)
            inputs.push_back({rowSum(b, loc, x, sizes[0], element), {0}});
          inputs.push_back(
              {targetLogit(b, loc, x, targets, newRow(), loss.getIgnoreIndex()),
               {0}});
          // From here on the logits are gone.
          Value e = exponentials(b, loc, x, maximum, narrow ? x : out, inPlace);
          inputs.push_back({rowSum(b, loc, e, sizes[0], element), {0}});
          auto rows = buildGeneric(
              b, loc, "p", inputs,
              {rowOf(outs[0]), rowOf(outs[1]), {newRow(), {0}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                Value logit = s[inputs.size() - 2], sum = s[inputs.size() - 1];
                auto c = [&](double value) {
                  return constant(body, loc, element, value);
                };
                Value ignored =
                    isIgnored(body, loc, s[0], loss.getIgnoreIndex());
                Value lse =
                    add(body, loc, math::LogOp::create(body, loc, sum), s[2]);
                Value value = sub(body, loc, lse,
                                  mul(body, loc, c(1 - smoothing), logit));
                if (smoothing > 0)
                  value = sub(
                      body, loc, value,
                      mul(body, loc, c(smoothing / type.getDimSize(1)), s[3]));
                Value factor = arith::DivFOp::create(body, loc, s[1], sum);
                if (z > 0) {
                  value = add(body, loc, value,
                              mul(body, loc, c(z), mul(body, loc, lse, lse)));
                  factor = mul(
                      body, loc, factor,
                      add(body, loc, c(1.0), mul(body, loc, c(2 * z), lse)));
                }
                return {
                    arith::SelectOp::create(body, loc, ignored, c(0.0), value),
                    lse, factor};
              });
          SmallVector<Indexed> factors = {{rows[2], {0}}, gradient, targets};
          if (narrow)
            factors.push_back({e, {0, 1}});
          Value result = buildGeneric(
              b, loc, "pp", factors, {{narrow ? out : e, {0, 1}}},
              [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                auto c = [&](double value) {
                  return constant(body, loc, element, value);
                };
                double base = -smoothing / type.getDimSize(1);
                Value column = arith::IndexCastOp::create(
                    body, loc, body.getI32Type(),
                    linalg::IndexOp::create(body, loc, 1));
                Value hit = arith::CmpIOp::create(
                    body, loc, arith::CmpIPredicate::eq, column, s[2]);
                Value wanted = arith::SelectOp::create(
                    body, loc, hit,
                    mul(body, loc, s[1], c(base - (1 - smoothing))),
                    mul(body, loc, s[1], c(base)));
                Value value =
                    add(body, loc, mul(body, loc, s[3], s[0]), wanted);
                Value ignored =
                    isIgnored(body, loc, s[2], loss.getIgnoreIndex());
                value =
                    arith::SelectOp::create(body, loc, ignored, c(0.0), value);
                return {castFloat(body, loc, value, type.getElementType())};
              })[0];
          return SmallVector<TileResult>{
              {rows[0], {offsets[0]}, {sizes[0]}},
              {rows[1], {offsets[0]}, {sizes[0]}},
              {result, Indices(offsets), Indices(sizes)}};
        });
  }
  double flops(Operation *op) const {
    return 7.0 * cast<nn::CrossEntropyWithGradOp>(op)
                     .getLogits()
                     .getType()
                     .getNumElements();
  }
  std::optional<unsigned> getOverwritten(Operation *, unsigned result) const {
    if (result == 2)
      return 1;
    return std::nullopt;
  }

private:
  static Value rowSum(OpBuilder &b, Location loc, Value x, OpFoldResult rows,
                      Type element) {
    Value start = fill(b, loc, empty(b, loc, rows, element), 0.0);
    return buildGeneric(
        b, loc, "pr", {{x, {0, 1}}}, {{start, {0}}},
        [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
          return {add(body, loc, s[1], s[0])};
        })[0];
  }

  /// x[row, target of the row]; of ignored rows column 0.
  static Value targetLogit(OpBuilder &b, Location loc, Value x,
                           const Indexed &targets, Value row,
                           int64_t ignoreIndex) {
    return buildGeneric(
        b, loc, "p", {targets}, {{row, {0}}},
        [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
          Value column =
              arith::IndexCastOp::create(body, loc, body.getIndexType(), s[0]);
          column = arith::SelectOp::create(
              body, loc, isIgnored(body, loc, s[0], ignoreIndex),
              index(body, loc, 0), column);
          Value row = linalg::IndexOp::create(body, loc, 0);
          return {
              tensor::ExtractOp::create(body, loc, x, ValueRange{row, column})};
        })[0];
  }

  /// exp(x - maximum) in `out`, which holds x where `inPlace`.
  static Value exponentials(OpBuilder &b, Location loc, Value x,
                            const Indexed &maximum, Value out, bool inPlace) {
    SmallVector<Indexed> inputs = {maximum};
    if (!inPlace)
      inputs.push_back({x, {0, 1}});
    // The last scalar is what `out` holds, the one before it x.
    return buildGeneric(
        b, loc, "pp", inputs, {{out, {0, 1}}},
        [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
          return {expOf(body, loc, sub(body, loc, s[1], s[0]))};
        })[0];
  }
};

} // namespace

void registerLossLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::SoftmaxOp::attachInterface<SoftmaxModel>(*context);
    nn::CrossEntropyOp::attachInterface<CrossEntropyModel>(*context);
    nn::CrossEntropyGradOp::attachInterface<CrossEntropyGradModel>(*context);
    nn::CrossEntropyWithGradOp::attachInterface<CrossEntropyWithGradModel>(
        *context);
  });
}

} // namespace trainc::fusion::lowering
