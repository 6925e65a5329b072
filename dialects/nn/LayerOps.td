//===- LayerOps.td - matrix products, embeddings, norms, attention --------===//
#ifndef TRAINC_DIALECTS_NN_LAYEROPS_TD
#define TRAINC_DIALECTS_NN_LAYEROPS_TD

include "dialects/nn/NnDialect.td"

def NN_MatmulOp : NN_Op<"matmul"> {
  let summary = "Matrix product, either side transposed";
  let description = [{
    `result[…, m, n] = Σ_k lhs[…, m, k] · rhs[…, k, n]`; with `transpose_lhs`
    the left operand is stored [k, m], with `transpose_rhs` the right one [n, k].
    Leading dimensions are batch dimensions.
    (C1) equal ranks of at least 2 and equal batch dimensions. (C2) the
    contracted dimensions agree. (C3) the result is [batch…, M, N]. (C4) element
    types of the operands agree; the result's is the same or wider.

    ```mlir
    %y = nn.matmul %x, %w : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<6x8xf32>
    %z = nn.matmul %x, %e transpose_rhs : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
    ```
  }];
  let arguments = (ins NN_Float:$lhs, NN_Float:$rhs, UnitAttr:$transpose_lhs, UnitAttr:$transpose_rhs);
  let results = (outs NN_Float:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`transpose_lhs` $transpose_lhs^)? (`transpose_rhs` $transpose_rhs^)?
    attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_EmbeddingOp : NN_Op<"embedding", [DeclareOpInterfaceMethods<IndexingOpInterface>]> {
  let summary = "Rows of a table";
  let description = [{
    `result[…, c] = table[ids[…], c]`. Ids outside the table are undefined; the
    runtime checks them when data is read.
    (C1) `table` is [V, C]; `result` is the ids' shape with C appended. (C2)
    element types of table and result agree.

    ```mlir
    %x = nn.embedding %table, %ids : tensor<50x8xf32>, tensor<2x4xi32> -> tensor<2x4x8xf32>
    ```
  }];
  let arguments = (ins NN_Float:$table, NN_Ids:$ids);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$table `,` $ids attr-dict `:` type($table) `,` type($ids) `->` type($result)";
  let hasVerifier = 1;
}

def NN_EmbeddingGradOp : NN_Op<"embedding_grad", [DeclareOpInterfaceMethods<IndexingOpInterface>]> {
  let summary = "Adds rows into a table (adjoint of nn.embedding)";
  let description = [{
    `result[v, c] = accumulator[v, c] + Σ over positions p with ids[p] = v of
    gradient[p, c]`, in the order of positions; the accumulator is 0 where there is
    none.
    (C1) `result` is [V, C]; `gradient` is the ids' shape with C appended, of the
    result's element type or a narrower one. (C2) the accumulator has the result's
    type.

    ```mlir
    %dt = nn.embedding_grad %dy, %ids : tensor<2x4x8xf32>, tensor<2x4xi32> -> tensor<50x8xf32>
    %du = nn.embedding_grad %dy, %ids onto %old : tensor<50x8xf32> : tensor<2x4x8xf32>, tensor<2x4xi32> -> tensor<50x8xf32>
    ```
  }];
  let arguments = (ins NN_Float:$gradient, NN_Ids:$ids, Optional<NN_Float>:$accumulator);
  let results = (outs NN_Float:$result);
  let assemblyFormat = [{
    $gradient `,` $ids (`onto` $accumulator^ `:` type($accumulator))? attr-dict
    `:` type($gradient) `,` type($ids) `->` type($result)
  }];
  let hasVerifier = 1;
}

def NN_LayerNormOp : NN_Op<"layer_norm", [AllTypesMatch<["input", "result"]>,
                                          AllTypesMatch<["weight", "bias"]>,
                                          AllTypesMatch<["mean", "rstd"]>]> {
  let summary = "Layer normalisation over the last dimension";
  let description = [{
    `μ = mean(x)`, `σ² = mean((x-μ)²)` (biased), `result = weight·(x-μ)·rstd + bias`
    with `rstd = 1/√(σ²+ε)` (Ba et al. 2016). Also returns μ and rstd for the
    backward pass.
    (C1) `weight` and `bias` are [C], C the input's last dimension. (C2) `mean` and
    `rstd` have the input's shape without C. (C3) `epsilon` > 0.

    ```mlir
    %y, %mean, %rstd = nn.layer_norm %x, %w, %b {epsilon = 1.0e-5 : f64}
        : tensor<4x8xf32>, tensor<8xf32> -> tensor<4xf32>
    ```
  }];
  let arguments = (ins NN_Float:$input, NN_Float:$weight, NN_Float:$bias, F64Attr:$epsilon);
  let results = (outs NN_Float:$result, NN_Float:$mean, NN_Float:$rstd);
  let assemblyFormat = "$input `,` $weight `,` $bias attr-dict `:` type($input) `,` type($weight) `->` type($mean)";
  let hasVerifier = 1;
}

def NN_LayerNormGradInputOp : NN_Op<"layer_norm_grad_input", [
    AllTypesMatch<["gradient", "input", "result"]>, AllTypesMatch<["mean", "rstd"]>]> {
  let summary = "Gradient of nn.layer_norm for its input";
  let description = [{
    With `h = (x-μ)·rstd` and `d = gradient·weight`:
    `result = rstd·(d - mean(d) - h·mean(d·h))`.
    (C1), (C2) as nn.layer_norm.

    ```mlir
    %dx = nn.layer_norm_grad_input %dy, %x, %w, %mean, %rstd
        : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32>
    ```
  }];
  let arguments = (ins NN_Float:$gradient, NN_Float:$input, NN_Float:$weight, NN_Float:$mean, NN_Float:$rstd);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$gradient `,` $input `,` $weight `,` $mean `,` $rstd attr-dict `:` type($gradient) `,` type($weight) `,` type($mean)";
  let hasVerifier = 1;
}

def NN_LayerNormGradOp : NN_Op<"layer_norm_grad", [
    AllTypesMatch<["gradient", "input", "result"]>, AllTypesMatch<["mean", "rstd"]>,
    AllTypesMatch<["weight_gradient", "bias_gradient"]>]> {
  let summary = "All gradients of nn.layer_norm, those of weight and bias in parts";
  let description = [{
    `result` as nn.layer_norm_grad_input. Row p of the others is the share of block p
    of the R rows, in order: `weight_gradient[p, c] = Σ gradient·h`,
    `bias_gradient[p, c] = Σ gradient`; their sum over p is the gradient. The P blocks have
    ⌈R/P⌉ rows, the last what is left. So one pass makes all three.
    (C1), (C2) as nn.layer_norm. (C3) `weight_gradient` is [P, C] with no block empty.

    ```mlir
    %dx, %dw, %db = nn.layer_norm_grad %dy, %x, %w, %mean, %rstd
        : tensor<6x8xf32>, tensor<8xf32>, tensor<6xf32> -> tensor<2x8xf32>
    ```
  }];
  let arguments = (ins NN_Float:$gradient, NN_Float:$input, NN_Float:$weight, NN_Float:$mean, NN_Float:$rstd);
  let results = (outs NN_Float:$result, NN_Float:$weight_gradient, NN_Float:$bias_gradient);
  let assemblyFormat = [{
    $gradient `,` $input `,` $weight `,` $mean `,` $rstd attr-dict
    `:` type($gradient) `,` type($weight) `,` type($mean) `->` type($weight_gradient)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Rows of a block, ⌈R/P⌉.
    int64_t getBlockRows();
  }];
}

def NN_MaskKind : I32EnumAttr<"MaskKind", "which keys a query sees", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Causal", 1, "causal">,
    I32EnumAttrCase<"Prefix", 2, "prefix">, I32EnumAttrCase<"Window", 3, "window">]> {
  let cppNamespace = "::trainc::nn";
  let genSpecializedAttr = 0;
}
def NN_MaskKindAttr : EnumAttr<NN_Dialect, NN_MaskKind, "mask">;

def NN_AttentionOp : NN_Op<"attention", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<StochasticOpInterface>, NoiseStreamOpInterface,
    AllTypesMatch<["query", "result"]>, AllTypesMatch<["key", "value"]>]> {
  let summary = "Scaled dot-product attention, never storing T×T";
  let description = [{
    Per batch row b and head h:
    `score[i, j] = scale · query[b, i, h] · key[b, j, h] + relative_bias[h, j-i+T-1]`
    over the keys that `mask` lets query i see (`causal`: j ≤ i; `window`: also
    i - j < `window`; `prefix`: j ≤ i or j < `lengths[b]`; with `none` and `lengths`:
    j < `lengths[b]`), `p = softmax_j(score)`, `result[b, i, h] = Σ_j dropout(p)[i, j] · value[b, j, h]`.
    `lse[b, h, i] = ln Σ_j exp(score[i, j])` is kept for the backward pass. A row
    that sees no key gives 0 and lse -inf. Dropout keeps an element when the
    counter-based uniform of (stream, global row, h, i, j) is at least the rate and divides by 1 - rate.
    (C1) `query` is [B, Tq, H, D], `key` and `value` [B, Tk, H, D]. (C2) `lse` is
    [B, H, Tq]. (C3) 0 ≤ `dropout` < 1; `counters` (i64[3]) iff `dropout` > 0.
    (C4) `causal`, `window` need Tq = Tk; `window` > 0 iff mask is `window`.
    (C5) `lengths` is i32 [B]; `relative_bias` is [H, Tq+Tk-1].

    ```mlir
    %o, %lse = nn.attention causal %q, %k, %v {scale = 0.125 : f64}
        : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
    ```
  }];
  let arguments = (ins NN_MaskKindAttr:$mask, NN_Float:$query, NN_Float:$key, NN_Float:$value,
    Optional<NN_Ids>:$lengths, Optional<NN_Float>:$relative_bias, Optional<NN_Counters>:$counters,
    F64Attr:$scale, DefaultValuedAttr<F64Attr, "0.0">:$dropout,
    DefaultValuedAttr<I64Attr, "0">:$window, DefaultValuedAttr<I64Attr, "0">:$stream);
  let results = (outs NN_Float:$result, NN_Float:$lse);
  let assemblyFormat = [{
    $mask $query `,` $key `,` $value (`lengths` $lengths^ `:` type($lengths))?
    (`relative_bias` $relative_bias^ `:` type($relative_bias))?
    (`counters` $counters^ `:` type($counters))?
    attr-dict `:` type($query) `,` type($key) `->` type($lse)
  }];
  let hasVerifier = 1;
}

def NN_AttentionGradOp : NN_Op<"attention_grad", [AttrSizedOperandSegments, NoiseStreamOpInterface,
    AllTypesMatch<["gradient", "query", "result", "query_gradient"]>,
    AllTypesMatch<["key", "value", "key_gradient", "value_gradient"]>]> {
  let summary = "Gradients of nn.attention, recomputing the probabilities";
  let description = [{
    `p = exp(score - lse)`, `m` the dropout mask over (1 - rate), `dv_j = Σ_i m·p·do_i`,
    `dp = m·(do_i·v_j)`, `ds = p·(dp - do_i·o_i)`, `dq_i = scale Σ_j ds·k_j`,
    `dk_j = scale Σ_i ds·q_i` (Dao et al. 2022, section 3.1 and appendix B).
    (C1)…(C5) as nn.attention. The lowering refuses `relative_bias`.

    ```mlir
    %dq, %dk, %dv = nn.attention_grad causal %do, %q, %k, %v, %o, %lse {scale = 0.125 : f64}
        : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x2x4xf32>
    ```
  }];
  let arguments = (ins NN_MaskKindAttr:$mask, NN_Float:$gradient, NN_Float:$query, NN_Float:$key,
    NN_Float:$value, NN_Float:$result, NN_Float:$lse,
    Optional<NN_Ids>:$lengths, Optional<NN_Float>:$relative_bias, Optional<NN_Counters>:$counters,
    F64Attr:$scale, DefaultValuedAttr<F64Attr, "0.0">:$dropout,
    DefaultValuedAttr<I64Attr, "0">:$window, DefaultValuedAttr<I64Attr, "0">:$stream);
  let results = (outs NN_Float:$query_gradient, NN_Float:$key_gradient, NN_Float:$value_gradient);
  let assemblyFormat = [{
    $mask $gradient `,` $query `,` $key `,` $value `,` $result `,` $lse
    (`lengths` $lengths^ `:` type($lengths))?
    (`relative_bias` $relative_bias^ `:` type($relative_bias))?
    (`counters` $counters^ `:` type($counters))?
    attr-dict `:` type($query) `,` type($key) `,` type($lse)
  }];
  let hasVerifier = 1;
}

#endif // TRAINC_DIALECTS_NN_LAYEROPS_TD
