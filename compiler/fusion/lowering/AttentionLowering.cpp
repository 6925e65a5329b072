//===- AttentionLowering.cpp - attention, block by block of queries -------===//
//
// A block of queries meets all keys: scores [block, Tk] live in scratch, T×T
// never exists. The backward pass recomputes them from the log-sum-exp (Dao et
// al. 2022).
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "compiler/fusion/lowering/Philox.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>
#include <optional>

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;
constexpr int64_t kQueryBlock = 64;

/// Terse float arithmetic at one location.
struct Floats {
  Location loc;
  Value mul(OpBuilder &b, Value l, Value r) const {
    return arith::MulFOp::create(b, loc, l, r);
  }
  Value add(OpBuilder &b, Value l, Value r) const {
    return arith::AddFOp::create(b, loc, l, r);
  }
  Value sub(OpBuilder &b, Value l, Value r) const {
    return arith::SubFOp::create(b, loc, l, r);
  }
  Value exp(OpBuilder &b, Value x) const {
    return math::ExpOp::create(b, loc, x);
  }
};

/// What forward and backward share: masks, dropout, products of blocks.
template <typename Op> class AttentionBuilder {
public:
  AttentionBuilder(Op op, ValueRange operands)
      : op(op), loc(op.getLoc()), f{loc}, type(op.getQuery().getType()),
        element(type.getElementType()), heads(type.getDimSize(2)),
        headSize(type.getDimSize(3)), queries(type.getDimSize(1)),
        keys(op.getKey().getType().getDimSize(1)),
        block(largestDivisor(queries, kQueryBlock)) {
    // Operands in order: tensors, then lengths?, relative_bias?, counters?, and
    // with counters the stream.
    unsigned next = op->getNumOperands();
    if (op.getCounters()) {
      counters = operands[--next];
      stream = operands.back();
    }
    if (op.getRelativeBias())
      --next;
    if (op.getLengths())
      lengths = operands[--next];
  }

  static LogicalResult check(Op op) {
    if (op.getRelativeBias())
      return op.emitOpError()
             << "expected no relative_bias: its lowering does not exist yet";
    if (op.getMask() == nn::MaskKind::Prefix && !op.getLengths())
      return op.emitOpError()
             << "expected lengths with the prefix mask, but got none";
    return success();
  }

  /// Rows [from, from + size) of one head of a [B, T, H, D] tensor, as [size,
  /// D].
  Value head(OpBuilder &b, Value tensor, OpFoldResult batch, OpFoldResult head,
             OpFoldResult from, int64_t size) {
    return slice(b, loc, tensor, headOffsets(b, batch, head, from),
                 headSizes(b, size), {0, 2});
  }
  Indices headOffsets(OpBuilder &b, OpFoldResult batch, OpFoldResult head,
                      OpFoldResult from) {
    return {batch, from, head, b.getIndexAttr(0)};
  }
  Indices headSizes(OpBuilder &b, int64_t size) {
    return {b.getIndexAttr(1), b.getIndexAttr(size), b.getIndexAttr(1),
            b.getIndexAttr(headSize)};
  }

  Value local(OpBuilder &b, ArrayRef<int64_t> shape) {
    return empty(b, loc, getAsIndexOpFoldResult(b.getContext(), shape),
                 element);
  }

  /// out[m, n] += Σ_k lhs · rhs, each indexed by two of (m, n, k).
  Value contract(OpBuilder &b, Indexed lhs, Indexed rhs, Value out) {
    return buildGeneric(
        b, loc, "ppr", {lhs, rhs}, {{out, {0, 1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          return {f.add(body, x[2], f.mul(body, x[0], x[1]))};
        })[0];
  }

  /// Whether query `i` of batch row `batch` sees key `j` (index values); null:
  /// always.
  Value visible(OpBuilder &b, Value batch, Value i, Value j) {
    auto less = [&](arith::CmpIPredicate predicate, Value l, Value r) {
      return arith::CmpIOp::create(b, loc, predicate, l, r).getResult();
    };
    Value inLength;
    if (lengths) {
      Value length = tensor::ExtractOp::create(b, loc, lengths, batch);
      length = arith::IndexCastOp::create(b, loc, b.getIndexType(), length);
      inLength = less(arith::CmpIPredicate::slt, j, length);
    }
    Value past = less(arith::CmpIPredicate::sle, j, i);
    switch (op.getMask()) {
    case nn::MaskKind::None:
      return inLength;
    case nn::MaskKind::Prefix:
      return arith::OrIOp::create(b, loc, past, inLength);
    case nn::MaskKind::Window:
      past = arith::AndIOp::create(b, loc, past,
                                   less(arith::CmpIPredicate::slt,
                                        arith::SubIOp::create(b, loc, i, j),
                                        index(b, loc, op.getWindow())));
      [[fallthrough]];
    case nn::MaskKind::Causal:
      return inLength
                 ? arith::AndIOp::create(b, loc, past, inLength).getResult()
                 : past;
    }
    return {};
  }

  /// scale·score where visible, else -inf; block rows start at `from`.
  Value masked(OpBuilder &body, Value score, Value batch, Value from) {
    Value i = arith::AddIOp::create(
        body, loc, linalg::IndexOp::create(body, loc, 0), from);
    Value j = linalg::IndexOp::create(body, loc, 1);
    Value scaled =
        f.mul(body, score,
              constant(body, loc, element, op.getScale().convertToDouble()));
    Value see = visible(body, batch, i, j);
    if (!see)
      return scaled;
    Value hidden =
        constant(body, loc, element, -std::numeric_limits<double>::infinity());
    return arith::SelectOp::create(body, loc, see, scaled, hidden);
  }

  /// value/(1-rate) where element (b, h, i, j) is kept, else 0.
  Value dropped(OpBuilder &body, Value value, Value batch, Value headIndex,
                Value from, const std::optional<Counters> &loaded) {
    double rate = op.getDropout().convertToDouble();
    if (!loaded)
      return value;
    auto wide = [&](Value v) {
      return arith::IndexCastOp::create(body, loc, body.getI64Type(), v)
          .getResult();
    };
    auto step = [&](Value sum, int64_t factor, Value next) {
      Value c =
          arith::ConstantOp::create(body, loc, body.getI64IntegerAttr(factor));
      return arith::AddIOp::create(
                 body, loc, arith::MulIOp::create(body, loc, sum, c), next)
          .getResult();
    };
    Value i = arith::AddIOp::create(
        body, loc, linalg::IndexOp::create(body, loc, 0), from);
    Value row = arith::AddIOp::create(body, loc, loaded->firstRow, wide(batch));
    Value e = step(row, heads, wide(headIndex));
    e = step(e, queries, wide(i));
    e = step(e, keys, wide(linalg::IndexOp::create(body, loc, 1)));
    Value keep = buildKeep(body, loc, *loaded, e, stream, rate);
    return arith::SelectOp::create(
        body, loc, keep,
        f.mul(body, value, constant(body, loc, element, 1 / (1 - rate))),
        constant(body, loc, element, 0.0));
  }

  std::optional<Counters> counterValues(OpBuilder &b) {
    if (!counters)
      return std::nullopt;
    return loadCounters(b, loc, counters);
  }

  Op op;
  Location loc;
  Floats f;
  RankedTensorType type;
  Type element;
  int64_t heads, headSize, queries, keys, block;
  Value counters, stream, lengths;
};

struct AttentionModel
    : LowerableOpInterface::ExternalModel<AttentionModel, nn::AttentionOp> {
  FailureOr<SmallVector<Value>> lower(Operation *operation, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto op = cast<nn::AttentionOp>(operation);
    if (failed(AttentionBuilder<nn::AttentionOp>::check(op)))
      return failure();
    AttentionBuilder a(op, operands);
    Location loc = a.loc;
    Floats f = a.f;
    int64_t batch = a.type.getDimSize(0);
    return buildTiles(
        builder, loc, {batch, a.heads, a.queries}, {1, 1, a.block},
        destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> at, ArrayRef<OpFoldResult>,
            ValueRange outs) {
          Value row = materialize(b, loc, at[0]),
                headIndex = materialize(b, loc, at[1]),
                from = materialize(b, loc, at[2]);
          auto loaded = a.counterValues(b);
          OpFoldResult zero = b.getIndexAttr(0);
          Value q = a.head(b, operands[0], at[0], at[1], at[2], a.block);
          Value k = a.head(b, operands[1], at[0], at[1], zero, a.keys);
          Value v = a.head(b, operands[2], at[0], at[1], zero, a.keys);
          Value scores = fill(b, loc, a.local(b, {a.block, a.keys}), 0.0);
          scores = a.contract(b, {q, {0, 2}}, {k, {1, 2}}, scores);
          scores = buildGeneric(
              b, loc, "pp", {}, {{scores, {0, 1}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                return {a.masked(body, x[0], row, from)};
              })[0];
          Value maximum = fill(b, loc, a.local(b, a.block),
                               -std::numeric_limits<double>::infinity());
          maximum = buildGeneric(
              b, loc, "pr", {{scores, {0, 1}}}, {{maximum, {0}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                return {arith::MaximumFOp::create(body, loc, x[1], x[0])};
              })[0];
          // A row without keys has maximum -inf; 0 instead gives exp(-inf) = 0.
          Value shift = buildGeneric(
              b, loc, "p", {{maximum, {0}}}, {{a.local(b, a.block), {0}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                Value lowest =
                    constant(body, loc, a.element,
                             -std::numeric_limits<double>::infinity());
                Value none = arith::CmpFOp::create(
                    body, loc, arith::CmpFPredicate::OEQ, x[0], lowest);
                return {arith::SelectOp::create(
                    body, loc, none, constant(body, loc, a.element, 0.0),
                    x[0])};
              })[0];
          Value weights = buildGeneric(
              b, loc, "pp", {{shift, {0}}}, {{scores, {0, 1}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                return {f.exp(body, f.sub(body, x[1], x[0]))};
              })[0];
          Value sum = fill(b, loc, a.local(b, a.block), 0.0);
          sum = buildGeneric(
              b, loc, "pr", {{weights, {0, 1}}}, {{sum, {0}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                return {f.add(body, x[1], x[0])};
              })[0];
          // p = dropout(weight / sum); 0/0 of a row without keys is 0.
          Value probabilities = buildGeneric(
              b, loc, "pp", {{sum, {0}}}, {{weights, {0, 1}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                Value zeroScalar = constant(body, loc, a.element, 0.0);
                Value none = arith::CmpFOp::create(
                    body, loc, arith::CmpFPredicate::OEQ, x[0], zeroScalar);
                Value p = arith::DivFOp::create(body, loc, x[1], x[0]);
                p = arith::SelectOp::create(body, loc, none, zeroScalar, p);
                return {a.dropped(body, p, row, headIndex, from, loaded)};
              })[0];
          Indices offsets = a.headOffsets(b, at[0], at[1], at[2]);
          Indices sizes = a.headSizes(b, a.block);
          Value out =
              fill(b, loc, slice(b, loc, outs[0], offsets, sizes, {0, 2}), 0.0);
          out = a.contract(b, {probabilities, {0, 2}}, {v, {2, 1}}, out);
          Indices lseSizes = {b.getIndexAttr(1), b.getIndexAttr(1),
                              b.getIndexAttr(a.block)};
          Value lse = slice(b, loc, outs[1], at, lseSizes, {0, 1});
          lse = buildGeneric(
              b, loc, "p", {{sum, {0}}, {maximum, {0}}}, {{lse, {0}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                return {
                    f.add(body, math::LogOp::create(body, loc, x[0]), x[1])};
              })[0];
          return SmallVector<TileResult>{{out, offsets, sizes},
                                         {lse, Indices(at), lseSizes}};
        });
  }
  double flops(Operation *op) const {
    auto attention = cast<nn::AttentionOp>(op);
    return 4.0 * attention.getQuery().getType().getNumElements() *
           attention.getKey().getType().getDimSize(1);
  }
};

struct AttentionGradModel
    : LowerableOpInterface::ExternalModel<AttentionGradModel,
                                          nn::AttentionGradOp> {
  FailureOr<SmallVector<Value>> lower(Operation *operation, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto op = cast<nn::AttentionGradOp>(operation);
    if (failed(AttentionBuilder<nn::AttentionGradOp>::check(op)))
      return failure();
    AttentionBuilder a(op, operands);
    Location loc = a.loc;
    Floats f = a.f;
    int64_t batch = a.type.getDimSize(0);
    return buildTiles(
        builder, loc, {batch, a.heads}, {1, 1}, destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> at, ArrayRef<OpFoldResult>,
            ValueRange outs) {
          Value row = materialize(b, loc, at[0]),
                headIndex = materialize(b, loc, at[1]);
          auto loaded = a.counterValues(b);
          OpFoldResult zero = b.getIndexAttr(0);
          auto whole = [&](OpBuilder &builder, Value tensor, int64_t size) {
            return a.head(builder, tensor, at[0], at[1], zero, size);
          };
          Value k = whole(b, operands[2], a.keys),
                v = whole(b, operands[3], a.keys);
          Value dq = whole(b, outs[0], a.queries);
          Value dk = fill(b, loc, whole(b, outs[1], a.keys), 0.0);
          Value dv = fill(b, loc, whole(b, outs[2], a.keys), 0.0);
          auto loop = scf::ForOp::create(
              b, loc, index(b, loc, 0), index(b, loc, a.queries),
              index(b, loc, a.block), ValueRange{dq, dk, dv});
          OpBuilder body = OpBuilder::atBlockEnd(loop.getBody());
          scf::YieldOp::create(body, loc,
                               queryBlock(a, body, operands, at, row, headIndex,
                                          loop.getInductionVar(), k, v,
                                          loop.getRegionIterArgs(), loaded));
          auto result = [&](unsigned i, int64_t size) {
            return TileResult{loop.getResult(i),
                              a.headOffsets(b, at[0], at[1], zero),
                              a.headSizes(b, size)};
          };
          return SmallVector<TileResult>{result(0, a.queries),
                                         result(1, a.keys), result(2, a.keys)};
        });
  }

  /// One block of queries: returns dq with its rows set, dk and dv with its
  /// share added.
  static SmallVector<Value> queryBlock(AttentionBuilder<nn::AttentionGradOp> &a,
                                       OpBuilder &b, ValueRange operands,
                                       ArrayRef<OpFoldResult> at, Value row,
                                       Value headIndex, Value from, Value k,
                                       Value v, ValueRange sums,
                                       const std::optional<Counters> &loaded) {
    Location loc = a.loc;
    Floats f = a.f;
    auto rows = [&](unsigned i) {
      return a.head(b, operands[i], at[0], at[1], from, a.block);
    };
    Value dOut = rows(0), q = rows(1), out = rows(4);
    Indices lseAt = {at[0], at[1], from};
    Indices lseSize = {b.getIndexAttr(1), b.getIndexAttr(1),
                       b.getIndexAttr(a.block)};
    Value lse = slice(b, loc, operands[5], lseAt, lseSize, {0, 1});

    Value p = fill(b, loc, a.local(b, {a.block, a.keys}), 0.0);
    p = a.contract(b, {q, {0, 2}}, {k, {1, 2}}, p);
    p = buildGeneric(
        b, loc, "pp", {{lse, {0}}}, {{p, {0, 1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          // A row without keys has lse -inf: nothing flows.
          Value lowest = constant(body, loc, a.element,
                                  -std::numeric_limits<double>::infinity());
          Value none = arith::CmpFOp::create(
              body, loc, arith::CmpFPredicate::OEQ, x[0], lowest);
          Value e =
              f.exp(body, f.sub(body, a.masked(body, x[1], row, from), x[0]));
          return {arith::SelectOp::create(
              body, loc, none, constant(body, loc, a.element, 0.0), e)};
        })[0];
    Value dropped = p;
    if (loaded)
      dropped = buildGeneric(
          b, loc, "pp", {{p, {0, 1}}},
          {{a.local(b, {a.block, a.keys}), {0, 1}}},
          [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
            return {a.dropped(body, x[0], row, headIndex, from, loaded)};
          })[0];
    Value dv = a.contract(b, {dropped, {2, 0}}, {dOut, {2, 1}}, sums[2]);
    Value dp = fill(b, loc, a.local(b, {a.block, a.keys}), 0.0);
    dp = a.contract(b, {dOut, {0, 2}}, {v, {1, 2}}, dp);
    Value delta = fill(b, loc, a.local(b, a.block), 0.0);
    delta = buildGeneric(
        b, loc, "pr", {{dOut, {0, 1}}, {out, {0, 1}}}, {{delta, {0}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          return {f.add(body, x[2], f.mul(body, x[0], x[1]))};
        })[0];
    // ds = scale · p (mask·dp - delta)
    Value ds = buildGeneric(
        b, loc, "pp", {{p, {0, 1}}, {delta, {0}}}, {{dp, {0, 1}}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          Value kept = a.dropped(body, x[2], row, headIndex, from, loaded);
          Value scale =
              constant(body, loc, a.element, a.op.getScale().convertToDouble());
          return {
              f.mul(body, scale, f.mul(body, x[0], f.sub(body, kept, x[1])))};
        })[0];
    Value dk = a.contract(b, {ds, {2, 0}}, {q, {2, 1}}, sums[1]);
    Indices dqAt = {from, b.getIndexAttr(0)};
    Indices dqSize = {b.getIndexAttr(a.block), b.getIndexAttr(a.headSize)};
    Value dq = fill(b, loc, slice(b, loc, sums[0], dqAt, dqSize), 0.0);
    dq = a.contract(b, {ds, {0, 2}}, {k, {2, 1}}, dq);
    SmallVector<OpFoldResult> strides(2, b.getIndexAttr(1));
    dq = tensor::InsertSliceOp::create(b, loc, dq, sums[0], dqAt, dqSize,
                                       strides);
    return {dq, dk, dv};
  }

  double flops(Operation *op) const {
    auto attention = cast<nn::AttentionGradOp>(op);
    return 10.0 * attention.getQuery().getType().getNumElements() *
           attention.getKey().getType().getDimSize(1);
  }
};

} // namespace

void registerAttentionLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::AttentionOp::attachInterface<AttentionModel>(*context);
    nn::AttentionGradOp::attachInterface<AttentionGradModel>(*context);
  });
}

} // namespace trainc::fusion::lowering
