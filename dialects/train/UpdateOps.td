//===- UpdateOps.td - update rules and what they become -------------------===//
#ifndef TRAINC_DIALECTS_TRAIN_UPDATEOPS_TD
#define TRAINC_DIALECTS_TRAIN_UPDATEOPS_TD

include "dialects/train/TrainDialect.td"

def Train_Extent : I32EnumAttr<"Extent", "how much a value varies in a region of train.update", [
    I32EnumAttrCase<"Update", 0, "update">, I32EnumAttrCase<"Tensor", 1, "tensor">,
    I32EnumAttrCase<"Row", 2, "row">, I32EnumAttrCase<"Column", 3, "column">,
    I32EnumAttrCase<"Element", 4, "element">]> {
  let cppNamespace = "::trainc::train";
  let genSpecializedAttr = 0;
}
def Train_ExtentAttr : EnumAttr<Train_Dialect, Train_Extent, "extent">;

def Train_UpdateOp : Train_Op<"update", [IsolatedFromAbove]> {
  let summary = "The update rule of every trainable parameter";
  let description = [{
    Three regions and perhaps a fourth, each one block that ends with `train.yield`:

    * `schedule`: (number of this update from 1: f64 scalar) → learning rate (f64 scalar).
      With `tokens_per_update` it is the tokens consumed, this step's included, over those.
    * `step`: once per update, in f64 scalars: (learning rate, scalar states…) →
      (new scalar states…, derived scalars…).
    * `element`: for every parameter element, as scalars of the parameter's type:
      (θ, g, states…, decay, derived scalars…) → (new θ, new states…). `decay` is
      `weight_decay`, or 0 for parameters that are spared. Only elementwise
      operations, constants and `train.mean tensor`.
    * `matrix`: the same for parameters of two dimensions, both of at least
      `matrix_minimum`, whose attribute `matrix` is true; all others take `element`.
      It has states of its own, each with its extent: one value per `element`, or one
      for each `row` or `column`, which is what the region then reads and yields. It may
      hold any `train.mean` and `train.orthogonalize`.

    `clip_norm` c > 0 scales all gradients by min(1, c/(‖g‖ + `clip_epsilon`)) first
    (training-semantics.md 4.6). Where ‖g‖ is not finite, nothing is updated and no
    state changes. A parameter of another rate takes region `step` with its own learning
    rate; scalar states follow the schedule's.
    (C1) block signatures as above. (C2) `scalar_values` has one start per scalar
    state. (C3) `element` and `matrix` hold only elementwise operations, constants and
    means. (C4) what `matrix` yields for a state varies no more than the state's extent.

    ```mlir
    train.update "sgd" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      %lr = nn.constant dense<0.1> : tensor<f64>
      train.yield %lr : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %d = nn.mul %lr, %g : tensor<f32>
      %new = nn.sub %theta, %d : tensor<f32>
      train.yield %new : tensor<f32>
    } {clip_norm = 1.0 : f64}
    ```
  }];
  let arguments = (ins StrAttr:$name, StrArrayAttr:$states, StrArrayAttr:$scalars,
    F64ArrayAttr:$scalar_values, DefaultValuedAttr<F64Attr, "0.0">:$clip_norm,
    DefaultValuedAttr<F64Attr, "1.0e-6">:$clip_epsilon, OptionalAttr<F64Attr>:$tokens_per_update,
    DefaultValuedAttr<F64Attr, "0.0">:$weight_decay,
    DefaultValuedAttr<StrArrayAttr, "{}">:$matrix_states,
    DefaultValuedAttr<DenseI32ArrayAttr, "{}">:$matrix_extents,
    DefaultValuedAttr<I64Attr, "0">:$matrix_minimum);
  let regions = (region SizedRegion<1>:$schedule, SizedRegion<1>:$step, SizedRegion<1>:$element,
    MaxSizedRegion<1>:$matrix);
  let assemblyFormat = [{
    $name `states` $states `scalars` $scalars `values` $scalar_values
    `schedule` $schedule `step` $step `element` $element
    (`matrix` `states` custom<ExtentList>($matrix_states, $matrix_extents) $matrix^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// How much each argument of region `element` or `matrix` varies.
    ::llvm::SmallVector<Extent> getArgumentExtents(::mlir::Region &region);
  }];
}

def Train_MeanOp : Train_Op<"mean", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "Mean over the tensor, row or column that an element is in";
  let description = [{
    Stands in regions of train.update, where a value is one of an element: the result
    is the mean of that value over all elements of the parameter's `tensor`, or of the
    element's `row` or `column` of a matrix. The mean over a tensor of values that are
    the same in each row is that over the rows. Sums are in f64, in an order fixed by the
    compiler. (C1) scalars. (C2) in region `matrix`, or over the tensor in `element`.
    (C3) a mean over rows or columns takes what varies by element, one over the tensor
    what varies at all.

    ```mlir
    %r = train.mean row %square : tensor<f32>
    ```
  }];
  let arguments = (ins Train_ExtentAttr:$over, 0DTensorOf<[F16, BF16, F32, F64]>:$input);
  let results = (outs 0DTensorOf<[F16, BF16, F32, F64]>:$result);
  let assemblyFormat = "$over $input attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Train_Scale : I32EnumAttr<"Scale", "factor of an orthogonalised matrix of N rows and M columns", [
    I32EnumAttrCase<"One", 0, "one">, I32EnumAttrCase<"Rows", 1, "rows">,
    I32EnumAttrCase<"Columns", 2, "columns">, I32EnumAttrCase<"Largest", 3, "largest">]> {
  let cppNamespace = "::trainc::train";
  let genSpecializedAttr = 0;
}
def Train_ScaleAttr : EnumAttr<Train_Dialect, Train_Scale, "scale">;

def Train_OrthogonalizeOp : Train_Op<"orthogonalize", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "The matrix with all singular values near 1, by Newton-Schulz steps";
  let description = [{
    Stands in region `matrix` of train.update. Of the matrix X that the operand's elements are,
    divided by its Frobenius norm + 1e-7, `steps` times X ← aX + (bA + cA²)X with A = XXᵀ
    and (a, b, c) = (3.4445, -4.7750, 2.0315), from the right where there are more rows than
    columns. Then times 1 (`one`), √max(1, N/M) (`rows`), √max(1, M/N) (`columns`) or
    0.2·√max(N, M) (`largest`). (C1) in region `matrix`. (C2) a value that varies by element.
    (C3) `steps` at least 1.

    ```mlir
    %o = train.orthogonalize rows %m : tensor<f32>
    ```
  }];
  let arguments = (ins Train_ScaleAttr:$scale, 0DTensorOf<[F16, BF16, F32, F64]>:$input,
    DefaultValuedAttr<I64Attr, "5">:$steps);
  let results = (outs 0DTensorOf<[F16, BF16, F32, F64]>:$result);
  let assemblyFormat = "$scale $input attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Train_SweepOp : Train_Op<"sweep", [Pure, IsolatedFromAbove, AttrSizedOperandSegments,
    AttrSizedResultSegments]> {
  let summary = "One pass over the elements of some matrices of one shape";
  let description = [{
    `train.sweep K, N, M by B` goes over K matrices of N rows and M columns. The body
    gets scalars: of each operand in `elements` the element, of those in `rows`,
    `columns` and `tensors` the value of its row, column or matrix, and those in
    `shared` as they are. It yields the element of each result in `elements`, then terms
    of sums, in f64: over each row, over each column of B rows at a time, and over each
    matrix, of B rows at a time. The results hold them as tensor<K x N>, tensor<K x
    ceil(N / B) x M> and tensor<K x ceil(N / B)>.

    Elements, rows and columns lie as tensor<K x size>, or one matrix behind another at
    multiples of 64, as in a `train.group`; what is between them is left alone.
    (C1) operands and results of the types above. (C2) the body's arguments and what it
    yields are scalars of their element types, terms f64. (C3) the body holds
    elementwise operations and constants.

    ```mlir
    %new, %s = train.sweep 2, 3, 64 by 2 elements(%x : tensor<384xf32>) tensors(%a : tensor<2xf32>) {
    ^bb0(%e: tensor<f32>, %f: tensor<f32>):
      %y = nn.mul %e, %f : tensor<f32>
      %w = nn.cast %y : tensor<f32> -> tensor<f64>
      train.yield %y, %w : tensor<f32>, tensor<f64>
    } -> elements(tensor<384xf32>) sums(tensor<2x2xf64>)
    ```
  }];
  let arguments = (ins I64Attr:$count, I64Attr:$num_rows, I64Attr:$num_columns, I64Attr:$rows_at_a_time,
    Variadic<NN_Tensor>:$elements, Variadic<NN_Tensor>:$rows, Variadic<NN_Tensor>:$columns,
    Variadic<NN_Tensor>:$tensors, Variadic<NN_Tensor>:$shared);
  let results = (outs Variadic<NN_Tensor>:$new_elements, Variadic<NN_Float>:$row_sums,
    Variadic<NN_Float>:$column_sums, Variadic<NN_Float>:$sums);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $count `,` $num_rows `,` $num_columns `by` $rows_at_a_time
    (`elements` `(` $elements^ `:` type($elements) `)`)? (`rows` `(` $rows^ `:` type($rows) `)`)?
    (`columns` `(` $columns^ `:` type($columns) `)`)? (`tensors` `(` $tensors^ `:` type($tensors) `)`)?
    (`shared` `(` $shared^ `:` type($shared) `)`)? $body attr-dict `->`
    (`elements` `(` type($new_elements)^ `)`)? (`row_sums` `(` type($row_sums)^ `)`)?
    (`column_sums` `(` type($column_sums)^ `)`)? (`sums` `(` type($sums)^ `)`)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// Blocks of rows that a matrix is cut into.
    int64_t getBlocks() {
      return (int64_t(getNumRows()) + int64_t(getRowsAtATime()) - 1) / int64_t(getRowsAtATime());
    }
  }];
}



def Train_YieldOp : Train_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["UpdateOp", "SweepOp"]>]> {
  let summary = "Results of a region of train.update or train.sweep";
  let description = [{
    ```mlir
    train.yield %a, %b : tensor<f64>, tensor<f64>
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif // TRAINC_DIALECTS_TRAIN_UPDATEOPS_TD
