//===- ElementwiseOps.td - one element in, one element out ----------------===//
#ifndef TRAINC_DIALECTS_NN_ELEMENTWISEOPS_TD
#define TRAINC_DIALECTS_NN_ELEMENTWISEOPS_TD

include "dialects/nn/NnDialect.td"

class NN_UnaryOp<string mnemonic, string formula>
    : NN_Op<mnemonic, [SameOperandsAndResultType]> {
  let summary = formula;
  let description = "`result[i] = " # formula # "`, elementwise.\n\n"
    # "```mlir\n%y = nn." # mnemonic # " %x : tensor<4x8xf32>\n```";
  let arguments = (ins NN_Float:$input);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}

def NN_NegOp : NN_UnaryOp<"neg", "-input[i]">;
def NN_ExpOp : NN_UnaryOp<"exp", "exp(input[i])">;
def NN_LogOp : NN_UnaryOp<"log", "ln(input[i])">;
def NN_TanhOp : NN_UnaryOp<"tanh", "tanh(input[i])">;
def NN_SqrtOp : NN_UnaryOp<"sqrt", "sqrt(input[i])">;
def NN_RsqrtOp : NN_UnaryOp<"rsqrt", "1 / sqrt(input[i])">;
def NN_CosOp : NN_UnaryOp<"cos", "cos(input[i])">;
def NN_SinOp : NN_UnaryOp<"sin", "sin(input[i])">;
def NN_SigmoidOp : NN_UnaryOp<"sigmoid", "1 / (1 + exp(-input[i]))">;
def NN_ReluOp : NN_UnaryOp<"relu", "max(input[i], 0)">;

class NN_BinaryOp<string mnemonic, string formula, list<Trait> traits = []>
    : NN_Op<mnemonic, !listconcat([SameOperandsAndResultType], traits)> {
  let summary = formula;
  let description = "`result[i] = " # formula # "`, elementwise; operands and result have one type.\n\n"
    # "```mlir\n%z = nn." # mnemonic # " %x, %y : tensor<4x8xf32>\n```";
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def NN_AddOp : NN_BinaryOp<"add", "lhs[i] + rhs[i]", [Commutative]>;
def NN_SubOp : NN_BinaryOp<"sub", "lhs[i] - rhs[i]">;
def NN_MulOp : NN_BinaryOp<"mul", "lhs[i] * rhs[i]", [Commutative]>;
def NN_DivOp : NN_BinaryOp<"div", "lhs[i] / rhs[i]">;
def NN_MaximumOp : NN_BinaryOp<"maximum", "max(lhs[i], rhs[i]); NaN wins; the gradient of a tie goes to lhs">;
def NN_MinimumOp : NN_BinaryOp<"minimum", "min(lhs[i], rhs[i]); NaN wins; the gradient of a tie goes to lhs">;

def NN_GeluTanh : I32EnumAttrCase<"Tanh", 0, "tanh">;
def NN_GeluErf : I32EnumAttrCase<"Erf", 1, "erf">;
def NN_GeluKind : I32EnumAttr<"GeluKind", "which GELU", [NN_GeluTanh, NN_GeluErf]> {
  let cppNamespace = "::trainc::nn";
  let genSpecializedAttr = 0;
}
def NN_GeluKindAttr : EnumAttr<NN_Dialect, NN_GeluKind, "gelu">;

def NN_GeluOp : NN_Op<"gelu", [AllTypesMatch<["input", "result"]>]> {
  let summary = "Gaussian error linear unit";
  let description = [{
    `tanh`: `½x(1+tanh(√(2/π)(x+0.044715x³)))` (GPT-2, T5 1.1); `erf`:
    `½x(1+erf(x/√2))` (RoBERTa, BART). They differ by up to 4.7e-4.

    ```mlir
    %y = nn.gelu tanh %x : tensor<4x8xf32>
    ```
  }];
  let arguments = (ins NN_GeluKindAttr:$kind, NN_Float:$input);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$kind $input attr-dict `:` type($result)";
}

def NN_GeluGradOp : NN_Op<"gelu_grad", [AllTypesMatch<["gradient", "input", "result"]>]> {
  let summary = "Derivative of nn.gelu times the gradient";
  let description = [{
    `result[i] = gradient[i] * gelu'(input[i])`.

    ```mlir
    %dx = nn.gelu_grad tanh %dy, %x : tensor<4x8xf32>
    ```
  }];
  let arguments = (ins NN_GeluKindAttr:$kind, NN_Float:$gradient, NN_Float:$input);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$kind $gradient `,` $input attr-dict `:` type($result)";
}

def NN_ComparePredicate : I32EnumAttr<"ComparePredicate", "how to compare", [
    I32EnumAttrCase<"Equal", 0, "eq">, I32EnumAttrCase<"NotEqual", 1, "ne">,
    I32EnumAttrCase<"Less", 2, "lt">, I32EnumAttrCase<"LessEqual", 3, "le">,
    I32EnumAttrCase<"Greater", 4, "gt">, I32EnumAttrCase<"GreaterEqual", 5, "ge">]> {
  let cppNamespace = "::trainc::nn";
  let genSpecializedAttr = 0;
}
def NN_ComparePredicateAttr : EnumAttr<NN_Dialect, NN_ComparePredicate, "predicate">;

def NN_CompareOp : NN_Op<"compare", [AllTypesMatch<["lhs", "rhs"]>]> {
  let summary = "Elementwise comparison";
  let description = [{
    `result[i] = lhs[i] predicate rhs[i]`; signed for integers, ordered for
    floats (false with NaN, but `ne` is true).
    (C1) `result` has the shape of the operands.

    ```mlir
    %m = nn.compare ne %targets, %ignored : tensor<8xi32> -> tensor<8xi1>
    ```
  }];
  let arguments = (ins NN_ComparePredicateAttr:$predicate, NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Bool:$result);
  let assemblyFormat = "$predicate $lhs `,` $rhs attr-dict `:` type($lhs) `->` type($result)";
  let hasVerifier = 1;
}

def NN_SelectOp : NN_Op<"select", [AllTypesMatch<["on_true", "on_false", "result"]>]> {
  let summary = "Elementwise choice";
  let description = [{
    `result[i] = condition[i] ? on_true[i] : on_false[i]`.
    (C1) `condition` has the shape of the other operands.

    ```mlir
    %z = nn.select %c, %x, %y : tensor<8xi1>, tensor<8xf32>
    ```
  }];
  let arguments = (ins NN_Bool:$condition, NN_Tensor:$on_true, NN_Tensor:$on_false);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$condition `,` $on_true `,` $on_false attr-dict `:` type($condition) `,` type($result)";
  let hasVerifier = 1;
}

def NN_AccumulateOp : NN_Op<"accumulate", [AllTypesMatch<["accumulator", "value", "result"]>]> {
  let summary = "A sum that grows where it lies";
  let description = [{
    `result[i] = accumulator[i] + value[i]`, but `value[i]` where the scalar `first`
    is given and true. The result is meant to take the accumulator's place.
    (C1) `first` is a scalar.

    ```mlir
    %b = nn.accumulate %a, %x : tensor<4x8xf32>
    %g = nn.accumulate %old, %x first %is_first : tensor<i1> : tensor<4x8xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$accumulator, NN_Tensor:$value, Optional<NN_Bool>:$first);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$accumulator `,` $value (`first` $first^ `:` type($first))? attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def NN_CastOp : NN_Op<"cast"> {
  let summary = "Converts the element type";
  let description = [{
    Float to float rounds to nearest even; integer to float converts the signed
    value (i1: 0 or 1); float to integer truncates towards zero; integer to
    integer sign-extends (i1: zero-extends) or truncates.
    (C1) `input` and `result` have the same shape.

    ```mlir
    %y = nn.cast %x : tensor<8xf32> -> tensor<8xf64>
    ```
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_ConstantOp : NN_Op<"constant", [ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "A constant tensor";
  let description = [{
    ```mlir
    %c = nn.constant dense<1.0> : tensor<4x8xf32>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
}

#endif // TRAINC_DIALECTS_NN_ELEMENTWISEOPS_TD
