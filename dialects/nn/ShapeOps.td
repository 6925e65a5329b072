//===- ShapeOps.td - moving and reducing elements -------------------------===//
#ifndef TRAINC_DIALECTS_NN_SHAPEOPS_TD
#define TRAINC_DIALECTS_NN_SHAPEOPS_TD

include "dialects/nn/NnDialect.td"

def NN_ReshapeOp : NN_Op<"reshape", [NN_MovesElements]> {
  let summary = "Same elements in row-major order, another shape";
  let description = [{
    (C1) element type and number of elements agree.

    ```mlir
    %y = nn.reshape %x : tensor<2x3x4xf32> -> tensor<6x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_TransposeOp : NN_Op<"transpose", [NN_MovesElements]> {
  let summary = "Permutes dimensions";
  let description = [{
    `result[i_permutation[0], …] = input[i_0, …]` reads: dimension d of the
    result is dimension `permutation[d]` of the input.
    (C1) `permutation` is a permutation of the input's dimensions.
    (C2) result dimension d is input dimension `permutation[d]`.

    ```mlir
    %y = nn.transpose %x [1, 0] : tensor<3x4xf32> -> tensor<4x3xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_BroadcastOp : NN_Op<"broadcast", [NN_MovesElements]> {
  let summary = "Repeats elements to a larger shape";
  let description = [{
    Dimension d of the input becomes dimension `dimensions[d]` of the result;
    the other dimensions of the result repeat the input. A scalar broadcasts
    with `[]`.
    (C1) one strictly increasing entry of `dimensions` per input dimension, below the result's rank.
    (C2) result dimension `dimensions[d]` equals input dimension d.
    (C3) element types agree.

    ```mlir
    %y = nn.broadcast %bias [2] : tensor<8xf32> -> tensor<2x4x8xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$dimensions);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input $dimensions attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_SliceOp : NN_Op<"slice", [NN_MovesElements]> {
  let summary = "A box of the input";
  let description = [{
    `result[i…] = input[offsets + i…]`; the result's shape gives the sizes.
    (C1) one offset per dimension, same rank. (C2) `0 <= offset` and
    `offset + size <= dimension`. (C3) element types agree.

    ```mlir
    %y = nn.slice %x [0, 2] : tensor<3x8xf32> -> tensor<3x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$offsets);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input $offsets attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_PadOp : NN_Op<"pad", [NN_MovesElements]> {
  let summary = "The input in a box of zeros (adjoint of nn.slice)";
  let description = [{
    `result[offsets + i…] = input[i…]`, zero elsewhere.
    (C1) one offset per dimension, same rank. (C2) `0 <= offset` and
    `offset + size <= dimension`. (C3) element types agree.

    ```mlir
    %y = nn.pad %x [0, 2] : tensor<3x4xf32> -> tensor<3x8xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$offsets);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input $offsets attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_SplitOp : NN_Op<"split", [NN_MovesElements]> {
  let summary = "Equal parts along the last dimension";
  let description = [{
    The last dimension is cut into as many equal consecutive parts as there are
    results (GPT-2's q, k, v thirds).
    (C1) all results have one type: the input's with the last dimension divided
    by their number.

    ```mlir
    %q, %k, %v = nn.split %x : tensor<4x9xf32> -> tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs Variadic<NN_Tensor>:$parts);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($parts)";
  let hasVerifier = 1;
}

def NN_ConcatOp : NN_Op<"concat"> {
  let summary = "Joins tensors along the last dimension (adjoint of nn.split)";
  let description = [{
    (C1) all parts have one type; the result's last dimension is the sum of theirs.

    ```mlir
    %x = nn.concat %q, %k, %v : tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32> -> tensor<4x9xf32>
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$parts);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$parts attr-dict `:` type($parts) `->` type($result)";
  let hasVerifier = 1;
}

def NN_ReduceSumOp : NN_Op<"reduce_sum"> {
  let summary = "Sums over dimensions";
  let description = [{
    Sums the input over `dimensions` and drops them. The sum is accumulated in
    the result's element type, which may be wider, in an order that does not
    depend on the number of threads.
    (C1) `dimensions` strictly increasing and valid. (C2) the result's shape is
    the input's without them. (C3) both floats, the result's at least as wide.

    ```mlir
    %s = nn.reduce_sum %x [0, 1] : tensor<4x8xf32> -> tensor<f64>
    ```
  }];
  let arguments = (ins NN_Float:$input, DenseI64ArrayAttr:$dimensions);
  let results = (outs NN_Float:$result);
  let assemblyFormat = "$input $dimensions attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // TRAINC_DIALECTS_NN_SHAPEOPS_TD
