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
/// Along a diagonal, products go over groups of this many lanes or rows, each
/// with what it sees of the other block. Both are multiples of laneMultiple, as
/// are the blocks' starts: so what one group of scores leaves undefined, no
/// group of rows reads.
static constexpr int64_t scoreGroup = 32, rowGroup = laneMultiple;

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
  Value own = local(b, tensor::getMixedSizes(b, loc, rows));
  return linalg::CopyOp::create(b, loc, rows, own).getResult(0);
}

Value AttentionBlocks::scaled(OpBuilder &b, Value rows, double factor) const {
  Floats f{loc};
  Value own = local(b, tensor::getMixedSizes(b, loc, rows));
  return buildGeneric(
      b, loc, "pp", {{rows, {0, 1}}}, {{own, {0, 1}}},
      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
        return {f.mul(body, x[0], constant(body, loc, terms.element, factor))};
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

bool AttentionBlocks::isBand() const {
  return terms.mask == nn::MaskKind::Causal ||
         terms.mask == nn::MaskKind::Window;
}

/// The sum of `plus` and `offset` less `minus`, cut to [0, size].
static Value cut(OpBuilder &b, Location loc, ArrayRef<Value> plus, Value minus,
                 int64_t offset, OpFoldResult size) {
  Value at = arith::SubIOp::create(b, loc, index(b, loc, offset), minus);
  for (Value v : plus)
    at = arith::AddIOp::create(b, loc, at, v);
  at = arith::MaxSIOp::create(b, loc, at, index(b, loc, 0));
  return arith::MinSIOp::create(b, loc, at, materialize(b, loc, size));
}

AttentionBlocks::Range AttentionBlocks::keysOfQueries(OpBuilder &b,
                                                      const BlockPlace &place,
                                                      const KeyBlock &keys,
                                                      Value firstLane,
                                                      int64_t count) const {
  Value first = materialize(b, loc, place.first);
  Range range = {index(b, loc, 0),
                 cut(b, loc, {first, firstLane}, keys.first, count, keys.size)};
  if (terms.mask == nn::MaskKind::Window)
    range.begin = cut(b, loc, {first, firstLane}, keys.first, 1 - terms.window,
                      range.end);
  return range;
}

AttentionBlocks::Range AttentionBlocks::queriesOfKeys(OpBuilder &b,
                                                      const BlockPlace &place,
                                                      const KeyBlock &keys,
                                                      Value firstRow,
                                                      int64_t count) const {
  Value first = materialize(b, loc, place.first);
  Range range = {{}, materialize(b, loc, place.size)};
  if (terms.mask == nn::MaskKind::Window)
    range.end = cut(b, loc, {keys.first, firstRow}, first,
                    count + terms.window - 1, place.size);
  range.begin = cut(b, loc, {keys.first, firstRow}, first, 0, range.end);
  return range;
}

/// Goes over [0, size) in steps, with an unfinished tensor.
static Value
forEachGroup(OpBuilder &b, Location loc, OpFoldResult size, int64_t step,
             Value out,
             llvm::function_ref<Value(OpBuilder &, Value, Value)> body) {
  auto loop =
      scf::ForOp::create(b, loc, index(b, loc, 0), materialize(b, loc, size),
                         index(b, loc, step), out);
  OpBuilder inner = OpBuilder::atBlockEnd(loop.getBody());
  Value next =
      body(inner, loop.getInductionVar(), loop.getRegionIterArgs().front());
  scf::YieldOp::create(inner, loc, next);
  return loop.getResult(0);
}

static Value insert(OpBuilder &b, Location loc, Value part, Value whole,
                    const Indices &at, const Indices &sizes) {
  Indices strides(at.size(), b.getIndexAttr(1));
  return tensor::InsertSliceOp::create(b, loc, part, whole, at, sizes, strides);
}

Value AttentionBlocks::scores(OpBuilder &b, const BlockPlace &place,
                              const KeyBlock &keys, Value left,
                              Value right) const {
  OpFoldResult zero = b.getIndexAttr(0), depth = b.getIndexAttr(terms.headSize);
  Value out = local(b, {keys.size, b.getIndexAttr(lanes)});
  if (!isBand())
    return contract(b, {left, {0, 2}}, {right, {2, 1}}, fill(b, loc, out, 0.0));
  int64_t group = lanes % scoreGroup ? lanes : scoreGroup;
  return forEachGroup(
      b, loc, b.getIndexAttr(lanes), group, out,
      [&](OpBuilder &in, Value lane, Value all) {
        OpFoldResult width = in.getIndexAttr(group);
        // From the first row on: what a window hides is masked.
        OpFoldResult rows = keysOfQueries(in, place, keys, lane, group).end;
        Indices at = {zero, lane}, sizes = {rows, width};
        Value part = fill(in, loc, slice(in, loc, all, at, sizes), 0.0);
        part = contract(
            in, {slice(in, loc, left, {zero, zero}, {rows, depth}), {0, 2}},
            {slice(in, loc, right, {zero, lane}, {depth, width}), {2, 1}},
            part);
        return insert(in, loc, part, all, at, sizes);
      });
}

Value AttentionBlocks::addOverKeys(OpBuilder &b, const BlockPlace &place,
                                   const KeyBlock &keys, Value weights,
                                   Value rows, Value out) const {
  OpFoldResult zero = b.getIndexAttr(0), depth = b.getIndexAttr(terms.headSize);
  if (!isBand())
    return contract(b, {weights, {2, 0}}, {rows, {2, 1}}, out);
  int64_t group = std::min(lanes, rowGroup);
  return forEachGroup(
      b, loc, b.getIndexAttr(lanes), group, out,
      [&](OpBuilder &in, Value lane, Value all) {
        OpFoldResult width = in.getIndexAttr(group);
        Range seen = keysOfQueries(in, place, keys, lane, group);
        OpFoldResult count =
            arith::SubIOp::create(in, loc, seen.end, seen.begin).getResult();
        Indices at = {lane, zero}, sizes = {width, depth};
        Value part = contract(
            in,
            {slice(in, loc, weights, {seen.begin, lane}, {count, width}),
             {2, 0}},
            {slice(in, loc, rows, {seen.begin, zero}, {count, depth}), {2, 1}},
            slice(in, loc, all, at, sizes));
        return insert(in, loc, part, all, at, sizes);
      });
}

Value AttentionBlocks::addOverQueries(OpBuilder &b, const BlockPlace &place,
                                      const KeyBlock &keys, Value weights,
                                      Value rows, Value out) const {
  OpFoldResult zero = b.getIndexAttr(0), depth = b.getIndexAttr(terms.headSize);
  if (!isBand())
    return contract(
        b,
        {slice(b, loc, weights, {zero, zero}, {keys.size, place.size}), {0, 2}},
        {rows, {2, 1}}, out);
  int64_t group = std::min(keyStep, rowGroup);
  std::optional<int64_t> known = getConstantIntValue(keys.size);
  return forEachGroup(
      b, loc, keys.size, group, out, [&](OpBuilder &in, Value row, Value all) {
        OpFoldResult height = in.getIndexAttr(group);
        if (!known || *known % group)
          height = affine::makeComposedFoldedAffineMin(
              in, loc,
              AffineMap::get(
                  1, 1,
                  {in.getAffineConstantExpr(group),
                   in.getAffineSymbolExpr(0) - in.getAffineDimExpr(0)},
                  in.getContext()),
              {row, keys.size});
        Range seen = queriesOfKeys(in, place, keys, row, group);
        OpFoldResult count =
            arith::SubIOp::create(in, loc, seen.end, seen.begin).getResult();
        Indices at = {row, zero}, sizes = {height, depth};
        Value part = contract(
            in,
            {slice(in, loc, weights, {row, seen.begin}, {height, count}),
             {0, 2}},
            {slice(in, loc, rows, {seen.begin, zero}, {count, depth}), {2, 1}},
            slice(in, loc, all, at, sizes));
        return insert(in, loc, part, all, at, sizes);
      });
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

//===----------------------------------------------------------------------===//
// Dropout
//===----------------------------------------------------------------------===//

/// Element (b, h, i, j) has word ((b·H + h)·Tq + i)·Tk + j, four to a counter.
std::optional<AttentionBlocks::Dropout>
AttentionBlocks::dropout(OpBuilder &b, const BlockPlace &place) const {
  if (!terms.counters)
    return std::nullopt;
  Dropout result{loadCounters(b, loc, terms.counters), Value()};
  auto wide = [&](OpBuilder &at, Value v) {
    return arith::IndexCastOp::create(at, loc, at.getI64Type(), v).getResult();
  };
  auto step = [&](OpBuilder &at, Value sum, int64_t factor, Value next) {
    Value c = arith::ConstantOp::create(at, loc, at.getI64IntegerAttr(factor));
    return arith::AddIOp::create(at, loc,
                                 arith::MulIOp::create(at, loc, sum, c), next)
        .getResult();
  };
  Value row = arith::AddIOp::create(b, loc, result.counters.firstRow,
                                    wide(b, materialize(b, loc, place.batch)));
  Value head =
      step(b, row, terms.heads, wide(b, materialize(b, loc, place.head)));
  Value first =
      step(b, head, terms.queries, wide(b, materialize(b, loc, place.first)));
  Value words = empty(b, loc, Indices{b.getIndexAttr(lanes)}, b.getI64Type());
  result.word = buildGeneric(
      b, loc, "p", {}, {{words, {0}}},
      [&](OpBuilder &body, ValueRange) -> SmallVector<Value> {
        Value lane = wide(body, linalg::IndexOp::create(body, loc, 0));
        Value query = arith::AddIOp::create(body, loc, first, lane);
        return {step(
            body, query, terms.keys,
            arith::ConstantOp::create(body, loc, body.getI64IntegerAttr(0)))};
      })[0];
  return result;
}

SmallVector<Value>
AttentionBlocks::dropoutFactors(OpBuilder &b,
                                const std::optional<Dropout> &dropout,
                                const KeyBlock &keys) const {
  if (!dropout)
    return {};
  // A row that starts inside a counter reaches into one more.
  int64_t counters = llvm::divideCeil(keyStep, 4) + (terms.keys % 4 ? 1 : 0);
  SmallVector<Indexed> outs;
  for (int word = 0; word < 4; ++word)
    outs.push_back(
        {local(b, {b.getIndexAttr(counters), b.getIndexAttr(lanes)}), {0, 1}});
  return buildGeneric(
      b, loc, "pp", {{dropout->word, {1}}}, outs,
      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
        auto c64 = [&](int64_t v) {
          return arith::ConstantOp::create(body, loc,
                                           body.getI64IntegerAttr(v));
        };
        // Blocks of keys start at multiples of four.
        Value first = arith::ShRUIOp::create(
            body, loc,
            arith::IndexCastOp::create(body, loc, body.getI64Type(),
                                       keys.first),
            c64(2));
        Value counter =
            arith::IndexCastOp::create(body, loc, body.getI64Type(),
                                       linalg::IndexOp::create(body, loc, 0));
        counter = arith::AddIOp::create(body, loc, counter, first);
        counter = arith::AddIOp::create(
            body, loc, counter,
            arith::ShRUIOp::create(body, loc, x[0], c64(2)));
        SmallVector<Value> factors;
        for (Value word :
             buildPhilox(body, loc, dropout->counters, counter, terms.stream))
          factors.push_back(arith::SelectOp::create(
              body, loc, buildKeepWord(body, loc, word, terms.dropout),
              constant(body, loc, terms.element, 1 / (1 - terms.dropout)),
              constant(body, loc, terms.element, 0.0)));
        return factors;
      });
}

Value AttentionBlocks::dropped(OpBuilder &b, Value block,
                               const std::optional<Dropout> &dropout,
                               ArrayRef<Value> factors) const {
  if (!dropout)
    return block;
  Floats f{loc};
  bool aligned = terms.keys % 4 == 0;
  OpFoldResult rows = tensor::getMixedSizes(b, loc, block)[0],
               columns = b.getIndexAttr(lanes), zero = b.getIndexAttr(0);
  // Key 4r + n of the block has word n + (its row's first word mod 4).
  for (int64_t n = 0; n < std::min<int64_t>(4, keyStep); ++n) {
    AffineExpr count = (b.getAffineSymbolExpr(0) + (3 - n)).floorDiv(4);
    OpFoldResult size =
        affine::makeComposedFoldedAffineApply(b, loc, count, {rows});
    auto factor = [&](int64_t word) {
      return slice(b, loc, factors[word % 4], {b.getIndexAttr(word / 4), zero},
                   {size, columns});
    };
    SmallVector<Indexed> ins = {{factor(n), {0, 1}}};
    if (!aligned) {
      for (int64_t shift = 1; shift < 4; ++shift)
        ins.push_back({factor(n + shift), {0, 1}});
      ins.push_back({dropout->word, {1}});
    }
    Indices at = {b.getIndexAttr(n), zero}, sizes = {size, columns},
            strides = {b.getIndexAttr(4), b.getIndexAttr(1)};
    auto type = RankedTensorType::get(
        {getConstantIntValue(size).value_or(ShapedType::kDynamic), lanes},
        terms.element);
    Value part =
        tensor::ExtractSliceOp::create(b, loc, type, block, at, sizes, strides);
    part = buildGeneric(
        b, loc, "pp", ins, {{part, {0, 1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          Value factor = x[0];
          auto c64 = [&](int64_t v) {
            return arith::ConstantOp::create(body, loc,
                                             body.getI64IntegerAttr(v));
          };
          for (int64_t shift = 1; shift < 4 && !aligned; ++shift) {
            Value phase = arith::AndIOp::create(body, loc, x[4], c64(3));
            Value here = arith::CmpIOp::create(
                body, loc, arith::CmpIPredicate::eq, phase, c64(shift));
            factor = arith::SelectOp::create(body, loc, here, x[shift], factor);
          }
          return {f.mul(body, x.back(), factor)};
        })[0];
    block =
        tensor::InsertSliceOp::create(b, loc, part, block, at, sizes, strides);
  }
  return block;
}

} // namespace trainc::fusion::lowering
