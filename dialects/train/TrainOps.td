//===- TrainOps.td - operations of the train dialect ----------------------===//
#ifndef TRAINC_DIALECTS_TRAIN_TRAINOPS_TD
#define TRAINC_DIALECTS_TRAIN_TRAINOPS_TD

include "dialects/train/TrainDialect.td"
include "dialects/train/UpdateOps.td"

def Train_InitKind : I32EnumAttr<"InitKind", "how a parameter starts", [
    I32EnumAttrCase<"Constant", 0, "constant">, I32EnumAttrCase<"Normal", 1, "normal">,
    I32EnumAttrCase<"Uniform", 2, "uniform">, I32EnumAttrCase<"Truncated", 3, "truncated">]> {
  let cppNamespace = "::trainc::train";
  let genSpecializedAttr = 0;
}
def Train_InitKindAttr : EnumAttr<Train_Dialect, Train_InitKind, "init">;

def Train_ParameterOp : Train_Op<"parameter", [Symbol]> {
  let summary = "A trained tensor";
  let description = [{
    Starts as `constant` (every element `offset`), `normal` (mean `offset`,
    standard deviation `scale`), `uniform` (in [`offset`, `offset + scale`)) or
    `truncated` (as `normal`, cut at two deviations).
    `external_name` is its name in safetensors files. `decay` says whether weight
    decay applies, `weight_decay` how much where it is not the rule's,
    `rate_factor` multiplies the learning rate, `trainable` says whether it is
    updated, `matrix` whether it may take region `matrix` of the rule.
    (C1) the type is a static float tensor. (C2) `scale`, `rate_factor` and
    `weight_decay` ≥ 0.

    ```mlir
    train.parameter @wte normal : tensor<50x8xf32> {scale = 0.02 : f64, decay = true, trainable = true, external_name = "transformer.wte.weight"}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Train_InitKindAttr:$init, TypeAttr:$type,
    DefaultValuedAttr<F64Attr, "0.0">:$offset, DefaultValuedAttr<F64Attr, "0.0">:$scale,
    DefaultValuedAttr<BoolAttr, "true">:$decay, OptionalAttr<F64Attr>:$weight_decay,
    DefaultValuedAttr<F64Attr, "1.0">:$rate_factor, DefaultValuedAttr<BoolAttr, "true">:$trainable,
    DefaultValuedAttr<BoolAttr, "true">:$matrix, StrAttr:$external_name);
  let assemblyFormat = "$sym_name $init `:` $type attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType();
  }];
}

def Train_Role : I32EnumAttr<"Role", "what a state is for", [
    I32EnumAttrCase<"Gradient", 2, "gradient">, I32EnumAttrCase<"Optimizer", 3, "optimizer">,
    I32EnumAttrCase<"Metric", 4, "metric">, I32EnumAttrCase<"Output", 6, "output">,
    I32EnumAttrCase<"Copy", 8, "copy">]> {
  let cppNamespace = "::trainc::train";
  let genSpecializedAttr = 0;
}
def Train_RoleAttr : EnumAttr<Train_Dialect, Train_Role, "role">;

def Train_StateOp : Train_Op<"state", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Storage that outlives a program and is not a parameter";
  let description = [{
    `optimizer` states are saved in checkpoints; `gradient`, `metric`, `output` and
    `copy` are not. A `copy` holds its parameter in another float type: program
    @refresh makes it from the parameter, and who writes the one writes the other. Numbers follow `Role` of runtime/abi/plan.fbs. Every element starts as
    `value`. `parameter` names the parameter a gradient or optimizer state belongs to.
    (C1) the type is a static tensor. (C2) `parameter`, where given, is a
    train.parameter; `gradient` requires it and has its type, `copy` requires it and
    has its shape. (C3) `external_name`
    iff the role is `optimizer`.

    ```mlir
    train.state @wte.m optimizer : tensor<50x8xf32> {parameter = @wte, external_name = "transformer.wte.weight.m"}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Train_RoleAttr:$role, TypeAttr:$type,
    DefaultValuedAttr<F64Attr, "0.0">:$value, OptionalAttr<FlatSymbolRefAttr>:$parameter,
    OptionalAttr<StrAttr>:$external_name);
  let assemblyFormat = "$sym_name $role `:` $type attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType();
  }];
}

def Train_GroupOp : Train_Op<"group", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Variables that lie one behind another and are used as one tensor";
  let description = [{
    Programs read and write the members together under the group's name, as one flat
    tensor: each member, in order, starts at the next multiple of 64 elements. So
    tensors of any shapes can be swept by one kernel, and groups of equal members have
    equal positions whatever their element types.

    Elements behind a member's last, up to the next member, belong to nobody: they
    start as 0, and only a write of the whole group changes them. A computation that
    mixes elements is therefore right only on a group that is never written whole.
    A program that writes a variable uses it by its own name or in its group, not both.
    (C1) members are distinct train.parameters, or train.states of one role, of the
    group's element type. (C2) the type is a static tensor of one dimension, long enough
    for the members. (C3) a variable is in at most one group.

    ```mlir
    train.group @decayed [@wte, @wpe] : tensor<448xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefArrayAttr:$members, TypeAttr:$type);
  let assemblyFormat = "$sym_name $members `:` $type attr-dict";
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType();
    /// Elements of a group that a member takes, those behind its last included.
    static int64_t getExtent(::mlir::RankedTensorType member);
  }];
}

def Train_ReadOp : Train_Op<"read", [MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Value of a parameter, state or group";
  let description = [{
    The value before any `train.write` that follows in the program.
    (C1) the symbol is a train.parameter, train.state or train.group of the result's type.

    ```mlir
    %w = train.read @wte : tensor<50x8xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$symbol);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$symbol attr-dict `:` type($result)";
}

def Train_SumSquaresOp : Train_Op<"sum_squares", [MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Sum of the squares of all elements of some variables, in f64";
  let description = [{
    Of the values before any `train.write` that follows in the program; a group stands
    for its members. Squares and sum are in f64, in an order fixed by the compiler. The
    fusion stage takes the sum where the variables are written, if it can.
    (C1) each symbol is a train.parameter, train.state or train.group of a float type.

    ```mlir
    %n2 = train.sum_squares [@grad.wte, @grad.wpe] : tensor<f64>
    ```
  }];
  let arguments = (ins FlatSymbolRefArrayAttr:$symbols);
  let results = (outs 0DTensorOf<[F64]>:$result);
  let assemblyFormat = "$symbols attr-dict `:` type($result)";
}

def Train_WriteOp : Train_Op<"write", [MemoryEffects<[MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Sets a parameter, state or group";
  let description = [{
    (C1) the symbol is a train.parameter, train.state or train.group of the value's type.

    ```mlir
    train.write %w2, @wte : tensor<50x8xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$value, FlatSymbolRefAttr:$symbol);
  let assemblyFormat = "$value `,` $symbol attr-dict `:` type($value)";
}

def Train_StepOp : Train_Op<"step", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "One micro-batch of training, as the recipe says it";
  let description = [{
    Forward computation, loss terms, outputs, `train.gradient` and `train.update`
    in one block. The arguments are the inputs, named by `inputs`: data from token
    files ("inputs", "targets") and control values of the step loop:
    "control.random" (i64[3] {seed, step, first row}) and
    "control.micro_batch" (i64 scalar, 0-based in the step).
    (C1) one distinct name per argument.

    ```mlir
    train.step @step ["x"] {
    ^bb0(%x: tensor<4x8xf32>):
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$inputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $inputs $body attr-dict";
  let hasVerifier = 1;
}

def Train_LossOp : Train_Op<"loss", [AllTypesMatch<["sum", "count"]>]> {
  let summary = "A named term of the loss";
  let description = [{
    The loss of a step is Σ over terms of `weight · Σsum / Σcount`, both sums over
    all micro-batches (training-semantics.md 3.1). `normalize` records what the
    count counts.
    (C1) `sum` and `count` are f64 scalars. (C2) names are unique in the step.

    ```mlir
    train.loss "causal_lm" %sum, %count {weight = 1.0 : f64, normalize = "tokens"} : tensor<f64>
    ```
  }];
  let arguments = (ins StrAttr:$name, StaticShapeTensorOf<[F64]>:$sum, StaticShapeTensorOf<[F64]>:$count,
    DefaultValuedAttr<F64Attr, "1.0">:$weight, DefaultValuedAttr<StrAttr, "\"tokens\"">:$normalize);
  let assemblyFormat = "$name $sum `,` $count attr-dict `:` type($sum)";
  let hasVerifier = 1;
}

def Train_OutputOp : Train_Op<"output"> {
  let summary = "A named result of the forward computation, for prediction";
  let description = [{
    ```mlir
    train.output "logits" %logits : tensor<2x4x50xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, NN_Tensor:$value);
  let assemblyFormat = "$name $value attr-dict `:` type($value)";
}

def Train_GradientOp : Train_Op<"gradient"> {
  let summary = "Differentiates the loss for every trainable parameter";
  let description = [{
    Stands after all loss terms of a program. The autodiff stage replaces it by the
    backward computation, which leaves the gradient of each trainable parameter,
    summed over the micro-batches of the step, in its `gradient` state.

    ```mlir
    train.gradient
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Train_ScaleLossOp : Train_Op<"scale_loss", [HasParent<"::mlir::ModuleOp">]> {
  let summary = "The loss is multiplied before it is differentiated";
  let description = [{
    Keeps small gradients within the range of 16-bit floats. The autodiff stage seeds
    the backward computation with so many times the loss; the optimizer stage
    takes the scale out of norm and gradients. It is `initial`, and stays so unless
    `dynamic` (training-semantics.md 5): after `interval` steps in a row without a
    gradient that is not finite it is multiplied by `growth`, if the product is a finite
    f32. A step with one counts down from `hysteresis`, which only growth refills; at
    0 the scale is multiplied by `backoff`, to `floor` at least.
    (C1) `initial` is above 0 and a normal f32. (C2) `growth` is finite and above 1,
    `backoff` between 0 and 1, `interval` and `hysteresis` at least 1, `floor` from 0
    to `initial`. (C3) it is the only one in its module.

    ```mlir
    train.scale_loss 65536.0 dynamic {hysteresis = 2 : i64, floor = 1.0 : f64}
    ```
  }];
  let arguments = (ins F64Attr:$initial, UnitAttr:$dynamic,
    DefaultValuedAttr<F64Attr, "2.0">:$growth, DefaultValuedAttr<I64Attr, "2000">:$interval,
    DefaultValuedAttr<F64Attr, "0.5">:$backoff, DefaultValuedAttr<I64Attr, "1">:$hysteresis,
    DefaultValuedAttr<F64Attr, "0.0">:$floor);
  let assemblyFormat = "$initial (`dynamic` $dynamic^)? attr-dict";
  let hasVerifier = 1;
}

#endif // TRAINC_DIALECTS_TRAIN_TRAINOPS_TD
