//===- AttentionBlocks.h - what attention's two passes share ------*- C++
//-*-===//
//
// Attention goes over pairs of a block of queries and a block of keys. Here:
// how large the blocks are, which keys a block of queries may see, the mask
// inside a block, and the dropout of its probabilities. Blocks of scores are
// [keys, queries]: the queries are the lanes of vectors, so that maxima and
// sums over keys need no reduction inside a vector, and a product reads keys
// and values as they lie in memory.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_LOWERING_ATTENTIONBLOCKS_H
#define TRAINC_COMPILER_FUSION_LOWERING_ATTENTIONBLOCKS_H

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Philox.h"
#include "dialects/nn/Nn.h"
#include <optional>

namespace trainc::fusion::lowering {

/// The terms of nn.attention and nn.attention_grad that are supported, as
/// values inside the kernel.
struct AttentionTerms {
  int64_t batch, queries, keys, heads, headSize;
  nn::MaskKind mask;
  int64_t window;
  double scale, dropout;
  mlir::Type element; ///< of the computation
  mlir::Type stored;  ///< of queries, keys, values, results; may be narrower
  mlir::Value lengths, counters, stream; ///< null where absent

  /// Pairs of a query and a key it sees, of one head; where lengths decide, the
  /// most there can be.
  double visiblePairs() const;
};

/// The terms of an attention or its gradient; `operands` stand for its
/// operands, or are empty. Fails, with a diagnostic, for terms without
/// lowering.
mlir::FailureOr<AttentionTerms> getAttentionTerms(nn::AttentionOp op,
                                                  mlir::ValueRange operands);
mlir::FailureOr<AttentionTerms> getAttentionTerms(nn::AttentionGradOp op,
                                                  mlir::ValueRange operands);

/// Where a block of queries starts, in its batch row and head.
struct BlockPlace {
  mlir::OpFoldResult batch, head, first;
  mlir::OpFoldResult size; ///< queries in it, at most the block's lanes
};

/// Builds the parts of both passes at one location.
class AttentionBlocks {
public:
  AttentionBlocks(mlir::Location loc, const AttentionTerms &terms);

  /// Queries that a loop step covers, and lanes of its vectors: the first may
  /// be less where there is one block only.
  int64_t queryStep() const { return std::min(lanes, terms.queries); }
  int64_t queryLanes() const { return lanes; }

  /// Queries left from `first` on, at most one step.
  mlir::OpFoldResult querySize(mlir::OpBuilder &b, mlir::Value first) const;

  /// Offsets and sizes of `size` rows of one head of a [B, T, H, D] tensor.
  Indices headOffsets(mlir::OpBuilder &b, const BlockPlace &place,
                      mlir::OpFoldResult first) const;
  Indices headSizes(mlir::OpBuilder &b, mlir::OpFoldResult size) const;
  /// These rows as [size, D].
  mlir::Value head(mlir::OpBuilder &b, mlir::Value tensor,
                   const BlockPlace &place, mlir::OpFoldResult first,
                   mlir::OpFoldResult size) const;

  /// A fresh tensor [sizes...], and a number per lane: any, or `value`.
  mlir::Value local(mlir::OpBuilder &b,
                    llvm::ArrayRef<mlir::OpFoldResult> sizes) const;
  mlir::Value localLanes(mlir::OpBuilder &b) const;
  mlir::Value localLanes(mlir::OpBuilder &b, double value) const;

  /// Rows [size, D] next to each other in a tensor of their own, in the type of
  /// the computation.
  mlir::Value packed(mlir::OpBuilder &b, mlir::Value rows) const;
  /// The same, times `factor`.
  mlir::Value scaled(mlir::OpBuilder &b, mlir::Value rows, double factor) const;
  /// Rows [size, D] as [D, lanes]; lanes from `size` on are zero.
  mlir::Value transposed(mlir::OpBuilder &b, mlir::Value rows) const;

  /// A block of keys, as a block of queries sees it.
  struct KeyBlock {
    mlir::Value first;       ///< key
    mlir::OpFoldResult size; ///< keys in it
  };

  /// out[m, n] += Σ_k lhs · rhs, each indexed by two of (m, n, k).
  mlir::Value contract(mlir::OpBuilder &b, Indexed lhs, Indexed rhs,
                       mlir::Value out) const;
  /// left [keys, D] · right [D, lanes], from zero.
  mlir::Value scores(mlir::OpBuilder &b, mlir::Value left,
                     mlir::Value right) const;

  /// Body of one block of keys: the loop's values; returns their new ones.
  using KeyBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::OpBuilder &, const KeyBlock &keys, mlir::ValueRange state)>;
  /// The loop over the blocks of keys that some query of the block sees.
  llvm::SmallVector<mlir::Value> forEachKeyBlock(mlir::OpBuilder &b,
                                                 const BlockPlace &place,
                                                 mlir::ValueRange state,
                                                 KeyBody body) const;
  /// Scores with -inf where the query does not see the key. Nothing is done in
  /// blocks of which every query sees all.
  mlir::Value masked(mlir::OpBuilder &b, mlir::Value scores,
                     const BlockPlace &place, const KeyBlock &keys) const;

  /// Dropout of a block of queries: where its rows start in the sequence of
  /// random words.
  struct Dropout {
    Counters counters;
    mlir::Value word; ///< i64 [lanes]: index of the row's first word
  };
  /// Null without dropout.
  std::optional<Dropout> dropout(mlir::OpBuilder &b,
                                 const BlockPlace &place) const;
  /// For a block of keys, 0 or 1/(1-rate) per word: four tensors, of each
  /// counter's words 0 to 3, by (counter, lane). Empty without dropout.
  llvm::SmallVector<mlir::Value>
  dropoutFactors(mlir::OpBuilder &b, const std::optional<Dropout> &dropout,
                 const KeyBlock &keys) const;
  /// `block` [keys, lanes] times its factors, in place.
  mlir::Value dropped(mlir::OpBuilder &b, mlir::Value block,
                      const std::optional<Dropout> &dropout,
                      llvm::ArrayRef<mlir::Value> factors) const;

  const AttentionTerms terms;
  const mlir::Location loc;

private:
  mlir::Value length(mlir::OpBuilder &b, const BlockPlace &place) const;
  mlir::Value isEdge(mlir::OpBuilder &b, const BlockPlace &place,
                     mlir::Value firstKey) const;
  mlir::Value visible(mlir::OpBuilder &b, mlir::Value query, mlir::Value key,
                      mlir::Value length) const;

  int64_t lanes, keyStep;
};

/// Scalars inside generics.
struct Floats {
  mlir::Location loc;
  mlir::Value add(mlir::OpBuilder &b, mlir::Value l, mlir::Value r) const;
  mlir::Value sub(mlir::OpBuilder &b, mlir::Value l, mlir::Value r) const;
  mlir::Value mul(mlir::OpBuilder &b, mlir::Value l, mlir::Value r) const;
  mlir::Value exp(mlir::OpBuilder &b, mlir::Value x) const;
  /// The larger one; `r` where either is NaN.
  mlir::Value larger(mlir::OpBuilder &b, mlir::Value l, mlir::Value r) const;
  /// `value` where x is -inf, else x.
  mlir::Value insteadOfLowest(mlir::OpBuilder &b, mlir::Value x,
                              double value) const;
};

} // namespace trainc::fusion::lowering

#endif // TRAINC_COMPILER_FUSION_LOWERING_ATTENTIONBLOCKS_H
