//===- ScanOps.td - recurrence --------------------------------------------===//
#ifndef TRAINC_DIALECTS_NN_SCANOPS_TD
#define TRAINC_DIALECTS_NN_SCANOPS_TD

include "dialects/nn/NnDialect.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def NN_ScanOp : NN_Op<"scan", [IsolatedFromAbove, AttrSizedOperandSegments, AttrSizedResultSegments]> {
  let summary = "A computation repeated along time, with state";
  let description = [{
    The body runs T times, T being the first dimension of every operand in `over`. In
    run t it gets row t of each of these, then the states, which begin with the
    operands in `from` and are afterwards what the run before made of them, then the
    operands in `with`, the same in every run. It ends with `nn.yield` of the new
    states, then of the values in `outputs` and of the terms of `sums`.

    Results: of each state all T values, row t being that after run t; of each output
    all T values; of each sum its terms added up in the order of the runs. With
    `reverse` the runs go from the last row to the first.

    Whatever does not need a state is faster before or after the scan, where all rows
    are computed at once: of an LSTM the product with its input.
    (C1) an operand in `over`, one in `from`, and all in `over` of rank at least 1 with one
    first dimension. (C2) the body's arguments have the types of the rows, the states
    and the operands in `with`. (C3) the body yields the states, outputs and terms in
    the types of the results (those of states and outputs without T). (C4) the body
    holds operations of nn without noise.

    ```mlir
    %h = nn.scan over (%x : tensor<5x2x8xf32>) from (%h0 : tensor<2x8xf32>) with (%w : tensor<8x8xf32>) {
    ^bb0(%xt: tensor<2x8xf32>, %before: tensor<2x8xf32>, %u: tensor<8x8xf32>):
      %r = nn.matmul %before, %u : tensor<2x8xf32>, tensor<8x8xf32> -> tensor<2x8xf32>
      %s = nn.add %xt, %r : tensor<2x8xf32>
      %after = nn.tanh %s : tensor<2x8xf32>
      nn.yield %after : tensor<2x8xf32>
    } -> states (tensor<5x2x8xf32>)
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$inputs, Variadic<NN_Float>:$starts,
    Variadic<NN_Tensor>:$shared, UnitAttr:$reverse);
  let results = (outs Variadic<NN_Float>:$states, Variadic<NN_Float>:$outputs, Variadic<NN_Float>:$sums);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`reverse` $reverse^)? `over` `(` $inputs `:` type($inputs) `)`
    `from` `(` $starts `:` type($starts) `)` (`with` `(` $shared^ `:` type($shared) `)`)?
    $body attr-dict `->` `states` `(` type($states) `)`
    (`outputs` `(` type($outputs)^ `)`)? (`sums` `(` type($sums)^ `)`)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// T, the number of runs.
    int64_t getLength();
    /// The body's arguments by what they are.
    ::mlir::ValueRange getRowArguments();
    ::mlir::ValueRange getStateArguments();
    ::mlir::ValueRange getSharedArguments();
    /// What the body yields, by what it becomes.
    ::mlir::ValueRange getNewStates();
    ::mlir::ValueRange getRowResults();
    ::mlir::ValueRange getTerms();
    /// The operand that an argument of the body is, or a row of, or starts with.
    ::mlir::Value getOperandOf(::mlir::BlockArgument argument);
  }];
}

def NN_YieldOp : NN_Op<"yield", [Terminator, ReturnLike, ParentOneOf<["ScanOp"]>]> {
  let summary = "What one run of an nn.scan makes";
  let description = [{
    ```mlir
    nn.yield %h, %c : tensor<2x8xf32>, tensor<2x8xf32>
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif // TRAINC_DIALECTS_NN_SCANOPS_TD
