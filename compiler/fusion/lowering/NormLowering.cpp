//===- NormLowering.cpp - layer norm and its gradients --------------------===//
//
// A workgroup owns whole rows, so means are its own; what is summed over rows
// (the gradients of weight and bias) leaves as one part per workgroup. In two
// dimensions these are tiles, which take what makes an operand and what reads
// the result into their kernel.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;
using nn::TiledOpInterface;

/// What an operand or result has: an element per element of the rows, one per
/// row, or something else.
enum class Per { Element, Row, Other };

/// Elements of the first result: [R, C].
std::pair<int64_t, int64_t> rowsOf(Operation *op) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  int64_t columns = type.getShape().back();
  return {type.getNumElements() / columns, columns};
}

/// Tiles of whole rows. `Model` says what operands and results have per row.
template <typename Model, typename Op>
struct RowTiles : TiledOpInterface::ExternalModel<Model, Op> {
  SmallVector<int64_t> getTileSizes(Operation *op) const {
    if (cast<RankedTensorType>(op->getResult(0).getType()).getRank() != 2)
      return {};
    return Model::rowTile(op);
  }
  static SmallVector<int64_t> rowTile(Operation *op) {
    auto [rows, columns] = rowsOf(op);
    return {chooseTile({rows, columns})[0], columns};
  }
  bool readsOwnTile(Operation *, unsigned operand) const {
    return Model::operands[operand] == Per::Element;
  }
  void getByProductTile(Operation *, unsigned, OpBuilder &,
                        ArrayRef<OpFoldResult> offsets,
                        ArrayRef<OpFoldResult> sizes, Indices &resultOffsets,
                        Indices &resultSizes) const {
    resultOffsets = {offsets[0]};
    resultSizes = {sizes[0]};
  }
};

/// The kernel of a norm alone, in any rank: seen as rows.
template <typename Tiles, typename Op>
struct RowLowering
    : LowerableOpInterface::ExternalModel<RowLowering<Tiles, Op>, Op> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    Location loc = op->getLoc();
    auto [rows, columns] = rowsOf(op);
    auto tiled = cast<TiledOpInterface>(op);
    auto view = [&](Value value, Per per) {
      return per == Per::Element ? asRows(builder, loc, value)
             : per == Per::Row   ? asFlat(builder, loc, value)
                                 : value;
    };
    SmallVector<Value> seen, outs, tiles(operands.size());
    for (auto [value, per] : llvm::zip(operands, Tiles::operands))
      seen.push_back(view(value, per));
    for (auto [value, per] : llvm::zip(destinations, Tiles::results))
      outs.push_back(view(value, per));
    SmallVector<Value> results =
        buildTiles(builder, loc, {rows, columns}, Tiles::rowTile(op), outs,
                   [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
                       ArrayRef<OpFoldResult> sizes, ValueRange outs) {
                     SmallVector<TileResult> made;
                     SmallVector<Value> places;
                     for (auto [i, out] : llvm::enumerate(outs)) {
                       Indices at(offsets), size(sizes);
                       if (i != 0)
                         tiled.getByProductTile(i, b, offsets, sizes, at, size);
                       places.push_back(slice(b, loc, out, at, size));
                       made.push_back({Value(), at, size});
                     }
                     for (auto [result, value] : llvm::zip(
                              made, tiled.lowerTile(b, seen, tiles, offsets,
                                                    sizes, places)))
                       result.tile = value;
                     return made;
                   });
    for (auto [result, destination] : llvm::zip(results, destinations))
      result =
          reshape(builder, loc, result,
                  cast<RankedTensorType>(destination.getType()).getShape());
    return results;
  }
  double flops(Operation *op) const {
    auto [rows, columns] = rowsOf(op);
    return double(Tiles::flopsPerElement) * double(rows * columns);
  }
};

/// Terse construction of one tile.
struct TileBuilder {
  OpBuilder &b;
  Location loc;
  ValueRange operands;
  ArrayRef<Value> tiles;
  ArrayRef<OpFoldResult> offsets, sizes;
  Type element;
  int64_t columns;

  TileBuilder(Operation *op, OpBuilder &b, ValueRange operands,
              ArrayRef<Value> tiles, ArrayRef<OpFoldResult> offsets,
              ArrayRef<OpFoldResult> sizes)
      : b(b), loc(op->getLoc()), operands(operands), tiles(tiles),
        offsets(offsets), sizes(sizes),
        element(getElementTypeOrSelf(op->getResult(0).getType())),
        columns(rowsOf(op).second) {}

  /// The tile of operand `i`, [r, C].
  Indexed elements(unsigned i) {
    Value tile =
        tiles[i] ? tiles[i] : slice(b, loc, operands[i], offsets, sizes);
    return {tile, {0, 1}};
  }
  /// The tile's numbers of operand `i`, one per row.
  Indexed rows(unsigned i) {
    return {slice(b, loc, operands[i], offsets[0], sizes[0]), {0}};
  }
  /// Operand `i`, one number per column.
  Indexed perColumn(unsigned i) { return {operands[i], {1}}; }

  /// Sums over columns, one per row; `terms` gives what each adds.
  SmallVector<Value> rowSums(unsigned count, ArrayRef<Indexed> inputs,
                             ScalarBody terms) {
    SmallVector<Indexed> sums;
    for (unsigned i = 0; i < count; ++i)
      sums.push_back(
          {fill(b, loc, empty(b, loc, sizes[0], element), 0.0), {0}});
    return buildGeneric(
        b, loc, "pr", inputs, sums,
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          SmallVector<Value> result;
          for (auto [sum, term] :
               llvm::zip(x.take_back(count), terms(body, x.drop_back(count))))
            result.push_back(arith::AddFOp::create(body, loc, sum, term));
          return result;
        });
  }

  Value mul(OpBuilder &body, Value l, Value r) {
    return arith::MulFOp::create(body, loc, l, r);
  }
  Value sub(OpBuilder &body, Value l, Value r) {
    return arith::SubFOp::create(body, loc, l, r);
  }
  /// (x - μ)·rstd
  Value normalised(OpBuilder &body, Value x, Value mean, Value rstd) {
    return mul(body, sub(body, x, mean), rstd);
  }
  Value mean(OpBuilder &body, Value sum) {
    return mul(body, sum, constant(body, loc, element, 1.0 / double(columns)));
  }
};

struct LayerNormTiles : RowTiles<LayerNormTiles, nn::LayerNormOp> {
  static constexpr Per operands[] = {Per::Element, Per::Other, Per::Other};
  static constexpr Per results[] = {Per::Element, Per::Row, Per::Row};
  static constexpr int flopsPerElement = 8;

  SmallVector<Value> lowerTile(Operation *op, OpBuilder &b, ValueRange operands,
                               ArrayRef<Value> tiles,
                               ArrayRef<OpFoldResult> offsets,
                               ArrayRef<OpFoldResult> sizes,
                               ValueRange destinations) const {
    TileBuilder t(op, b, operands, tiles, offsets, sizes);
    Location loc = t.loc;
    double epsilon = cast<nn::LayerNormOp>(op).getEpsilon().convertToDouble();
    Indexed x = t.elements(0);
    Value sum =
        t.rowSums(1, x, [&](OpBuilder &, ValueRange s) -> SmallVector<Value> {
          return {s[0]};
        })[0];
    // Two passes over the tile: one would lose digits where |μ| ≫ σ.
    Value squares =
        t.rowSums(1, {x, {sum, {0}}},
                  [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                    Value d = t.sub(body, s[0], t.mean(body, s[1]));
                    return {t.mul(body, d, d)};
                  })[0];
    auto statistics =
        buildGeneric(b, loc, "p", {{sum, {0}}, {squares, {0}}},
                     {{destinations[1], {0}}, {destinations[2], {0}}},
                     [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                       Value shifted = arith::AddFOp::create(
                           body, loc, t.mean(body, s[1]),
                           constant(body, loc, t.element, epsilon));
                       Value root = math::SqrtOp::create(body, loc, shifted);
                       Value one = constant(body, loc, t.element, 1.0);
                       return {t.mean(body, s[0]),
                               arith::DivFOp::create(body, loc, one, root)};
                     });
    Value y = buildGeneric(
        b, loc, "pp",
        {x,
         t.perColumn(1),
         t.perColumn(2),
         {statistics[0], {0}},
         {statistics[1], {0}}},
        {{destinations[0], {0, 1}}},
        [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
          Value h = t.normalised(body, s[0], s[3], s[4]);
          return {arith::AddFOp::create(body, loc, t.mul(body, h, s[1]), s[2])};
        })[0];
    return {y, statistics[0], statistics[1]};
  }
};

/// Operands of both gradients: gradient, input, weight, mean, rstd.
SmallVector<Value> inputGradientTile(TileBuilder &t, Value destination) {
  Indexed dy = t.elements(0), x = t.elements(1), w = t.perColumn(2);
  Indexed mean = t.rows(3), rstd = t.rows(4);
  auto sums =
      t.rowSums(2, {dy, x, w, mean, rstd},
                [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
                  Value d = t.mul(body, s[0], s[2]);
                  Value h = t.normalised(body, s[1], s[3], s[4]);
                  return {d, t.mul(body, d, h)};
                });
  return buildGeneric(
      t.b, t.loc, "pp", {dy, x, w, mean, rstd, {sums[0], {0}}, {sums[1], {0}}},
      {{destination, {0, 1}}},
      [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
        Value d = t.mul(body, s[0], s[2]);
        Value h = t.normalised(body, s[1], s[3], s[4]);
        Value inner = t.sub(body, t.sub(body, d, t.mean(body, s[5])),
                            t.mul(body, h, t.mean(body, s[6])));
        return {t.mul(body, inner, s[4])};
      });
}

struct LayerNormGradInputTiles
    : RowTiles<LayerNormGradInputTiles, nn::LayerNormGradInputOp> {
  static constexpr Per operands[] = {Per::Element, Per::Element, Per::Other,
                                     Per::Row, Per::Row};
  static constexpr Per results[] = {Per::Element};
  static constexpr int flopsPerElement = 15;

  SmallVector<Value> lowerTile(Operation *op, OpBuilder &b, ValueRange operands,
                               ArrayRef<Value> tiles,
                               ArrayRef<OpFoldResult> offsets,
                               ArrayRef<OpFoldResult> sizes,
                               ValueRange destinations) const {
    TileBuilder t(op, b, operands, tiles, offsets, sizes);
    return inputGradientTile(t, destinations[0]);
  }
};

struct LayerNormGradTiles : RowTiles<LayerNormGradTiles, nn::LayerNormGradOp> {
  static constexpr Per operands[] = {Per::Element, Per::Element, Per::Other,
                                     Per::Row, Per::Row};
  static constexpr Per results[] = {Per::Element, Per::Other, Per::Other};
  static constexpr int flopsPerElement = 20;

  static SmallVector<int64_t> rowTile(Operation *op) {
    auto gradient = cast<nn::LayerNormGradOp>(op);
    return {std::min(gradient.getBlockRows(), rowsOf(op).first),
            rowsOf(op).second};
  }

  /// A tile is a block of rows: it makes one part.
  void getByProductTile(Operation *op, unsigned, OpBuilder &b,
                        ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult>,
                        Indices &resultOffsets, Indices &resultSizes) const {
    auto gradient = cast<nn::LayerNormGradOp>(op);
    AffineExpr block = b.getAffineDimExpr(0).floorDiv(gradient.getBlockRows());
    resultOffsets = {affine::makeComposedFoldedAffineApply(b, op->getLoc(),
                                                           block, {offsets[0]}),
                     b.getIndexAttr(0)};
    resultSizes = {b.getIndexAttr(1), b.getIndexAttr(rowsOf(op).second)};
  }

  SmallVector<Value> lowerTile(Operation *op, OpBuilder &b, ValueRange operands,
                               ArrayRef<Value> tiles,
                               ArrayRef<OpFoldResult> offsets,
                               ArrayRef<OpFoldResult> sizes,
                               ValueRange destinations) const {
    TileBuilder t(op, b, operands, tiles, offsets, sizes);
    SmallVector<Indexed> parts;
    for (Value destination : destinations.drop_front())
      parts.push_back(
          {fill(b, t.loc, reshape(b, t.loc, destination, t.columns), 0.0),
           {1}});
    auto sums = buildGeneric(
        b, t.loc, "rp", {t.elements(0), t.elements(1), t.rows(3), t.rows(4)},
        parts, [&](OpBuilder &body, ValueRange s) -> SmallVector<Value> {
          Value h = t.normalised(body, s[1], s[2], s[3]);
          return {
              arith::AddFOp::create(body, t.loc, s[4], t.mul(body, s[0], h)),
              arith::AddFOp::create(body, t.loc, s[5], s[0])};
        });
    SmallVector<Value> made = inputGradientTile(t, destinations[0]);
    for (Value sum : sums)
      made.push_back(reshape(b, t.loc, sum, {1, t.columns}));
    return made;
  }
};

template <typename Tiles, typename Op> void attachNorm(MLIRContext &context) {
  Op::template attachInterface<Tiles, RowLowering<Tiles, Op>>(context);
}

} // namespace

void registerNormLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    attachNorm<LayerNormTiles, nn::LayerNormOp>(*context);
    attachNorm<LayerNormGradInputTiles, nn::LayerNormGradInputOp>(*context);
    attachNorm<LayerNormGradTiles, nn::LayerNormGradOp>(*context);
  });
}

} // namespace trainc::fusion::lowering
