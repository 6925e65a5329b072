//===- AttentionDropout.cpp - dropout of attention's probabilities --------===//
//
// Decides how a block of probabilities gets its dropout: one random counter
// gives words for four keys of a query, so counters are computed per four rows
// of a block. A row of scores may start inside a counter; then each lane picks
// its word among four.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/lowering/AttentionBlocks.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace trainc::fusion::lowering {

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
