//===- Blocks.h - attention and feed-forward sublayers ----------*- C++ -*-===//
//
// The two sublayers of a transformer block, without norm and residual, which
// differ between families.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_LAYERS_BLOCKS_H
#define TRAINC_MODELS_LAYERS_BLOCKS_H

#include "models/layers/Layers.h"

namespace trainc::models {

/// Multi-head self-attention with one joint projection (Vaswani et al. 2017).
struct AttentionShape {
  int64_t batch, time;     ///< B, T
  int64_t heads, headSize; ///< H, D
  int64_t window = 0;      ///< keys a query sees; 0 for all before it
  double dropout = 0;      ///< of the probabilities
  Init projection, output; ///< of c_attn and c_proj
};

/// Causal self-attention of rows [B·T, C] → [B·T, C], GPT-2's layout: `c_attn`
/// [C, 3·H·D] makes q, k and v as equal thirds, heads are contiguous; `c_proj`
/// [H·D, C]. Scores are scaled by 1/√D.
mlir::Value causalSelfAttention(ModelBuilder &model, mlir::Value rows,
                                const AttentionShape &shape);

/// `c_proj(act(c_fc(x)))`: rows [N, C] → [N, F] → [N, C].
mlir::Value feedForward(ModelBuilder &model, mlir::Value rows, int64_t size,
                        llvm::StringRef kind, Init inner, Init output);

} // namespace trainc::models

#endif // TRAINC_MODELS_LAYERS_BLOCKS_H
