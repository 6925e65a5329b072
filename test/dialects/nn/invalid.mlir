// RUN: %trainc-opt %s -split-input-file -verify-diagnostics
// Every constraint (Cn) of dialects/nn/*.td, in the order of the files.

func.func @compare_c1(%x: tensor<4xf32>) {
  // expected-error @below {{expected a result of shape [4], but got [5]}}
  %0 = nn.compare lt %x, %x : tensor<4xf32> -> tensor<5xi1>
  return
}

// -----
func.func @select_c1(%c: tensor<5xi1>, %x: tensor<4xf32>) {
  // expected-error @below {{expected a condition of shape [4], but got [5]}}
  %0 = nn.select %c, %x, %x : tensor<5xi1>, tensor<4xf32>
  return
}

// -----
func.func @cast_c1(%x: tensor<4xf32>) {
  // expected-error @below {{expected a result of shape [4], but got [2, 2]}}
  %0 = nn.cast %x : tensor<4xf32> -> tensor<2x2xf64>
  return
}

// -----
func.func @reshape_c1(%x: tensor<4xf32>) {
  // expected-error @below {{expected a result of 4 elements of type 'f32', but got 'tensor<5xf32>'}}
  %0 = nn.reshape %x : tensor<4xf32> -> tensor<5xf32>
  return
}

// -----
func.func @transpose_c1(%x: tensor<3x4xf32>) {
  // expected-error @below {{expected a permutation of 2 dimensions, but got [0, 0]}}
  %0 = nn.transpose %x [0, 0] : tensor<3x4xf32> -> tensor<3x3xf32>
  return
}

// -----
func.func @transpose_c2(%x: tensor<3x4xf32>) {
  // expected-error @below {{expected a result of shape [4, 3] and type 'f32', but got 'tensor<3x4xf32>'}}
  %0 = nn.transpose %x [1, 0] : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// -----
func.func @broadcast_c1(%x: tensor<3x4xf32>) {
  // expected-error @below {{expected 2 strictly increasing dimensions below 3, but got [1, 0]}}
  %0 = nn.broadcast %x [1, 0] : tensor<3x4xf32> -> tensor<4x3x2xf32>
  return
}

// -----
func.func @broadcast_c2(%x: tensor<4xf32>) {
  // expected-error @below {{expected dimension 1 of the result to be 4, but got 5}}
  %0 = nn.broadcast %x [1] : tensor<4xf32> -> tensor<2x5xf32>
  return
}

// -----
func.func @broadcast_c3(%x: tensor<4xf32>) {
  // expected-error @below {{expected element type 'f32', but got 'f64'}}
  %0 = nn.broadcast %x [1] : tensor<4xf32> -> tensor<2x4xf64>
  return
}

// -----
func.func @slice_c1(%x: tensor<4x4xf32>) {
  // expected-error @below {{expected 2 offsets and equal ranks, but got 1 offsets for}}
  %0 = nn.slice %x [0] : tensor<4x4xf32> -> tensor<4x2xf32>
  return
}

// -----
func.func @slice_c2(%x: tensor<4xf32>) {
  // expected-error @below {{expected the box in dimension 0 inside [0, 4), but got [2, 5)}}
  %0 = nn.slice %x [2] : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----
func.func @slice_c3(%x: tensor<4xf32>) {
  // expected-error @below {{expected element type 'f32', but got 'f64'}}
  %0 = nn.slice %x [0] : tensor<4xf32> -> tensor<3xf64>
  return
}

// -----
func.func @pad_c1(%x: tensor<4xf32>) {
  // expected-error @below {{expected 2 offsets and equal ranks, but got 1 offsets for}}
  %0 = nn.pad %x [0] : tensor<4xf32> -> tensor<4x2xf32>
  return
}

// -----
func.func @pad_c2(%x: tensor<4xf32>) {
  // expected-error @below {{expected the box in dimension 0 inside [0, 6), but got [-1, 3)}}
  %0 = nn.pad %x [-1] : tensor<4xf32> -> tensor<6xf32>
  return
}

// -----
func.func @pad_c3(%x: tensor<4xf32>) {
  // expected-error @below {{expected element type 'f64', but got 'f32'}}
  %0 = nn.pad %x [0] : tensor<4xf32> -> tensor<6xf64>
  return
}

// -----
func.func @split_c1(%x: tensor<4x9xf32>) {
  // expected-error @below {{expected the last dimension of 'tensor<4x9xf32>' to divide into 2 parts}}
  %0, %1 = nn.split %x : tensor<4x9xf32> -> tensor<4x4xf32>, tensor<4x5xf32>
  return
}

// -----
func.func @concat_c1(%x: tensor<4x3xf32>, %y: tensor<4x5xf32>) {
  // expected-error @below {{expected parts of type 'tensor<4x4xf32>', but got 'tensor<4x3xf32>'}}
  %0 = nn.concat %x, %y : tensor<4x3xf32>, tensor<4x5xf32> -> tensor<4x8xf32>
  return
}

// -----
func.func @reduce_sum_c1(%x: tensor<4x3xf32>) {
  // expected-error @below {{expected strictly increasing dimensions below 2, but got [1, 0]}}
  %0 = nn.reduce_sum %x [1, 0] : tensor<4x3xf32> -> tensor<f32>
  return
}

// -----
func.func @reduce_sum_c2(%x: tensor<4x3xf32>) {
  // expected-error @below {{expected a result of shape [4], but got 'tensor<3xf32>'}}
  %0 = nn.reduce_sum %x [1] : tensor<4x3xf32> -> tensor<3xf32>
  return
}

// -----
func.func @reduce_sum_c3(%x: tensor<4x3xf64>) {
  // expected-error @below {{expected an element type at least as wide as 'f64', but got 'f32'}}
  %0 = nn.reduce_sum %x [1] : tensor<4x3xf64> -> tensor<4xf32>
  return
}

// -----
func.func @matmul_c1(%x: tensor<2x4x3xf32>, %y: tensor<3x3x5xf32>) {
  // expected-error @below {{expected operands of equal rank, at least 2, with equal batch dimensions}}
  %0 = nn.matmul %x, %y : tensor<2x4x3xf32>, tensor<3x3x5xf32> -> tensor<2x4x5xf32>
  return
}

// -----
func.func @matmul_c2(%x: tensor<4x3xf32>, %y: tensor<3x5xf32>) {
  // expected-error @below {{expected equal contracted dimensions, but got 3 and 5}}
  %0 = nn.matmul %x, %y transpose_rhs : tensor<4x3xf32>, tensor<3x5xf32> -> tensor<4x3xf32>
  return
}

// -----
func.func @matmul_c3(%x: tensor<4x3xf32>, %y: tensor<3x5xf32>) {
  // expected-error @below {{expected a result of shape [4, 5], but got [5, 4]}}
  %0 = nn.matmul %x, %y : tensor<4x3xf32>, tensor<3x5xf32> -> tensor<5x4xf32>
  return
}

// -----
func.func @matmul_c4(%x: tensor<4x3xf32>, %y: tensor<3x5xf32>) {
  // expected-error @below {{expected operands of one element type and a result at least as wide, but got 'f32', 'f32' and 'bf16'}}
  %0 = nn.matmul %x, %y : tensor<4x3xf32>, tensor<3x5xf32> -> tensor<4x5xbf16>
  return
}

// -----
func.func @embedding_c1(%t: tensor<5x3xf32>, %i: tensor<2xi32>) {
  // expected-error @below {{expected rows of shape [2, 3], but got [3, 2]}}
  %0 = nn.embedding %t, %i : tensor<5x3xf32>, tensor<2xi32> -> tensor<3x2xf32>
  return
}

// -----
func.func @embedding_c2(%t: tensor<5x3xf32>, %i: tensor<2xi32>) {
  // expected-error @below {{expected rows of element type 'f32', but got 'f64'}}
  %0 = nn.embedding %t, %i : tensor<5x3xf32>, tensor<2xi32> -> tensor<2x3xf64>
  return
}

// -----
func.func @embedding_grad_c1(%g: tensor<2x3xf32>, %i: tensor<2xi32>) {
  // expected-error @below {{expected a table of rank 2, but got 'tensor<3xf32>'}}
  %0 = nn.embedding_grad %g, %i : tensor<2x3xf32>, tensor<2xi32> -> tensor<3xf32>
  return
}

// -----
func.func @embedding_grad_c2(%g: tensor<2x3xf32>, %i: tensor<2xi32>, %a: tensor<4x3xf32>) {
  // expected-error @below {{expected an accumulator of type 'tensor<5x3xf32>', but got 'tensor<4x3xf32>'}}
  %0 = nn.embedding_grad %g, %i onto %a : tensor<4x3xf32> : tensor<2x3xf32>, tensor<2xi32> -> tensor<5x3xf32>
  return
}

// -----
func.func @accumulate_c1(%x: tensor<4xf32>, %first: tensor<4xi1>) {
  // expected-error @below {{expected a scalar for 'first' of shape [], but got [4]}}
  %0 = nn.accumulate %x, %x first %first : tensor<4xi1> : tensor<4xf32>
  return
}

// -----
func.func @cross_entropy_with_grad_c1(%g: tensor<6xf32>, %x: tensor<6x50xf32>, %t: tensor<5xi32>) {
  // expected-error @below {{expected logits [N, V] and targets, loss, lse [N], but got}}
  %0, %1, %2 = nn.cross_entropy_with_grad %g, %x, %t : tensor<6xf32>, tensor<6x50xf32>, tensor<5xi32>
  return
}

// -----
func.func @layer_norm_c1(%x: tensor<4x8xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{expected a weight of shape [8], but got [4]}}
  %0, %1, %2 = nn.layer_norm %x, %w, %w {epsilon = 1.0e-5 : f64} : tensor<4x8xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----
func.func @layer_norm_c2(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{expected statistics of shape [4], but got [8]}}
  %0, %1, %2 = nn.layer_norm %x, %w, %w {epsilon = 1.0e-5 : f64} : tensor<4x8xf32>, tensor<8xf32> -> tensor<8xf32>
  return
}

// -----
func.func @layer_norm_c3(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{expected a positive epsilon, but got 0.0}}
  %0, %1, %2 = nn.layer_norm %x, %w, %w {epsilon = 0.0 : f64} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4xf32>
  return
}

// -----
func.func @layer_norm_grad_input_c1(%x: tensor<4x8xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{expected a weight of shape [8], but got [4]}}
  %0 = nn.layer_norm_grad_input %x, %x, %w, %w, %w : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----
func.func @layer_norm_grad_c2(%x: tensor<4x8xf32>, %w: tensor<8xf32>, %s: tensor<3xf32>) {
  // expected-error @below {{expected statistics of shape [4], but got [3]}}
  %0, %1, %2 = nn.layer_norm_grad %x, %x, %w, %s, %s : tensor<4x8xf32>, tensor<8xf32>, tensor<3xf32> -> tensor<2x8xf32>
  return
}

// -----
func.func @layer_norm_grad_c3(%x: tensor<4x8xf32>, %w: tensor<8xf32>, %s: tensor<4xf32>) {
  // expected-error @below {{expected parts of shape [P, 8] such that no block of the 4 rows is empty, but got 'tensor<2x4xf32>'}}
  %0, %1, %2 = nn.layer_norm_grad %x, %x, %w, %s, %s : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32> -> tensor<2x4xf32>
  return
}

// -----
// Three blocks of two rows would leave the third none.
func.func @layer_norm_grad_c3(%x: tensor<4x8xf32>, %w: tensor<8xf32>, %s: tensor<4xf32>) {
  // expected-error @below {{expected parts of shape [P, 8] such that no block of the 4 rows is empty, but got 'tensor<3x8xf32>'}}
  %0, %1, %2 = nn.layer_norm_grad %x, %x, %w, %s, %s : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32> -> tensor<3x8xf32>
  return
}

// -----
func.func @attention_c1(%q: tensor<2x4x2x8xf32>, %k: tensor<2x4x3x8xf32>) {
  // expected-error @below {{expected query [B, Tq, H, D] and key, value [B, Tk, H, D]}}
  %0, %1 = nn.attention none %q, %k, %k {scale = 1.0 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x3x8xf32> -> tensor<2x2x4xf32>
  return
}

// -----
func.func @attention_c2(%q: tensor<2x4x2x8xf32>) {
  // expected-error @below {{expected lse of shape [2, 2, 4], but got [2, 4, 2]}}
  %0, %1 = nn.attention none %q, %q, %q {scale = 1.0 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x4x2xf32>
  return
}

// -----
func.func @attention_c3(%q: tensor<2x4x2x8xf32>) {
  // expected-error @below {{expected dropout in [0, 1) with counters exactly when it is positive, but got 1}}
  %0, %1 = nn.attention none %q, %q, %q {scale = 1.0 : f64, dropout = 0.1 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  return
}

// -----
func.func @attention_c4(%q: tensor<2x4x2x8xf32>, %k: tensor<2x5x2x8xf32>) {
  // expected-error @below {{expected as many keys as queries for a causal mask, but got 5 and 4}}
  %0, %1 = nn.attention causal %q, %k, %k {scale = 1.0 : f64} : tensor<2x4x2x8xf32>, tensor<2x5x2x8xf32> -> tensor<2x2x4xf32>
  return
}

// -----
func.func @attention_c4_window(%q: tensor<2x4x2x8xf32>) {
  // expected-error @below {{expected a positive window exactly with the window mask, but got 0}}
  %0, %1 = nn.attention window %q, %q, %q {scale = 1.0 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  return
}

// -----
func.func @attention_c5(%q: tensor<2x4x2x8xf32>, %l: tensor<3xi32>) {
  // expected-error @below {{expected lengths of shape [2], but got [3]}}
  %0, %1 = nn.attention none %q, %q, %q lengths %l : tensor<3xi32> {scale = 1.0 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  return
}

// -----
func.func @attention_c5_bias(%q: tensor<2x4x2x8xf32>, %r: tensor<2x4xf32>) {
  // expected-error @below {{expected relative_bias of shape [2, 7], but got [2, 4]}}
  %0, %1 = nn.attention none %q, %q, %q relative_bias %r : tensor<2x4xf32> {scale = 1.0 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  return
}

// -----
func.func @attention_grad_c2(%q: tensor<2x4x2x8xf32>, %lse: tensor<2x4x2xf32>) {
  // expected-error @below {{expected lse of shape [2, 2, 4], but got [2, 4, 2]}}
  %0, %1, %2 = nn.attention_grad none %q, %q, %q, %q, %q, %lse {scale = 1.0 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x4x2xf32>
  return
}

// -----
func.func @softmax_rank(%x: tensor<f32>) {
  // expected-error @below {{expected an input of rank at least 1, but got 'tensor<f32>'}}
  %0 = nn.softmax %x : tensor<f32>
  return
}

// -----
func.func @cross_entropy_c1(%x: tensor<6x50xf32>, %t: tensor<5xi32>) {
  // expected-error @below {{expected logits [N, V] and targets, loss, lse [N], but got}}
  %0, %1 = nn.cross_entropy %x, %t : tensor<6x50xf32>, tensor<5xi32> -> tensor<6xf32>
  return
}

// -----
func.func @cross_entropy_c2(%x: tensor<6x50xf32>, %t: tensor<6xi32>) {
  // expected-error @below {{expected label_smoothing in [0, 1) and z_loss >= 0, but got 1}}
  %0, %1 = nn.cross_entropy %x, %t {label_smoothing = 1.0 : f64} : tensor<6x50xf32>, tensor<6xi32> -> tensor<6xf32>
  return
}

// -----
func.func @cross_entropy_grad_c2(%g: tensor<6xf32>, %x: tensor<6x50xf32>, %t: tensor<6xi32>) {
  // expected-error @below {{expected label_smoothing in [0, 1) and z_loss >= 0, but got}}
  %0 = nn.cross_entropy_grad %g, %x, %t, %g {z_loss = -1.0 : f64} : tensor<6xf32>, tensor<6x50xf32>, tensor<6xi32>
  return
}

// -----
func.func @order_rows_c1(%t: tensor<2x3xi32>) {
  // expected-error @below {{expected targets of shape [N], but got 'tensor<2x3xi32>'}}
  %0, %1, %2 = nn.order_rows %t {firsts = array<i64>} : (tensor<2x3xi32>) -> (tensor<2x3xi32>, tensor<2x3xi32>, tensor<i64>)
  return
}

// -----
func.func @order_rows_c1_scalars(%t: tensor<6xi32>) {
  // expected-error @below {{expected numbers of rows of type tensor<i64>, but got 'tensor<1xi64>'}}
  %0, %1, %2, %3 = nn.order_rows %t {firsts = array<i64: 2>} : (tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<i64>, tensor<1xi64>)
  return
}

// -----
func.func @order_rows_c2(%t: tensor<6xi32>) {
  // expected-error @below {{expected a bound for each of `firsts`, which are from 0 to 5, but got 1 for [6]}}
  %0, %1, %2, %3 = nn.order_rows %t {firsts = array<i64: 6>} : (tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<i64>, tensor<i64>)
  return
}

// -----
func.func @order_rows_c2_number(%t: tensor<6xi32>) {
  // expected-error @below {{expected a bound for each of `firsts`, which are from 0 to 5, but got 0 for [2]}}
  %0, %1, %2 = nn.order_rows %t {firsts = array<i64: 2>} : (tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<i64>)
  return
}

// -----
func.func @gather_rows_c1(%t: tensor<6xi32>, %x: tensor<7x2xf32>) {
  %0, %1, %2 = nn.order_rows %t {firsts = array<i64>} : (tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<i64>)
  // expected-error @below {{expected input [N, …] and rows [N], but got 'tensor<7x2xf32>' and 'tensor<6xi32>'}}
  %3 = nn.gather_rows %x, %0 : tensor<7x2xf32>, tensor<6xi32>
  return
}

// -----
func.func @gather_rows_c2(%t: tensor<6xi32>, %x: tensor<6x2xf32>) {
  // expected-error @below {{expected rows that nn.order_rows makes, but got others}}
  %3 = nn.gather_rows %x, %t : tensor<6x2xf32>, tensor<6xi32>
  return
}

// -----
func.func @gather_rows_c3(%t: tensor<6xi32>, %x: tensor<6x2xf32>, %c: tensor<1xi64>) {
  %0, %1, %2 = nn.order_rows %t {firsts = array<i64>} : (tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<i64>)
  // expected-error @below {{expected numbers of rows of type tensor<i64>, but got 'tensor<1xi64>'}}
  %3 = nn.gather_rows %x, %1 below %c : tensor<1xi64> : tensor<6x2xf32>, tensor<6xi32>
  return
}

// -----
func.func @dropout_c1(%x: tensor<4x8xf32>, %c: tensor<3xi64>) {
  // expected-error @below {{expected a rate in [0, 1), but got 1}}
  %0 = nn.dropout %x, %c {rate = 1.0 : f64, batch_rows = 4 : i64, stream = 3 : i64} : tensor<4x8xf32>, tensor<3xi64>
  return
}

// -----
func.func @dropout_c2(%x: tensor<4x8xf32>, %c: tensor<2xi64>) {
  // expected-error @below {{expected counters of type tensor<3xi64>, but got 'tensor<2xi64>'}}
  %0 = nn.dropout %x, %c {rate = 0.5 : f64, batch_rows = 4 : i64, stream = 3 : i64} : tensor<4x8xf32>, tensor<2xi64>
  return
}

// -----
func.func @dropout_c3(%x: tensor<4x8xf32>, %c: tensor<3xi64>) {
  // expected-error @below {{expected batch_rows to divide 32 elements, but got 5}}
  %0 = nn.dropout %x, %c {rate = 0.5 : f64, batch_rows = 5 : i64, stream = 3 : i64} : tensor<4x8xf32>, tensor<3xi64>
  return
}

// -----
func.func @random_c1(%c: tensor<2xi64>) {
  // expected-error @below {{expected counters of type tensor<3xi64>, but got 'tensor<2xi64>'}}
  %0 = nn.random uniform %c {offset = 0.0 : f64, scale = 1.0 : f64, stream = 7 : i64} : tensor<2xi64> -> tensor<8xf32>
  return
}

// -----
func.func @random_c2(%c: tensor<3xi64>) {
  // expected-error @below {{expected a scale of at least 0, but got -1}}
  %0 = nn.random uniform %c {offset = 0.0 : f64, scale = -1.0 : f64, stream = 7 : i64} : tensor<3xi64> -> tensor<8xf32>
  return
}

// -----
func.func @scan_c1(%x: tensor<5x8xf32>, %y: tensor<4x8xf32>, %h: tensor<8xf32>) {
  // expected-error @below {{expected operands to go over of one first dimension, but got 'tensor<5x8xf32>' and 'tensor<4x8xf32>'}}
  %0 = nn.scan over (%x, %y : tensor<5x8xf32>, tensor<4x8xf32>) from (%h : tensor<8xf32>) {
  ^bb0(%a: tensor<8xf32>, %b: tensor<8xf32>, %c: tensor<8xf32>):
    nn.yield %c : tensor<8xf32>
  } -> states (tensor<5x8xf32>)
  return
}

// -----
func.func @scan_c2(%x: tensor<5x8xf32>, %h: tensor<8xf32>) {
  // expected-error @below {{expected 'tensor<8xf32>' as number 1 of the arguments of the body, but got 'tensor<5x8xf32>'}}
  %0 = nn.scan over (%x : tensor<5x8xf32>) from (%h : tensor<8xf32>) {
  ^bb0(%a: tensor<5x8xf32>, %c: tensor<8xf32>):
    nn.yield %c : tensor<8xf32>
  } -> states (tensor<5x8xf32>)
  return
}

// -----
func.func @scan_c2_count(%x: tensor<5x8xf32>, %h: tensor<8xf32>) {
  // expected-error @below {{expected 2 arguments of the body, but got 1}}
  %0 = nn.scan over (%x : tensor<5x8xf32>) from (%h : tensor<8xf32>) {
  ^bb0(%a: tensor<8xf32>):
    nn.yield %a : tensor<8xf32>
  } -> states (tensor<5x8xf32>)
  return
}

// -----
func.func @scan_c3(%x: tensor<5x8xf32>, %h: tensor<8xf32>) {
  // expected-error @below {{expected states and outputs with a first dimension of 5, but got 'tensor<4x8xf32>'}}
  %0 = nn.scan over (%x : tensor<5x8xf32>) from (%h : tensor<8xf32>) {
  ^bb0(%a: tensor<8xf32>, %c: tensor<8xf32>):
    nn.yield %c : tensor<8xf32>
  } -> states (tensor<4x8xf32>)
  return
}

// -----
func.func @scan_c3_yield(%x: tensor<5x8xf32>, %h: tensor<8xf32>) {
  // expected-error @below {{expected 1 values that the body yields, but got 2}}
  %0 = nn.scan over (%x : tensor<5x8xf32>) from (%h : tensor<8xf32>) {
  ^bb0(%a: tensor<8xf32>, %c: tensor<8xf32>):
    nn.yield %c, %a : tensor<8xf32>, tensor<8xf32>
  } -> states (tensor<5x8xf32>)
  return
}

// -----
func.func @scan_c3_row(%x: tensor<5x8xf32>, %h: tensor<8xf32>) {
  // expected-error @below {{expected rows of state 1 of type 'tensor<8xf32>', but got 'tensor<5x4xf32>'}}
  %0 = nn.scan over (%x : tensor<5x8xf32>) from (%h : tensor<8xf32>) {
  ^bb0(%a: tensor<8xf32>, %c: tensor<8xf32>):
    nn.yield %c : tensor<8xf32>
  } -> states (tensor<5x4xf32>)
  return
}

// -----
func.func @scan_c4(%x: tensor<5x8xf32>, %h: tensor<8xf32>, %counters: tensor<3xi64>) {
  %0 = nn.scan over (%x : tensor<5x8xf32>) from (%h : tensor<8xf32>) with (%counters : tensor<3xi64>) {
  ^bb0(%a: tensor<8xf32>, %c: tensor<8xf32>, %n: tensor<3xi64>):
    // expected-error @below {{expected operations of nn without noise in the body of nn.scan, but got this one}}
    %d = nn.dropout %a, %n {rate = 0.5 : f64, batch_rows = 1 : i64, stream = 3 : i64} : tensor<8xf32>, tensor<3xi64>
    nn.yield %d : tensor<8xf32>
  } -> states (tensor<5x8xf32>)
  return
}

// -----
func.func @scan_isolated(%x: tensor<5x8xf32>, %h: tensor<8xf32>, %w: tensor<8xf32>) {
  // expected-note @below {{required by region isolation constraints}}
  %0 = nn.scan over (%x : tensor<5x8xf32>) from (%h : tensor<8xf32>) {
  ^bb0(%a: tensor<8xf32>, %c: tensor<8xf32>):
    // expected-error @below {{using value defined outside the region}}
    %d = nn.mul %c, %w : tensor<8xf32>
    nn.yield %d : tensor<8xf32>
  } -> states (tensor<5x8xf32>)
  return
}
