//===- AttentionBlocks.cpp - what attention's two passes share ------------===//

#include "compiler/fusion/lowering/AttentionBlocks.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;

namespace trainc::fusion::lowering {

/// Queries and keys of a block, at most. With a head of 64, blocks of queries,
/// keys and scores have 16 KiB each in f32: products read from the first two
/// caches.
static constexpr int64_t blockSize = 64;
/// Blocks of queries are whole vectors of any CPU.
static constexpr int64_t laneMultiple = 16;

template <typename Op>
static FailureOr<AttentionTerms> getTerms(Op op, ValueRange operands) {
  if (op.getRelativeBias())
    return op.emitOpError()
           << "expected no relative_bias: its lowering does not exist yet";
  if (op.getMask() == nn::MaskKind::Prefix && !op.getLengths())
    return op.emitOpError()
           << "expected lengths with the prefix mask, but got none";
  ArrayRef<int64_t> shape = op.getQuery().getType().getShape();
  AttentionTerms terms = {shape[0],
                          shape[1],
                          op.getKey().getType().getDimSize(1),
                          shape[2],
                          shape[3],
                          op.getMask(),
                          int64_t(op.getWindow()),
                          op.getScale().convertToDouble(),
                          op.getDropout().convertToDouble(),
                          op.getLse().getType().getElementType(),
                          op.getQuery().getType().getElementType(),
                          Value(),
                          Value(),
                          Value()};
  if (operands.empty())
    return terms;
  // Operands in order: tensors, then lengths?, and counters and stream, if any.
  if (op.getCounters()) {
    terms.stream = operands.back();
    terms.counters = operands.drop_back().back();
    operands = operands.drop_back(2);
  }
  if (op.getLengths())
    terms.lengths = operands.back();
  return terms;
}

FailureOr<AttentionTerms> getAttentionTerms(nn::AttentionOp op,
                                            ValueRange operands) {
  return getTerms(op, operands);
}
FailureOr<AttentionTerms> getAttentionTerms(nn::AttentionGradOp op,
                                            ValueRange operands) {
  return getTerms(op, operands);
}

double AttentionTerms::visiblePairs() const {
  double q = queries, w = std::min(window, queries);
  switch (mask) {
  case nn::MaskKind::Causal:
    return q * (q + 1) / 2;
  case nn::MaskKind::Window: // rows 1, 2, …, w, w, …
    return w * (w + 1) / 2 + (q - w) * w;
  case nn::MaskKind::None:
  case nn::MaskKind::Prefix:
    return q * double(keys);
  }
  return 0;
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value Floats::add(OpBuilder &b, Value l, Value r) const {
  return arith::AddFOp::create(b, loc, l, r);
}
Value Floats::sub(OpBuilder &b, Value l, Value r) const {
  return arith::SubFOp::create(b, loc, l, r);
}
Value Floats::mul(OpBuilder &b, Value l, Value r) const {
  return arith::MulFOp::create(b, loc, l, r);
}
Value Floats::exp(OpBuilder &b, Value x) const {
  return math::ExpOp::create(b, loc, x);
}
Value Floats::larger(OpBuilder &b, Value l, Value r) const {
  Value more = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, l, r);
  return arith::SelectOp::create(b, loc, more, l, r);
}
Value Floats::insteadOfLowest(OpBuilder &b, Value x, double value) const {
  Value lowest =
      constant(b, loc, x.getType(), -std::numeric_limits<double>::infinity());
  Value none =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, lowest);
  return arith::SelectOp::create(b, loc, none,
                                 constant(b, loc, x.getType(), value), x);
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

AttentionBlocks::AttentionBlocks(Location loc, const AttentionTerms &terms)
    : terms(terms), loc(loc) {
  // As many blocks as needed, of equal size: a tail is never much smaller.
  auto even = [](int64_t size, int64_t multiple) {
    int64_t count = llvm::divideCeil(size, blockSize);
    return int64_t(llvm::alignTo(llvm::divideCeil(size, count), multiple));
  };
  lanes = terms.queries < laneMultiple ? terms.queries
                                       : even(terms.queries, laneMultiple);
  // Four keys share a counter of dropout.
  keyStep =
      terms.keys < laneMultiple ? terms.keys : even(terms.keys, laneMultiple);
}

/// min(limit, size - first), a constant where it always is the same.
static OpFoldResult sizeOfBlock(OpBuilder &b, Location loc, int64_t size,
                                int64_t step, Value first) {
  if (size % step == 0)
    return b.getIndexAttr(step);
  if (size < step)
    return b.getIndexAttr(size);
  AffineMap map = AffineMap::get(
      1, 0, {b.getAffineConstantExpr(step), size - b.getAffineDimExpr(0)},
      b.getContext());
  return affine::AffineMinOp::create(b, loc, map, first).getResult();
}

OpFoldResult AttentionBlocks::querySize(OpBuilder &b, Value first) const {
  return sizeOfBlock(b, loc, terms.queries, lanes, first);
}

Indices AttentionBlocks::headOffsets(OpBuilder &b, const BlockPlace &place,
                                     OpFoldResult first) const {
  return {place.batch, first, place.head, b.getIndexAttr(0)};
}
Indices AttentionBlocks::headSizes(OpBuilder &b, OpFoldResult size) const {
  return {b.getIndexAttr(1), size, b.getIndexAttr(1),
          b.getIndexAttr(terms.headSize)};
}
Value AttentionBlocks::head(OpBuilder &b, Value tensor, const BlockPlace &place,
                            OpFoldResult first, OpFoldResult size) const {
  return slice(b, loc, tensor, headOffsets(b, place, first), headSizes(b, size),
               {0, 2});
}

Value AttentionBlocks::local(OpBuilder &b, ArrayRef<OpFoldResult> sizes) const {
  return empty(b, loc, sizes, terms.element);
}
Value AttentionBlocks::localLanes(OpBuilder &b) const {
  return local(b, Indices{b.getIndexAttr(lanes)});
}
Value AttentionBlocks::localLanes(OpBuilder &b, double value) const {
  return fill(b, loc, localLanes(b), value);
}

Value AttentionBlocks::packed(OpBuilder &b, Value rows) const {
  if (terms.stored != terms.element)
    return widened(b, loc, rows, terms.element);
  Value own = local(b, tensor::getMixedSizes(b, loc, rows));
  return linalg::CopyOp::create(b, loc, rows, own).getResult(0);
}

Value AttentionBlocks::scaled(OpBuilder &b, Value rows, double factor) const {
  Floats f{loc};
  Value own = local(b, tensor::getMixedSizes(b, loc, rows));
  return buildGeneric(
      b, loc, "pp", {{rows, {0, 1}}}, {{own, {0, 1}}},
      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
        return {f.mul(body, castFloat(body, loc, x[0], terms.element),
                      constant(body, loc, terms.element, factor))};
      })[0];
}

Value AttentionBlocks::transposed(OpBuilder &b, Value rows) const {
  OpFoldResult size = tensor::getMixedSizes(b, loc, rows)[0];
  OpFoldResult depth = b.getIndexAttr(terms.headSize);
  Value columns = local(b, {depth, b.getIndexAttr(lanes)});
  SmallVector<int64_t> swap = {1, 0};
  if (getConstantIntValue(size) == lanes)
    return linalg::TransposeOp::create(b, loc, rows, columns, swap)
        .getResult()[0];
  columns = fill(b, loc, columns, 0.0);
  Indices at(2, b.getIndexAttr(0)), sizes = {depth, size},
                                    strides(2, b.getIndexAttr(1));
  Value part = linalg::TransposeOp::create(
                   b, loc, rows, slice(b, loc, columns, at, sizes), swap)
                   .getResult()[0];
  return tensor::InsertSliceOp::create(b, loc, part, columns, at, sizes,
                                       strides);
}

Value AttentionBlocks::contract(OpBuilder &b, Indexed lhs, Indexed rhs,
                                Value out) const {
  Floats f{loc};
  return buildGeneric(b, loc, "ppr", {lhs, rhs}, {{out, {0, 1}}},
                      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                        return {f.add(body, x[2], f.mul(body, x[0], x[1]))};
                      })[0];
}

Value AttentionBlocks::scores(OpBuilder &b, Value left, Value right) const {
  OpFoldResult size = tensor::getMixedSizes(b, loc, left)[0];
  Value out = fill(b, loc, local(b, {size, b.getIndexAttr(lanes)}), 0.0);
  return contract(b, {left, {0, 2}}, {right, {2, 1}}, out);
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

/// lengths[b] as an index, or null.
Value AttentionBlocks::length(OpBuilder &b, const BlockPlace &place) const {
  if (!terms.lengths)
    return {};
  Value length = tensor::ExtractOp::create(b, loc, terms.lengths,
                                           materialize(b, loc, place.batch));
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), length);
}

SmallVector<Value> AttentionBlocks::forEachKeyBlock(OpBuilder &b,
                                                    const BlockPlace &place,
                                                    ValueRange state,
                                                    KeyBody body) const {
  AffineExpr first = b.getAffineDimExpr(0);
  auto apply = [&](auto op, ArrayRef<AffineExpr> results) {
    AffineMap map = AffineMap::get(1, 0, results, b.getContext());
    return materialize(b, loc, op(map));
  };
  auto least = [&](ArrayRef<AffineExpr> results) {
    return apply(
        [&](AffineMap map) {
          return affine::makeComposedFoldedAffineMin(b, loc, map, place.first);
        },
        results);
  };
  Value length = this->length(b, place);
  bool past = terms.mask != nn::MaskKind::None; // keys after a query are hidden
  Value begin = index(b, loc, 0), end = index(b, loc, terms.keys);
  if (past)
    end = least({b.getAffineConstantExpr(terms.keys), first + lanes});
  if (length && terms.mask == nn::MaskKind::Prefix) {
    end = arith::MaxSIOp::create(b, loc, end, length);
    end = arith::MinSIOp::create(b, loc, end, index(b, loc, terms.keys));
  } else if (length) {
    end = arith::MinSIOp::create(b, loc, end, length);
  }
  if (terms.mask == nn::MaskKind::Window) {
    begin = apply(
        [&](AffineMap map) {
          return affine::makeComposedFoldedAffineMax(b, loc, map, place.first);
        },
        {b.getAffineConstantExpr(0),
         (first + (1 - terms.window)).floorDiv(keyStep) * keyStep});
  }
  auto loop =
      scf::ForOp::create(b, loc, begin, end, index(b, loc, keyStep), state);
  OpBuilder inner = OpBuilder::atBlockEnd(loop.getBody());
  Value key = loop.getInductionVar();
  KeyBlock keys = {key, sizeOfBlock(inner, loc, terms.keys, keyStep, key)};
  scf::YieldOp::create(inner, loc, body(inner, keys, loop.getRegionIterArgs()));
  return SmallVector<Value>(loop.getResults());
}

/// Whether some query of the block does not see some key of the block at
/// `firstKey`; null where that never happens.
Value AttentionBlocks::isEdge(OpBuilder &b, const BlockPlace &place,
                              Value firstKey) const {
  auto compare = [&](arith::CmpIPredicate predicate, Value l, Value r) {
    return arith::CmpIOp::create(b, loc, predicate, l, r).getResult();
  };
  auto plus = [&](Value l, int64_t r) {
    return arith::AddIOp::create(b, loc, l, index(b, loc, r)).getResult();
  };
  Value query = materialize(b, loc, place.first),
        length = this->length(b, place);
  Value beyond; // some key is not below the length
  if (length)
    beyond =
        compare(arith::CmpIPredicate::sgt, plus(firstKey, keyStep), length);
  if (terms.mask == nn::MaskKind::None)
    return beyond;
  Value edge =
      compare(arith::CmpIPredicate::sgt, plus(firstKey, keyStep - 1), query);
  if (terms.mask == nn::MaskKind::Prefix)
    return arith::AndIOp::create(b, loc, edge, beyond);
  if (beyond)
    edge = arith::OrIOp::create(b, loc, edge, beyond);
  if (terms.mask == nn::MaskKind::Window)
    edge = arith::OrIOp::create(b, loc, edge,
                                compare(arith::CmpIPredicate::sge,
                                        plus(query, lanes - 1),
                                        plus(firstKey, terms.window)));
  return edge;
}

/// Whether a query sees a key (index values).
Value AttentionBlocks::visible(OpBuilder &b, Value query, Value key,
                               Value length) const {
  auto compare = [&](arith::CmpIPredicate predicate, Value l, Value r) {
    return arith::CmpIOp::create(b, loc, predicate, l, r).getResult();
  };
  Value below;
  if (length)
    below = compare(arith::CmpIPredicate::slt, key, length);
  if (terms.mask == nn::MaskKind::None)
    return below;
  Value see = compare(arith::CmpIPredicate::sle, key, query);
  if (terms.mask == nn::MaskKind::Prefix)
    return arith::OrIOp::create(b, loc, see, below);
  if (terms.mask == nn::MaskKind::Window)
    see =
        arith::AndIOp::create(b, loc, see,
                              compare(arith::CmpIPredicate::slt,
                                      arith::SubIOp::create(b, loc, query, key),
                                      index(b, loc, terms.window)));
  return below ? arith::AndIOp::create(b, loc, see, below).getResult() : see;
}

Value AttentionBlocks::masked(OpBuilder &b, Value scores,
                              const BlockPlace &place,
                              const KeyBlock &keys) const {
  Value edge = isEdge(b, place, keys.first);
  if (!edge)
    return scores;
  Value length = this->length(b, place);
  auto branch = scf::IfOp::create(b, loc, scores.getType(), edge,
                                  /*withElse=*/true);
  OpBuilder yes = branch.getThenBodyBuilder(), no = branch.getElseBodyBuilder();
  Value firstQuery = materialize(yes, loc, place.first);
  Value hidden = buildGeneric(
      yes, loc, "pp", {}, {{scores, {0, 1}}},
      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
        auto at = [&](int64_t dim, Value first) {
          return arith::AddIOp::create(
                     body, loc, linalg::IndexOp::create(body, loc, dim), first)
              .getResult();
        };
        Value see = visible(body, at(1, firstQuery), at(0, keys.first), length);
        Value lowest = constant(body, loc, terms.element,
                                -std::numeric_limits<double>::infinity());
        return {arith::SelectOp::create(body, loc, see, x[0], lowest)};
      })[0];
  scf::YieldOp::create(yes, loc, hidden);
  scf::YieldOp::create(no, loc, scores);
  return branch.getResult(0);
}

} // namespace trainc::fusion::lowering
