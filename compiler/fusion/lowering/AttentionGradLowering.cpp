//===- AttentionGradLowering.cpp - gradients of attention, by blocks ------===//
//
// A workgroup owns one head of one batch row. For each block of queries it goes
// over the blocks of keys they see and computes their probabilities again from
// the log-sum-exp; the queries' gradient gathers in scratch, the keys' and
// values' in the results, block after block in a fixed order (Dao et al. 2022,
// appendix B, with the loops exchanged).
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/lowering/AttentionBlocks.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;

/// Operands of nn.attention_grad, in order.
enum Operand { Gradient, Query, Key, ValueOperand, Result, Lse };

class BackwardBuilder {
public:
  BackwardBuilder(const AttentionBlocks &blocks, ValueRange operands,
                  OpFoldResult batch, OpFoldResult head)
      : blocks(blocks), loc(blocks.loc), f{loc}, operands(operands),
        head{batch, head, {}, {}} {}

  SmallVector<TileResult> build(OpBuilder &b, ValueRange outs) {
    OpFoldResult zero = b.getIndexAttr(0);
    OpFoldResult queries = b.getIndexAttr(blocks.terms.queries),
                 keys = b.getIndexAttr(blocks.terms.keys);
    Value dq = blocks.head(b, outs[0], head, zero, queries);
    // Sums of blocks are in the computation's type.
    bool narrow = blocks.terms.stored != blocks.terms.element;
    auto start = [&](Value out) {
      Value place = blocks.head(b, out, head, zero, keys);
      if (narrow)
        place = blocks.local(b, tensor::getMixedSizes(b, loc, place));
      return fill(b, loc, place, 0.0);
    };
    Value dk = start(outs[1]), dv = start(outs[2]);
    auto loop = scf::ForOp::create(
        b, loc, index(b, loc, 0), index(b, loc, blocks.terms.queries),
        index(b, loc, blocks.queryStep()), ValueRange{dq, dk, dv});
    OpBuilder inner = OpBuilder::atBlockEnd(loop.getBody());
    scf::YieldOp::create(
        inner, loc,
        queryBlock(inner, loop.getInductionVar(), loop.getRegionIterArgs()));
    auto result = [&](unsigned i, OpFoldResult size) {
      Value rows = loop.getResult(i);
      if (narrow && i != 0)
        rows = stored(b, rows, blocks.head(b, outs[i], head, zero, size));
      return TileResult{rows, blocks.headOffsets(b, head, zero),
                        blocks.headSizes(b, size)};
    };
    return {result(0, queries), result(1, keys), result(2, keys)};
  }

private:
  /// `rows` in `place`, in the type that is kept.
  Value stored(OpBuilder &b, Value rows, Value place) {
    return buildGeneric(
        b, loc, "pp", {{rows, {0, 1}}}, {{place, {0, 1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          return {castFloat(body, loc, x[0], blocks.terms.stored)};
        })[0];
  }

  /// What the blocks of keys need of one block of queries.
  struct QueryBlock {
    BlockPlace place;
    Value query, gradient;               ///< [size, D], the query scaled
    Value queryColumns, gradientColumns; ///< [D, lanes]
    Value lse, delta;                    ///< [lanes]
    std::optional<AttentionBlocks::Dropout> dropout;
  };

  /// `rows` [size] in the first lanes of [lanes] of `value`.
  Value onLanes(OpBuilder &b, Value rows, double value,
                llvm::function_ref<Value(OpBuilder &, Value)> element) {
    OpFoldResult size = tensor::getMixedSizes(b, loc, rows)[0];
    bool whole = getConstantIntValue(size) == blocks.queryLanes();
    Value lanes = whole ? blocks.localLanes(b) : blocks.localLanes(b, value);
    Indices at(1, b.getIndexAttr(0)), sizes(1, size),
        strides(1, b.getIndexAttr(1));
    Value part = whole ? lanes : slice(b, loc, lanes, at, sizes);
    part =
        buildGeneric(b, loc, "p", {{rows, {0}}}, {{part, {0}}},
                     [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                       return {element(body, x[0])};
                     })[0];
    if (whole)
      return part;
    return tensor::InsertSliceOp::create(b, loc, part, lanes, at, sizes,
                                         strides);
  }

  QueryBlock prepare(OpBuilder &b, Value first) {
    QueryBlock block;
    OpFoldResult size = blocks.querySize(b, first);
    block.place = {head.batch, head.head, first, size};
    auto rows = [&](Operand operand) {
      return blocks.head(b, operands[operand], head, first, size);
    };
    Value gradient = rows(Gradient), result = rows(Result);
    block.query = blocks.scaled(b, rows(Query), blocks.terms.scale);
    block.gradient = blocks.packed(b, gradient);
    block.queryColumns = blocks.transposed(b, block.query);
    block.gradientColumns = blocks.transposed(b, block.gradient);

    Value lse = slice(b, loc, operands[Lse], {head.batch, head.head, first},
                      {b.getIndexAttr(1), b.getIndexAttr(1), size}, {0, 1});
    // A row without keys has lse -inf: +inf instead gives probabilities 0.
    block.lse = onLanes(b, lse, 0, [&](OpBuilder &body, Value x) {
      return f.insteadOfLowest(body, x,
                               std::numeric_limits<double>::infinity());
    });
    Value delta = fill(b, loc, blocks.local(b, size), 0.0);
    delta =
        buildGeneric(b, loc, "pr", {{block.gradient, {0, 1}}, {result, {0, 1}}},
                     {{delta, {0}}},
                     [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                       Value kept =
                           castFloat(body, loc, x[1], blocks.terms.element);
                       return {f.add(body, x[2], f.mul(body, x[0], kept))};
                     })[0];
    block.delta = onLanes(b, delta, 0, [](OpBuilder &, Value x) { return x; });
    block.dropout = blocks.dropout(b, block.place);
    return block;
  }

  /// One block of queries: dq with its rows set, dk and dv with its share.
  SmallVector<Value> queryBlock(OpBuilder &b, Value first, ValueRange sums) {
    QueryBlock block = prepare(b, first);
    OpFoldResult depth = b.getIndexAttr(blocks.terms.headSize);
    Value own = fill(
        b, loc, blocks.local(b, {b.getIndexAttr(blocks.queryLanes()), depth}),
        0.0);
    SmallVector<Value> state = blocks.forEachKeyBlock(
        b, block.place, {own, sums[1], sums[2]},
        [&](OpBuilder &inner, const AttentionBlocks::KeyBlock &keys,
            ValueRange now) { return keyBlock(inner, block, keys, now); });
    Indices zero(2, b.getIndexAttr(0));
    own = slice(b, loc, state[0], zero, {block.place.size, depth});
    Indices at = {first, b.getIndexAttr(0)}, sizes = {block.place.size, depth},
            strides(2, b.getIndexAttr(1));
    Value rows = buildGeneric(
        b, loc, "pp", {{own, {0, 1}}},
        {{slice(b, loc, sums[0], at, sizes), {0, 1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          Value scaled = f.mul(
              body, x[0],
              constant(body, loc, blocks.terms.element, blocks.terms.scale));
          return {castFloat(body, loc, scaled, blocks.terms.stored)};
        })[0];
    Value dq = tensor::InsertSliceOp::create(b, loc, rows, sums[0], at, sizes,
                                             strides);
    return {dq, state[1], state[2]};
  }

  /// One block of keys: dq, dk and dv with its share.
  SmallVector<Value> keyBlock(OpBuilder &b, const QueryBlock &block,
                              const AttentionBlocks::KeyBlock &keys,
                              ValueRange sums) {
    const BlockPlace &place = block.place;
    auto rows = [&](Operand operand) {
      return blocks.head(b, operands[operand], head, keys.first, keys.size);
    };
    Value key = blocks.packed(b, rows(Key));
    Value scores = blocks.masked(b, blocks.scores(b, key, block.queryColumns),
                                 place, keys);
    Value p =
        buildGeneric(b, loc, "pp", {{block.lse, {1}}}, {{scores, {0, 1}}},
                     [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                       return {f.exp(body, f.sub(body, x[1], x[0]))};
                     })[0];
    SmallVector<Value> factors = blocks.dropoutFactors(b, block.dropout, keys);
    Value dp = blocks.scores(
        b, widened(b, loc, rows(ValueOperand), blocks.terms.element),
        block.gradientColumns);
    dp = blocks.dropped(b, dp, block.dropout, factors);
    // ds = p (m·dp - delta); the scale is in the query, and in dq at its end.
    Value ds = buildGeneric(
        b, loc, "pp", {{p, {0, 1}}, {block.delta, {1}}}, {{dp, {0, 1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          return {f.mul(body, x[0], f.sub(body, x[2], x[1]))};
        })[0];
    p = blocks.dropped(b, p, block.dropout, factors);

    Indices at = {keys.first, b.getIndexAttr(0)},
            sizes = {keys.size, b.getIndexAttr(blocks.terms.headSize)},
            strides(2, b.getIndexAttr(1));
    // Lanes past the last query hold nothing.
    auto seen = [&](Value weights) {
      return slice(b, loc, weights, Indices(2, b.getIndexAttr(0)),
                   {keys.size, place.size});
    };
    auto addTo = [&](Value sum, Value weights, Value rows) {
      Value part = blocks.contract(b, {seen(weights), {0, 2}}, {rows, {2, 1}},
                                   slice(b, loc, sum, at, sizes));
      return tensor::InsertSliceOp::create(b, loc, part, sum, at, sizes,
                                           strides);
    };
    Value dv = addTo(sums[2], p, block.gradient);
    Value dk = addTo(sums[1], ds, block.query);
    Value dq = blocks.contract(b, {ds, {2, 0}}, {key, {2, 1}}, sums[0]);
    return {dq, dk, dv};
  }

  const AttentionBlocks &blocks;
  Location loc;
  Floats f;
  ValueRange operands;
  BlockPlace head; ///< of the workgroup; without queries
};

struct AttentionGradModel
    : LowerableOpInterface::ExternalModel<AttentionGradModel,
                                          nn::AttentionGradOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    FailureOr<AttentionTerms> terms =
        getAttentionTerms(cast<nn::AttentionGradOp>(op), operands);
    if (failed(terms))
      return failure();
    AttentionBlocks blocks(op->getLoc(), *terms);
    return buildTiles(
        builder, op->getLoc(), {terms->batch, terms->heads}, {1, 1},
        destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> at, ArrayRef<OpFoldResult>,
            ValueRange outs) {
          return BackwardBuilder(blocks, operands, at[0], at[1]).build(b, outs);
        });
  }
  double flops(Operation *op) const {
    auto terms = getAttentionTerms(cast<nn::AttentionGradOp>(op), {});
    return failed(terms) ? 0
                         : 10.0 * terms->batch * terms->heads *
                               terms->headSize * terms->visiblePairs();
  }
};

} // namespace

void attachAttentionGradLowering(MLIRContext *context) {
  nn::AttentionGradOp::attachInterface<AttentionGradModel>(*context);
}

} // namespace trainc::fusion::lowering
