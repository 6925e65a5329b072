//===- LossOps.td - losses, rows that they count, noise -------------------===//
#ifndef TRAINC_DIALECTS_NN_LOSSOPS_TD
#define TRAINC_DIALECTS_NN_LOSSOPS_TD

include "dialects/nn/NnDialect.td"

def NN_SoftmaxOp : NN_Op<"softmax", [SameOperandsAndResultType]> {
  let summary = "Softmax over the last dimension";
  let description = [{
    `result[…, c] = exp(x_c - max x) / Σ exp(x - max x)`.

    ```mlir
    %p = nn.softmax %x : tensor<4x8xf32>
    ```
  }];
  let arguments = (ins NN_Float:$input);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def NN_CrossEntropyOp : NN_Op<"cross_entropy", [DeclareOpInterfaceMethods<IndexingOpInterface, ["getIgnoredIndex"]>,
    AllTypesMatch<["loss", "lse"]>]> {
  let summary = "Negative log-likelihood of the target per row";
  let description = [{
    `lse[n] = ln Σ_v exp(logits[n, v])`;
    `loss[n] = lse - (1-s)·logits[n, target] - s·mean_v(logits[n]) + z·lse²` with label
    smoothing s and z-loss z; loss 0 where the target is `ignore_index`.
    (C1) `logits` is [N, V], `targets` i32 [N], `loss` and `lse` [N]. (C2) 0 ≤
    `label_smoothing` < 1 and `z_loss` ≥ 0.

    ```mlir
    %loss, %lse = nn.cross_entropy %logits, %targets {ignore_index = -100 : i64}
        : tensor<6x50xf32>, tensor<6xi32> -> tensor<6xf32>
    ```
  }];
  let arguments = (ins NN_Float:$logits, NN_Ids:$targets,
    DefaultValuedAttr<I64Attr, "-100">:$ignore_index,
    DefaultValuedAttr<F64Attr, "0.0">:$label_smoothing,
    DefaultValuedAttr<F64Attr, "0.0">:$z_loss);
  let results = (outs NN_Float:$loss, NN_Float:$lse);
  let assemblyFormat = "$logits `,` $targets attr-dict `:` type($logits) `,` type($targets) `->` type($loss)";
  let hasVerifier = 1;
}

def NN_CrossEntropyGradOp : NN_Op<"cross_entropy_grad", [DeclareOpInterfaceMethods<IndexingOpInterface, ["getIgnoredIndex"]>,
    AllTypesMatch<["logits", "result"]>, AllTypesMatch<["gradient", "lse"]>]> {
  let summary = "Gradient of nn.cross_entropy for its logits";
  let description = [{
    `result[n, v] = gradient[n]·(p_v·(1 + 2z·lse) - (1-s)·[v = target] - s/V)` with
    `p = exp(logits - lse)`; 0 where the target is `ignore_index`.
    (C1), (C2) as nn.cross_entropy.

    ```mlir
    %dl = nn.cross_entropy_grad %dloss, %logits, %targets, %lse {ignore_index = -100 : i64}
        : tensor<6xf32>, tensor<6x50xf32>, tensor<6xi32>
    ```
  }];
  let arguments = (ins NN_Float:$gradient, NN_Float:$logits, NN_Ids:$targets, NN_Float:$lse,
    DefaultValuedAttr<I64Attr, "-100">:$ignore_index,
    DefaultValuedAttr<F64Attr, "0.0">:$label_smoothing,
    DefaultValuedAttr<F64Attr, "0.0">:$z_loss);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$gradient `,` $logits `,` $targets `,` $lse attr-dict `:` type($gradient) `,` type($logits) `,` type($targets)";
  let hasVerifier = 1;
}

def NN_CrossEntropyWithGradOp : NN_Op<"cross_entropy_with_grad", [DeclareOpInterfaceMethods<IndexingOpInterface, ["getIgnoredIndex"]>,
    AllTypesMatch<["logits", "result"]>, AllTypesMatch<["gradient", "loss", "lse"]>]> {
  let summary = "nn.cross_entropy and nn.cross_entropy_grad in one pass over the logits";
  let description = [{
    `loss` and `lse` of nn.cross_entropy, and as `result` the gradient for its
    logits, which may be written over them.
    (C1), (C2) as nn.cross_entropy.

    ```mlir
    %loss, %lse, %dl = nn.cross_entropy_with_grad %dloss, %logits, %targets {ignore_index = -100 : i64}
        : tensor<6xf32>, tensor<6x50xf32>, tensor<6xi32>
    ```
  }];
  let arguments = (ins NN_Float:$gradient, NN_Float:$logits, NN_Ids:$targets,
    DefaultValuedAttr<I64Attr, "-100">:$ignore_index,
    DefaultValuedAttr<F64Attr, "0.0">:$label_smoothing,
    DefaultValuedAttr<F64Attr, "0.0">:$z_loss);
  let results = (outs NN_Float:$loss, NN_Float:$lse, NN_Float:$result);
  let assemblyFormat = "$gradient `,` $logits `,` $targets attr-dict `:` type($gradient) `,` type($logits) `,` type($targets)";
  let hasVerifier = 1;
}

def NN_OrderRowsOp : NN_Op<"order_rows", [AllTypesMatch<["targets", "order", "slots"]>]> {
  let summary = "The rows that count to the front";
  let description = [{
    `order` holds the numbers of all rows: first those whose target is not
    `ignore_index`, then the others, both in ascending order. `slots` is its inverse:
    `order[slots[n]] = n`. `counted` is the number of rows that count. Bound i is 0
    where no slot from `firsts[i]` on holds such a row, otherwise the largest i64: as
    the bound of a launch, nothing or all of it.
    (C1) `targets` is [N]; `counted` and the bounds are i64 scalars. (C2) one bound
    for each of `firsts`, which are from 0 to N - 1.

    ```mlir
    %order, %slots, %counted, %b = nn.order_rows %targets {firsts = array<i64: 4>, ignore_index = -100 : i64}
        : (tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<i64>, tensor<i64>)
    ```
  }];
  let arguments = (ins NN_Ids:$targets, DenseI64ArrayAttr:$firsts,
    DefaultValuedAttr<I64Attr, "-100">:$ignore_index);
  let results = (outs NN_Ids:$order, NN_Ids:$slots, NN_Counters:$counted,
    Variadic<NN_Counters>:$bounds);
  let assemblyFormat = "$targets attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_GatherRowsOp : NN_Op<"gather_rows", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Rows in another order";
  let description = [{
    `result[n, …] = input[rows[n], …]`; with `below`, 0 where `rows[n]` is not less
    than that, whatever the input holds there.
    (C1) `input` is [N, …] and `rows` [N]. (C2) `rows` is made by nn.order_rows, so
    that it names each row once. (C3) `below` is a scalar.

    ```mlir
    %g = nn.gather_rows %x, %order : tensor<6x4xf32>, tensor<6xi32>
    %y = nn.gather_rows %g, %slots below %counted : tensor<i64> : tensor<6x4xf32>, tensor<6xi32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_Ids:$rows, Optional<NN_Counters>:$below);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `,` $rows (`below` $below^ `:` type($below))? attr-dict `:` type($input) `,` type($rows)
  }];
  let hasVerifier = 1;
}

def NN_DropoutOp : NN_Op<"dropout", [AllTypesMatch<["input", "result"]>,
    DeclareOpInterfaceMethods<StochasticOpInterface>,
    NoiseStreamOpInterface]> {
  let summary = "Inverted dropout from counters";
  let description = [{
    Element k of the tensor (row-major) has the global index
    `e = first_row · (size / batch_rows) + k`, where the micro-batch holds
    `batch_rows` rows of the step and starts at `first_row`; with u(e) the
    counter-based uniform, `result = u(e) >= rate ? input/(1-rate) : 0`. Counters
    are {seed, step, first_row}.
    Philox4x32-10: key = seed (low, high word); counter = {e/4 low, e/4 high,
    step, stream}; word e mod 4; u = (word >> 8) · 2^-24.
    (C1) 0 ≤ `rate` < 1. (C2) `counters` is i64 [3]. (C3) `batch_rows` > 0 divides
    the number of elements.

    ```mlir
    %y = nn.dropout %x, %counters {rate = 0.1 : f64, batch_rows = 4 : i64, stream = 3 : i64}
        : tensor<4x8xf32>, tensor<3xi64>
    ```
  }];
  let arguments = (ins NN_Float:$input, NN_Counters:$counters, F64Attr:$rate, I64Attr:$batch_rows, I64Attr:$stream);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$input `,` $counters attr-dict `:` type($result) `,` type($counters)";
  let hasVerifier = 1;
}

def NN_Distribution : I32EnumAttr<"Distribution", "distribution of random numbers", [
    I32EnumAttrCase<"Uniform", 0, "uniform">, I32EnumAttrCase<"Normal", 1, "normal">,
    I32EnumAttrCase<"Truncated", 2, "truncated">]> {
  let cppNamespace = "::trainc::nn";
  let genSpecializedAttr = 0;
}
def NN_DistributionAttr : EnumAttr<NN_Dialect, NN_Distribution, "distribution">;

def NN_RandomOp : NN_Op<"random", [NoiseStreamOpInterface]> {
  let summary = "Random numbers from counters";
  let description = [{
    Element e (row-major index) uses Philox4x32-10 with key = seed and counter =
    {e low, e high, step, stream}: words w0…w3.
    `uniform`: `offset + scale·u` with u = ((w0·2^21) xor (w1 >> 11))·2^-53 in [0, 1).
    `normal`: `offset + scale·√(-2 ln(1-u1))·cos(2π·u2)` (Box and Muller 1958) with u1 from (w0,
    w1), u2 from (w2, w3), computed in f64 and rounded once.
    `truncated`: `offset + scale·z` with z normal, cut at ±2: the quantile of Φ(-2) +
    (Φ(2) - Φ(-2))·u (Wichura 1988, AS 241, PPND16), u as for `uniform`. Its own deviation
    is 0.8796·`scale`.
    (C1) `counters` is i64 [3]. (C2) `scale` ≥ 0.

    ```mlir
    %w = nn.random normal %counters {offset = 0.0 : f64, scale = 0.02 : f64, stream = 7 : i64}
        : tensor<3xi64> -> tensor<8x8xf32>
    ```
  }];
  let arguments = (ins NN_DistributionAttr:$distribution, NN_Counters:$counters,
    F64Attr:$offset, F64Attr:$scale, I64Attr:$stream);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$distribution $counters attr-dict `:` type($counters) `->` type($result)";
  let hasVerifier = 1;
}

#endif // TRAINC_DIALECTS_NN_LOSSOPS_TD
