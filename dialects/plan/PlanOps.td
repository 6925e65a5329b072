//===- PlanOps.td - operations of the plan dialect ------------------------===//
#ifndef TRAINC_DIALECTS_PLAN_PLANOPS_TD
#define TRAINC_DIALECTS_PLAN_PLANOPS_TD

include "dialects/plan/PlanDialect.td"

def Plan_ProgramOp : Plan_Op<"program", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "An entry point of the plan";
  let description = [{
    The name is one of the design's programs: initialize, count, accumulate,
    apply, evaluate, predict, prefill, decode. Arguments are the inputs named by `inputs`,
    as in `train.step`; after the memory stage there are none, and inputs are buffers.
    (C1) before the memory stage one distinct name per argument.

    ```mlir
    plan.program @evaluate ["inputs"] {
    ^bb0(%x: tensor<2x4xi32>):
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$inputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $inputs $body attr-dict";
  let hasVerifier = 1;
}

def Plan_Access : I32EnumAttr<"Access", "what a kernel does to a parameter", [
    I32EnumAttrCase<"Read", 1, "read">, I32EnumAttrCase<"Write", 2, "write">,
    I32EnumAttrCase<"ReadWrite", 3, "readwrite">]> {
  let cppNamespace = "::trainc::plan";
}

def Plan_KernelOp : Plan_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "One fused body, compiled once";
  let description = [{
    The block arguments are the kernel's parameters: first those only read, then the
    destinations (`access` write or readwrite), and possibly one i64 more, which has no
    access: the `constant` of each launch. So launches that differ in a number only, such
    as the stream of a noise, share one kernel. On tensors the body returns the new
    contents of each destination with `plan.return`; on memrefs it returns nothing.
    The top level holds at most one scf.forall: its iterations, row-major, are the workgroups.

    `computes` says what it does (for profiles), `flops` and `bytes` what one launch costs.
    After codegen: `entry_offset` into the module's `plan.code`, `scratch_bytes`,
    `workgroups`, `abi_version`.
    (C1) one access per argument, read before the others, apart from one i64 at the
    end. (C2) the terminator
    returns one value per destination of its type (tensors), or none (memrefs).

    ```mlir
    plan.kernel @neg access [1, 2] computes "nn.neg" {
    ^bb0(%x: tensor<8xf32>, %out: tensor<8xf32>):
      %r = linalg.negf ins(%x : tensor<8xf32>) outs(%out : tensor<8xf32>) -> tensor<8xf32>
      plan.return %r : tensor<8xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, DenseI32ArrayAttr:$access, StrAttr:$computes,
    DefaultValuedAttr<F64Attr, "0.0">:$flops, DefaultValuedAttr<F64Attr, "0.0">:$bytes,
    OptionalAttr<I64Attr>:$workgroups, OptionalAttr<I64Attr>:$scratch_bytes,
    OptionalAttr<I64Attr>:$entry_offset, OptionalAttr<I32Attr>:$abi_version);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `access` $access `computes` $computes $body attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Number of leading parameters that are only read.
    unsigned getNumInputs();
    /// Types of the parameters that are buffers.
    ::mlir::TypeRange getBufferTypes();
    /// The argument that stands for a launch's constant, or null.
    ::mlir::BlockArgument getConstant();
  }];
}

def Plan_ReturnOp : Plan_Op<"return", [Pure, Terminator, ReturnLike, HasParent<"KernelOp">]> {
  let summary = "New contents of a kernel's destinations";
  let description = [{
    ```mlir
    plan.return %r : tensor<8xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def Plan_LaunchOp : Plan_Op<"launch", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "One use of a kernel";
  let description = [{
    On tensors: reads `inputs`, and turns `destinations` into `results`
    (destination-passing). On buffers: no operands; `buffers` names one
    `plan.buffer` per kernel parameter. `constant` is the value of the kernel's i64 argument.
    With a `bound` (on buffers: `bound_buffer`) only so many workgroups run, the first ones,
    and what the others would make stays as it was: with 0, all destinations.
    (C1) kernel is a plan.kernel; operands have the shapes and element types of its
    arguments, and one result per destination. (C2) with `buffers` there are no operands and as many
    buffers as kernel arguments, of their types. (C3) a constant iff the kernel has an argument for it.
    (C4) the bound is an i64 scalar: a value without `buffers`, a buffer with them.

    ```mlir
    %r = plan.launch @neg ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    plan.launch @neg ins() outs() buffers [@a, @b]
    %s = plan.launch @neg ins(%x : tensor<8xf32>) outs(%r : tensor<8xf32>) bound %b : tensor<i64> -> tensor<8xf32>
    plan.launch @neg ins() outs() buffers [@a, @b] bound_buffer @c
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$inputs, Variadic<AnyType>:$destinations,
    Optional<AnyType>:$bound, OptionalAttr<FlatSymbolRefArrayAttr>:$buffers, OptionalAttr<StrAttr>:$layer,
    OptionalAttr<I64Attr>:$constant, OptionalAttr<FlatSymbolRefAttr>:$bound_buffer);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    $kernel `ins` `(` ($inputs^ `:` type($inputs))? `)` `outs` `(` ($destinations^ `:` type($destinations))? `)`
    (`buffers` $buffers^)? (`constant` $constant^)? (`bound` $bound^ `:` type($bound))?
    (`bound_buffer` $bound_buffer^)? attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
}

def Plan_BoundsOp : Plan_Op<"bounds"> {
  let summary = "Bounds that operations of a program refer to by number";
  let description = [{
    An operation with the attribute `fusion.bound = i` becomes a launch with
    bound i. Lives from the pass that bounds operations to the one that makes the last
    launches. (C1) bounds are i64 scalars.

    ```mlir
    plan.bounds %b, %c : tensor<i64>, tensor<i64>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$bounds);
  let assemblyFormat = "$bounds attr-dict `:` type($bounds)";
  let hasVerifier = 1;
}

def Plan_JoinOp : Plan_Op<"join", [Pure]> {
  let summary = "Rows of several tensors, one after the other";
  let description = [{
    The parts lie one behind the other along dimension 0. It is a view: the memory
    stage puts what launches make directly into the rows of the whole.
    (C1) there are parts; they agree with the result in element type and in all
    dimensions but the first, which add up to the result's. (C2) each part begins at
    a multiple of 64 bytes.

    ```mlir
    %x = plan.join %a, %b : tensor<16x4xf32>, tensor<9x4xf32> -> tensor<25x4xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$parts);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$parts attr-dict `:` type($parts) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Plan_ArenaOp : Plan_Op<"arena", [Symbol]> {
  let summary = "One planned allocation";
  let description = [{
    (C1) `alignment_bytes` is a power of two. (C2) segments, in order, are disjoint and
    inside the arena; `segment_names`, `segment_offsets`, `segment_sizes` have equal lengths.

    ```mlir
    plan.arena @cpu 4096 {alignment_bytes = 64 : i64, segment_names = ["parameters"], segment_offsets = array<i64: 0>, segment_sizes = array<i64: 4096>}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$size_bytes, I64Attr:$alignment_bytes,
    StrArrayAttr:$segment_names, DenseI64ArrayAttr:$segment_offsets, DenseI64ArrayAttr:$segment_sizes);
  let assemblyFormat = "$sym_name $size_bytes attr-dict";
  let hasVerifier = 1;
}

def Plan_BufferOp : Plan_Op<"buffer", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A place in an arena";
  let description = [{
    `variable` names the parameter, state or input it stores. A buffer that `spans`
    variables is the range in which they lie, so that one launch can take them all.
    Transient buffers have neither.
    (C1) a multiple of 64 inside the arena. (C2) the type is a static memref with identity layout.
    (C3) not both `variable` and `spans`.

    ```mlir
    plan.buffer @b0 in @cpu 128 : memref<8xf32> {variable = "wte"}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$arena, I64Attr:$offset_bytes,
    TypeAttr:$type, OptionalAttr<StrAttr>:$variable, OptionalAttr<StrArrayAttr>:$spans);
  let assemblyFormat = "$sym_name `in` $arena $offset_bytes `:` $type attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Whether it lives inside one program only.
    bool isTransient() { return !getVariable() && !getSpans(); }
  }];
}

def Plan_CopyOp : Plan_Op<"copy", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Copies one buffer to another of the same type";
  let description = [{
    (C1) both are plan.buffers of one type.

    ```mlir
    plan.copy @b0 to @b1
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$source, FlatSymbolRefAttr:$destination);
  let assemblyFormat = "$source `to` $destination attr-dict";
}

def Plan_CodeOp : Plan_Op<"code", [Symbol]> {
  let summary = "The flat position-independent image of a variant";
  let description = [{
    ```mlir
    plan.code @cpu target "cpu:znver4" triple "x86_64-unknown-linux-gnu" features ["avx512f"] image dense<0> : tensor<16xi8>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$target, StrAttr:$triple,
    StrArrayAttr:$features, ElementsAttr:$image);
  let assemblyFormat = "$sym_name `target` $target `triple` $triple `features` $features `image` $image attr-dict";
}

#endif // TRAINC_DIALECTS_PLAN_PLANOPS_TD
