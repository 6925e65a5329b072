//===- LayerRules.cpp - derivatives of matmul, embedding, norms, attention ===//

#include "compiler/autodiff/rules/Rules.h"

using namespace mlir;

namespace trainc::autodiff {

static Value matmulInto(RuleContext &c, Value like, Value lhs, Value rhs,
                        bool transposeLhs, bool transposeRhs) {
  return c.build<nn::MatmulOp>(like.getType(), lhs, rhs, transposeLhs,
                               transposeRhs);
}

// Y = A·B: A' = G·Bᵀ, B' = Aᵀ·G. An operand that is stored transposed wants the
// transposed product, so that its gradient has its layout:
// (A')ᵀ = B·Gᵀ, (B')ᵀ = Gᵀ·A; and stored transposed changes how it is read.
static LogicalResult matmul(nn::MatmulOp op, RuleContext &c) {
  Value a = op.getLhs(), b = op.getRhs(), g = c.castLike(c.gradient(), a);
  bool ta = op.getTransposeLhs(), tb = op.getTransposeRhs();
  if (c.needs(0))
    c.set(0, ta ? matmulInto(c, a, b, g, tb, true)
                : matmulInto(c, a, g, b, false, !tb));
  if (c.needs(1))
    c.set(1, tb ? matmulInto(c, b, g, a, true, ta)
                : matmulInto(c, b, a, g, !ta, false));
  return success();
}

// y[p] = table[ids[p]]: table'[v] = Σ over p with ids[p] = v of g[p]
static LogicalResult embedding(nn::EmbeddingOp op, RuleContext &c) {
  c.set(0, c.build<nn::EmbeddingGradOp>(op.getTable().getType(), c.gradient(),
                                        op.getIds(), Value()));
  return success();
}

/// Into how many parts a norm's weight gradient is cut: blocks of rows of about
/// this many elements, equal ones where a divisor is near.
static int64_t normParts(int64_t rows, int64_t columns) {
  constexpr int64_t elements = 32768;
  int64_t most = std::clamp<int64_t>(elements / columns, 1, rows);
  for (int64_t block = most; 2 * block >= most; --block)
    if (rows % block == 0)
      return rows / block;
  return llvm::divideCeil(rows, most);
}

// y = w·h + b with h = (x-μ)·r, r = rstd, d = g·w:
// x' = r·(d - mean(d) - h·mean(d·h)), w' = Σ g·h, b' = Σ g (Ba et al. 2016)
static LogicalResult layerNorm(nn::LayerNormOp op, RuleContext &c) {
  if (c.gradient(1) || c.gradient(2))
    return op.emitOpError()
           << "expected only the normalised result to reach a loss, but got a "
              "use of mean or rstd that does; compute statistics that are "
              "trained with nn.reduce_sum";
  Value g = c.gradient(0), x = op.getInput();
  if (!c.needs(1) && !c.needs(2)) {
    c.set(0,
          c.build<nn::LayerNormGradInputOp>(x.getType(), g, x, op.getWeight(),
                                            op.getMean(), op.getRstd()));
    return success();
  }
  RankedTensorType type = op.getWeight().getType();
  int64_t columns = type.getNumElements();
  int64_t rows = op.getInput().getType().getNumElements() / columns;
  Type parts = type.clone({normParts(rows, columns), columns});
  auto gradients =
      c.build<nn::LayerNormGradOp>(x.getType(), parts, parts, g, x,
                                   op.getWeight(), op.getMean(), op.getRstd());
  c.set(0, gradients.getResult());
  c.set(1, c.reduceSum(gradients.getWeightGradient(), 0));
  c.set(2, c.reduceSum(gradients.getBiasGradient(), 0));
  return success();
}

// P = softmax(scale·Q·Kᵀ + bias), Y = M∘P·V with dropout mask M:
// nn.attention_grad recomputes P from the log-sum-exp (Dao et al. 2022,
// appendix B).
static LogicalResult attention(nn::AttentionOp op, RuleContext &c) {
  if (!c.gradient(0) || c.gradient(1))
    return op.emitOpError() << "expected only the attention's result to reach "
                               "a loss, but got a use of its lse that does";
  for (OpOperand &bias : op.getRelativeBiasMutable())
    if (c.needs(bias.getOperandNumber()))
      return op.emitOpError()
             << "expected a frozen relative_bias, but got one that depends on "
                "a trainable parameter; its gradient is not implemented";
  Type query = op.getQuery().getType(), key = op.getKey().getType();
  auto gradients = c.build<nn::AttentionGradOp>(
      TypeRange{query, key, key}, op.getMask(), c.gradient(0), op.getQuery(),
      op.getKey(), op.getValue(), op.getResult(), op.getLse(), op.getLengths(),
      op.getRelativeBias(), op.getCounters(), op.getScale(), op.getDropout(),
      op.getWindow(), op.getStream());
  for (auto [i, gradient] : llvm::enumerate(gradients.getResults()))
    c.set(i, gradient);
  return success();
}

void registerLayerRules(MLIRContext *context) {
  attach<matmul, embedding, layerNorm, attention>(context);
}

} // namespace trainc::autodiff
