//===- AttentionLowering.cpp - attention, block by block ------------------===//
//
// A workgroup owns a block of queries and goes over the blocks of keys they
// see, with the maximum and the sum of the softmax so far and an accumulator
// that is rescaled when the maximum grows: T×T never exists, and what the mask
// hides whole is not computed (Dao et al. 2022, algorithm 1; the division by
// the sum is left to the end, Dao 2023).
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/lowering/AttentionBlocks.h"
#include "compiler/fusion/lowering/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;

namespace trainc::fusion::lowering {

void attachAttentionGradLowering(MLIRContext *context);

namespace {

using nn::LowerableOpInterface;

constexpr double lowest = -std::numeric_limits<double>::infinity();

class ForwardBuilder {
public:
  ForwardBuilder(const AttentionBlocks &blocks, ValueRange operands)
      : blocks(blocks), loc(blocks.loc), f{loc}, operands(operands) {}

  SmallVector<TileResult> build(OpBuilder &b, const BlockPlace &place,
                                ValueRange outs) {
    Value query = blocks.head(b, operands[0], place, place.first, place.size);
    Value columns =
        blocks.transposed(b, blocks.scaled(b, query, blocks.terms.scale));
    auto dropout = blocks.dropout(b, place);
    Value lanes = blocks.localLanes(b, lowest);
    Value sum = blocks.localLanes(b, 0.0);
    Value out = fill(b, loc,
                     blocks.local(b, {b.getIndexAttr(blocks.queryLanes()),
                                      b.getIndexAttr(blocks.terms.headSize)}),
                     0.0);
    SmallVector<Value> state = blocks.forEachKeyBlock(
        b, place, {lanes, sum, out},
        [&](OpBuilder &inner, const AttentionBlocks::KeyBlock &keys,
            ValueRange now) {
          return keyBlock(inner, place, columns, dropout, keys, now);
        });
    return finish(b, place, state, outs);
  }

private:
  /// One block of keys: maximum, sum and accumulator with its share.
  SmallVector<Value>
  keyBlock(OpBuilder &b, const BlockPlace &place, Value columns,
           const std::optional<AttentionBlocks::Dropout> &dropout,
           const AttentionBlocks::KeyBlock &keys, ValueRange state) {
    Value maximum = state[0], sum = state[1], out = state[2];
    Value key = widened(
        b, loc, blocks.head(b, operands[1], place, keys.first, keys.size),
        blocks.terms.element);
    Value value = blocks.packed(
        b, blocks.head(b, operands[2], place, keys.first, keys.size));
    Value scores =
        blocks.masked(b, blocks.scores(b, key, columns), place, keys);
    Value most = buildGeneric(
        b, loc, "rp", {{scores, {0, 1}}}, {{blocks.localLanes(b, lowest), {1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          return {f.larger(body, x[0], x[1])};
        })[0];
    // New maximum; what to subtract, finite for a row without keys so far; and
    // what the old maximum's results are worth.
    Value row = blocks.localLanes(b), worth = blocks.localLanes(b);
    SmallVector<Value> rows = buildGeneric(
        b, loc, "p", {{most, {0}}},
        {{maximum, {0}}, {sum, {0}}, {row, {0}}, {worth, {0}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          Value larger = f.larger(body, x[0], x[1]);
          Value shift = f.insteadOfLowest(body, larger, 0);
          Value factor = f.exp(body, f.sub(body, x[1], shift));
          return {larger, f.mul(body, x[2], factor), shift, factor};
        });
    maximum = rows[0], sum = rows[1];
    Value weights =
        buildGeneric(b, loc, "pp", {{rows[2], {1}}}, {{scores, {0, 1}}},
                     [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                       return {f.exp(body, f.sub(body, x[1], x[0]))};
                     })[0];
    sum =
        buildGeneric(b, loc, "rp", {{weights, {0, 1}}}, {{sum, {1}}},
                     [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                       return {f.add(body, x[1], x[0])};
                     })[0];
    weights = blocks.dropped(b, weights, dropout,
                             blocks.dropoutFactors(b, dropout, keys));
    out =
        buildGeneric(b, loc, "pp", {{rows[3], {0}}}, {{out, {0, 1}}},
                     [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                       return {f.mul(body, x[1], x[0])};
                     })[0];
    out = blocks.contract(b, {weights, {2, 0}}, {value, {2, 1}}, out);
    return {maximum, sum, out};
  }

  /// result = accumulator / sum, lse = ln(sum) + maximum; 0 and -inf for a row
  /// without keys.
  SmallVector<TileResult> finish(OpBuilder &b, const BlockPlace &place,
                                 ArrayRef<Value> state, ValueRange outs) {
    Indices zero1(1, b.getIndexAttr(0)), zero2(2, b.getIndexAttr(0));
    auto rows = [&](Value lanes) {
      return slice(b, loc, lanes, zero1, place.size);
    };
    Value maximum = rows(state[0]), sum = rows(state[1]);
    Value accumulated =
        slice(b, loc, state[2], zero2,
              {place.size, b.getIndexAttr(blocks.terms.headSize)});
    Value inverse = buildGeneric(
        b, loc, "p", {{sum, {0}}}, {{blocks.local(b, place.size), {0}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          Value zero = constant(body, loc, blocks.terms.element, 0.0);
          Value none = arith::CmpFOp::create(
              body, loc, arith::CmpFPredicate::OEQ, x[0], zero);
          Value one = constant(body, loc, blocks.terms.element, 1.0);
          Value ratio = arith::DivFOp::create(body, loc, one, x[0]);
          return {arith::SelectOp::create(body, loc, none, zero, ratio)};
        })[0];
    Indices offsets = blocks.headOffsets(b, place, place.first);
    Indices sizes = blocks.headSizes(b, place.size);
    Value result =
        buildGeneric(b, loc, "pp", {{inverse, {0}}, {accumulated, {0, 1}}},
                     {{slice(b, loc, outs[0], offsets, sizes, {0, 2}), {0, 1}}},
                     [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                       return {castFloat(body, loc, f.mul(body, x[1], x[0]),
                                         blocks.terms.stored)};
                     })[0];
    Indices lseOffsets = {place.batch, place.head, place.first};
    Indices lseSizes = {b.getIndexAttr(1), b.getIndexAttr(1), place.size};
    Value lse = buildGeneric(
        b, loc, "p", {{sum, {0}}, {maximum, {0}}},
        {{slice(b, loc, outs[1], lseOffsets, lseSizes, {0, 1}), {0}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          return {f.add(body, math::LogOp::create(body, loc, x[0]), x[1])};
        })[0];
    return {{result, offsets, sizes}, {lse, lseOffsets, lseSizes}};
  }

  const AttentionBlocks &blocks;
  Location loc;
  Floats f;
  ValueRange operands;
};

struct AttentionModel
    : LowerableOpInterface::ExternalModel<AttentionModel, nn::AttentionOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    FailureOr<AttentionTerms> terms =
        getAttentionTerms(cast<nn::AttentionOp>(op), operands);
    if (failed(terms))
      return failure();
    AttentionBlocks blocks(op->getLoc(), *terms);
    return buildTiles(builder, op->getLoc(),
                      {terms->batch, terms->heads, terms->queries},
                      {1, 1, blocks.queryStep()}, destinations,
                      [&](OpBuilder &b, ArrayRef<OpFoldResult> at,
                          ArrayRef<OpFoldResult> sizes, ValueRange outs) {
                        return ForwardBuilder(blocks, operands)
                            .build(b, {at[0], at[1], at[2], sizes[2]}, outs);
                      });
  }
  double flops(Operation *op) const {
    auto terms = getAttentionTerms(cast<nn::AttentionOp>(op), {});
    return failed(terms) ? 0
                         : 4.0 * terms->batch * terms->heads * terms->headSize *
                               terms->visiblePairs();
  }
};

} // namespace

void registerAttentionLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::AttentionOp::attachInterface<AttentionModel>(*context);
    attachAttentionGradLowering(context);
  });
}

} // namespace trainc::fusion::lowering
