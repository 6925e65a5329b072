//===- LayerOps.cpp - verifiers of matmul, embedding, norms, attention ----===//

#include "dialects/nn/Nn.h"

using namespace mlir;

namespace trainc::nn {

/// `actual` must be of `expected` shape; `what` names it.
static LogicalResult expectShape(Operation *op, StringRef what, Value actual,
                                 ArrayRef<int64_t> expected) {
  ArrayRef<int64_t> got = cast<RankedTensorType>(actual.getType()).getShape();
  if (got == expected)
    return success();
  return op->emitOpError() << "expected " << what << " of shape [" << expected
                           << "], but got [" << got << "]";
}

LogicalResult MatmulOp::verify() {
  auto lhs = getLhs().getType(), rhs = getRhs().getType();
  int64_t rank = lhs.getRank();
  if (rank < 2 || rhs.getRank() != rank ||
      lhs.getShape().drop_back(2) != rhs.getShape().drop_back(2)) // matmul_c1
    return emitOpError()
           << "expected operands of equal rank, at least 2, with equal "
              "batch dimensions, but got "
           << lhs << " and " << rhs;
  int64_t m = lhs.getDimSize(rank - 2), kl = lhs.getDimSize(rank - 1);
  if (getTransposeLhs())
    std::swap(m, kl);
  int64_t kr = rhs.getDimSize(rank - 2), n = rhs.getDimSize(rank - 1);
  if (getTransposeRhs())
    std::swap(kr, n);
  if (kl != kr) // matmul_c2
    return emitOpError() << "expected equal contracted dimensions, but got "
                         << kl << " and " << kr;
  SmallVector<int64_t> shape(lhs.getShape().drop_back(2));
  shape.append({m, n});
  if (failed(expectShape(*this, "a result", getResult(), shape))) // matmul_c3
    return failure();
  if (lhs.getElementType() != rhs.getElementType() ||
      getType().getElementTypeBitWidth() <
          lhs.getElementTypeBitWidth()) // matmul_c4
    return emitOpError()
           << "expected operands of one element type and a result at "
              "least as wide, but got "
           << lhs.getElementType() << ", " << rhs.getElementType() << " and "
           << getType().getElementType();
  return success();
}

/// Rows are of the table's element type, or narrower where `narrowRows`.
static LogicalResult verifyEmbedding(Operation *op, Value table, Value ids,
                                     Value rows, bool narrowRows) {
  auto tableType = cast<RankedTensorType>(table.getType());
  auto rowsType = cast<RankedTensorType>(rows.getType());
  if (tableType.getRank() != 2) // embedding_c1, embedding_grad_c1
    return op->emitOpError()
           << "expected a table of rank 2, but got " << tableType;
  SmallVector<int64_t> shape(cast<RankedTensorType>(ids.getType()).getShape());
  shape.push_back(tableType.getDimSize(1));
  if (failed(expectShape(op, "rows", rows, shape)))
    return failure();
  if (tableType.getElementType() != rowsType.getElementType() &&
      !(narrowRows && rowsType.getElementTypeBitWidth() <
                          tableType.getElementTypeBitWidth())) // embedding_c2
    return op->emitOpError()
           << "expected rows of element type " << tableType.getElementType()
           << ", but got " << rowsType.getElementType();
  return success();
}

LogicalResult EmbeddingOp::verify() {
  return verifyEmbedding(*this, getTable(), getIds(), getResult(),
                         /*narrowRows=*/false);
}

LogicalResult EmbeddingGradOp::verify() {
  if (getAccumulator() &&
      getAccumulator().getType() != getType()) // embedding_grad_c2
    return emitOpError() << "expected an accumulator of type " << getType()
                         << ", but got " << getAccumulator().getType();
  return verifyEmbedding(*this, getResult(), getIds(), getGradient(),
                         /*narrowRows=*/true);
}

/// `weight` [C] (null: skip) and `statistics` (the shape without C) of a norm
/// of `input`.
static LogicalResult verifyNorm(Operation *op, Value input, Value weight,
                                Value statistics) {
  auto type = cast<RankedTensorType>(input.getType());
  if (type.getRank() == 0)
    return op->emitOpError()
           << "expected an input of rank at least 1, but got " << type;
  if (failed(expectShape(op, "a weight", weight,
                         type.getShape().back()))) // layer_norm_c1
    return failure();
  return expectShape(op, "statistics", statistics,
                     type.getShape().drop_back()); // layer_norm_c2
}

LogicalResult LayerNormOp::verify() {
  if (getEpsilon().convertToDouble() <= 0) // layer_norm_c3
    return emitOpError() << "expected a positive epsilon, but got "
                         << getEpsilon().convertToDouble();
  return verifyNorm(*this, getInput(), getWeight(), getMean());
}

LogicalResult LayerNormGradInputOp::verify() {
  return verifyNorm(*this, getInput(), getWeight(), getMean());
}

int64_t LayerNormGradOp::getBlockRows() {
  RankedTensorType type = getInput().getType();
  int64_t rows = type.getNumElements() / type.getShape().back();
  return llvm::divideCeil(rows, getWeightGradient().getType().getDimSize(0));
}

LogicalResult LayerNormGradOp::verify() {
  if (failed(verifyNorm(*this, getInput(), getWeight(), getMean())))
    return failure();
  RankedTensorType type = getInput().getType(),
                   parts = getWeightGradient().getType();
  int64_t columns = type.getShape().back(),
          rows = type.getNumElements() / columns;
  bool fits = parts.getRank() == 2 && parts.getDimSize(1) == columns &&
              parts.getDimSize(0) > 0;
  if (!fits ||
      (parts.getDimSize(0) - 1) * getBlockRows() >= rows) // layer_norm_grad_c3
    return emitOpError() << "expected parts of shape [P, " << columns
                         << "] such that no block of the " << rows
                         << " rows is empty, but got " << parts;
  return success();
}

template <typename Op> static LogicalResult verifyAttention(Op op) {
  auto query = op.getQuery().getType(), key = op.getKey().getType();
  if (query.getRank() != 4 || key.getRank() != 4 ||
      query.getDimSize(0) != key.getDimSize(0) ||
      query.getShape().drop_front(2) !=
          key.getShape().drop_front(2)) // attention_c1
    return op.emitOpError()
           << "expected query [B, Tq, H, D] and key, value [B, Tk, H, "
              "D], but got "
           << query << " and " << key;
  int64_t batch = query.getDimSize(0), tq = query.getDimSize(1),
          heads = query.getDimSize(2), tk = key.getDimSize(1);
  if (failed(expectShape(op, "lse", op.getLse(),
                         {batch, heads, tq}))) // attention_c2
    return failure();
  double dropout = op.getDropout().convertToDouble();
  if (!(dropout >= 0 && dropout < 1) ||
      (dropout > 0) != bool(op.getCounters())) // attention_c3
    return op.emitOpError()
           << "expected dropout in [0, 1) with counters exactly when "
              "it is positive, but got "
           << dropout;
  bool windowed = op.getMask() == MaskKind::Window;
  if ((windowed || op.getMask() == MaskKind::Causal) &&
      tq != tk) // attention_c4
    return op.emitOpError()
           << "expected as many keys as queries for a causal mask, "
              "but got "
           << tk << " and " << tq;
  if (windowed != (op.getWindow() > 0))
    return op.emitOpError()
           << "expected a positive window exactly with the window "
              "mask, but got "
           << op.getWindow();
  if (op.getLengths() && failed(expectShape(op, "lengths", op.getLengths(),
                                            batch))) // attention_c5
    return failure();
  if (op.getRelativeBias() &&
      failed(expectShape(op, "relative_bias", op.getRelativeBias(),
                         {heads, tq + tk - 1})))
    return failure();
  return success();
}

LogicalResult AttentionOp::verify() { return verifyAttention(*this); }
LogicalResult AttentionGradOp::verify() { return verifyAttention(*this); }

void AttentionOp::removeNoise(RewriterBase &rewriter) {
  rewriter.modifyOpInPlace(*this, [&] {
    setDropout(APFloat(0.0));
    getCountersMutable().clear();
  });
}

Value EmbeddingOp::getIndices() { return getIds(); }
Value EmbeddingGradOp::getIndices() { return getIds(); }

int64_t EmbeddingOp::getIndexLimit() {
  return getTable().getType().getDimSize(0);
}
int64_t EmbeddingGradOp::getIndexLimit() { return getType().getDimSize(0); }

} // namespace trainc::nn
