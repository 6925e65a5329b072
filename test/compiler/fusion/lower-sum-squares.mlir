// RUN: %trainc-opt %s -split-input-file --trainc-accumulate --trainc-fuse-elementwise --trainc-outline-kernels --trainc-lower-sum-squares --trainc-verify-fusion --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// A product in four tiles and a column sum in one workgroup: both kernels write a
// partial sum per workgroup beside the gradient; @apply adds them all, read as one.
// CHECK-LABEL: module @written
// CHECK-DAG: train.state @[[S0:squares.[0-9]+]] metric : tensor<4xf64>
// CHECK-DAG: train.state @[[S1:squares.[0-9]+]] metric : tensor<1xf64>
// CHECK: plan.program @accumulate
// CHECK: plan.launch @[[K:matmul[a-z0-9_]*_squares]] {{.*}} -> tensor<128x96xf32>, tensor<4xf64>
// CHECK: train.write %{{.*}}, @[[S0]] : tensor<4xf64>
// CHECK: plan.launch @reduce_sum_96_0_squares
// CHECK: train.write %{{.*}}, @[[S1]] : tensor<1xf64>
// CHECK: plan.program @apply
// CHECK: %[[ALL:.*]] = train.read @squares.all.0 : tensor<128xf64>
// CHECK: plan.launch @[[SUM:sum_parts[_0-9]*]] ins(%[[ALL]] : tensor<128xf64>) {{.*}} -> tensor<f64>
// CHECK-NOT: train.sum_squares
// CHECK: plan.kernel @[[K]] access [1, 1, 2, 2]
// CHECK: scf.forall {{.*}} shared_outs(%{{.*}} = %{{.*}}, %[[PARTS:.*]] = %{{.*}}) -> (tensor<128x96xf32>, tensor<4xf64>)
// CHECK: %[[TILE:.*]] = linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: %[[SHARE:.*]] = linalg.generic {{.*}}iterator_types = ["reduction", "reduction"]} ins(%[[TILE]]
// CHECK: arith.extf %{{.*}} : f32 to f64
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: tensor.parallel_insert_slice %[[SHARE]] into %[[PARTS]]
// The kernels without sums are gone.
// CHECK-NOT: plan.kernel @reduce_sum_96_0 access
// CHECK: train.group @squares.all.0 [@[[S0]], @[[S1]]] : tensor<128xf64>
// REMARK-DAG: the squares of @grad.w are summed where it is written, in 4 parts
// REMARK-DAG: the squares of @grad.b are summed where it is written, in 1 parts
module @written {
  train.parameter @w normal : tensor<128x96xf32> {external_name = "w"}
  train.parameter @b normal : tensor<96xf32> {external_name = "b"}
  train.state @grad.w gradient : tensor<128x96xf32> {parameter = @w}
  train.state @grad.b gradient : tensor<96xf32> {parameter = @b}
  train.state @norm metric : tensor<f64>
  train.group @grads [@grad.w, @grad.b] : tensor<12416xf32>
  plan.program @accumulate ["x", "dy"] {
  ^bb0(%x: tensor<8x128xf32>, %dy: tensor<8x96xf32>):
    %w = nn.matmul %x, %dy transpose_lhs : tensor<8x128xf32>, tensor<8x96xf32> -> tensor<128x96xf32>
    train.write %w, @grad.w : tensor<128x96xf32>
    %b = nn.reduce_sum %dy [0] : tensor<8x96xf32> -> tensor<96xf32>
    train.write %b, @grad.b : tensor<96xf32>
  }
  plan.program @apply [] {
    %n = train.sum_squares [@grads] : tensor<f64>
    train.write %n, @norm : tensor<f64>
  }
}

// -----

// What cannot be summed where it is written is read again: a parameter, which a
// checkpoint may set; a state that two programs write; one that the program itself
// writes; one that nobody does. All of a group is one read.
// CHECK-LABEL: module @read_again
// CHECK-NOT: train.state @squares
// CHECK: plan.program @apply
// CHECK: %[[P:.*]] = train.read @both : tensor<128xf32>
// CHECK: plan.launch @[[READ:sum_squares[_0-9]*]] ins(%[[P]] : tensor<128xf32>) {{.*}} -> tensor<1xf64>
// CHECK: train.read @large : tensor<70000xf32>
// CHECK: plan.launch @[[PIECES:sum_squares_2[_0-9]*]] {{.*}} -> tensor<2xf64>
// CHECK: train.read @twice
// CHECK: train.read @here
// CHECK: plan.launch @sum_parts{{.*}} ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} :
// CHECK: plan.kernel @[[PIECES]] access [1, 2]
// CHECK: scf.forall (%{{.*}}) = (0) to (70000) step (
// REMARK-DAG: @p is read again for the sum of its squares: a checkpoint may set it
// REMARK-DAG: @large is read again for the sum of its squares: 0 writes set it, not one
// REMARK-DAG: @twice is read again for the sum of its squares: 2 writes set it, not one
// REMARK-DAG: @here is read again for the sum of its squares: the program that wants the sum writes it
module @read_again {
  train.parameter @p normal : tensor<8x4xf32> {external_name = "p"}
  train.parameter @q normal : tensor<4xf32> {external_name = "q"}
  train.group @both [@p, @q] : tensor<128xf32>
  train.state @large metric : tensor<70000xf32>
  train.state @twice metric : tensor<4xf32>
  train.state @here metric : tensor<4xf32>
  train.state @norm metric : tensor<f64>
  plan.program @accumulate ["x"] {
  ^bb0(%x: tensor<4xf32>):
    %y = nn.neg %x : tensor<4xf32>
    train.write %y, @twice : tensor<4xf32>
  }
  plan.program @apply ["x"] {
  ^bb0(%x: tensor<4xf32>):
    %n = train.sum_squares [@both, @large, @twice, @here] : tensor<f64>
    train.write %n, @norm : tensor<f64>
    %y = nn.exp %x : tensor<4xf32>
    train.write %y, @twice : tensor<4xf32>
    train.write %y, @here : tensor<4xf32>
  }
}

// -----

// Two gradients that are one result (of biases that are added): its kernel sums for
// one of them, the other is read again, so that both count.
// CHECK-LABEL: module @one_result
// CHECK: train.state @squares.{{[0-9]+}} metric : tensor<1xf64>
// CHECK: plan.program @apply
// CHECK-DAG: train.read @squares.all.{{[0-9]+}} : tensor<64xf64>
// CHECK-DAG: train.read @grad.c : tensor<96xf32>
// CHECK: plan.launch @sum_parts
// REMARK-DAG: the squares of @grad.b are summed where it is written, in 1 parts
// REMARK-DAG: @grad.c is read again for the sum of its squares: another variable holds the same result
module @one_result {
  train.parameter @b normal : tensor<96xf32> {external_name = "b"}
  train.parameter @c normal : tensor<96xf32> {external_name = "c"}
  train.state @grad.b gradient : tensor<96xf32> {parameter = @b}
  train.state @grad.c gradient : tensor<96xf32> {parameter = @c}
  train.state @norm metric : tensor<f64>
  train.group @grads [@grad.b, @grad.c] : tensor<256xf32>
  plan.program @accumulate ["dy"] {
  ^bb0(%dy: tensor<8x96xf32>):
    %b = nn.reduce_sum %dy [0] : tensor<8x96xf32> -> tensor<96xf32>
    train.write %b, @grad.b : tensor<96xf32>
    train.write %b, @grad.c : tensor<96xf32>
  }
  plan.program @apply [] {
    %n = train.sum_squares [@grads] : tensor<f64>
    train.write %n, @norm : tensor<f64>
  }
}

// -----

// A launch that may be left out sums nothing.
// REMARK: the launch that makes it may be left out
// CHECK-LABEL: module @bounded
// CHECK: plan.program @accumulate
// CHECK: bound %{{.*}} : tensor<i64> -> tensor<128x96xf32>
// CHECK-NOT: @squares
module @bounded {
  train.parameter @w normal : tensor<128x96xf32> {external_name = "w"}
  train.state @grad.w gradient : tensor<128x96xf32> {parameter = @w}
  train.state @norm metric : tensor<f64>
  train.group @grads [@grad.w] : tensor<12288xf32>
  plan.program @accumulate ["x", "dy", "n"] {
  ^bb0(%x: tensor<8x128xf32>, %dy: tensor<8x96xf32>, %n: tensor<i64>):
    %p = nn.matmul %x, %dy transpose_lhs : tensor<8x128xf32>, tensor<8x96xf32> -> tensor<128x96xf32>
    %q = nn.matmul %x, %dy transpose_lhs {fusion.bound = 0 : i64} : tensor<8x128xf32>, tensor<8x96xf32> -> tensor<128x96xf32>
    %w = nn.accumulate %p, %q {fusion.bound = 0 : i64} : tensor<128x96xf32>
    train.write %w, @grad.w : tensor<128x96xf32>
    plan.bounds %n : tensor<i64>
  }
  plan.program @apply [] {
    %n = train.sum_squares [@grads] : tensor<f64>
    train.write %n, @norm : tensor<f64>
  }
}

// -----

// A tied table: the product writes all of it, then rows are added at some places.
// The product sums the squares of the whole, the other kernel what it changes: the
// squares after each row's addition less those before.
// REMARK: the squares of @grad.t are summed where it is written, in {{[0-9]+}} parts
// CHECK-LABEL: module @table
// CHECK: plan.program @accumulate
// CHECK: %[[D:.*]]:2 = plan.launch @matmul{{[_a-z0-9]*}}_squares
// CHECK: plan.launch @embedding_grad{{[_a-z0-9]*}}_squares {{.*}} outs(%[[D]]#0
// CHECK: plan.program @apply
// CHECK-NOT: train.read @grad.t
// CHECK: plan.kernel @embedding_grad{{[_a-z0-9]*}}_squares
// CHECK: scf.for {{.*}} iter_args(%[[TABLE:.*]] = %{{.*}}, %[[SUM:.*]] = %{{.*}})
// CHECK: %[[OLD:.*]] = tensor.extract_slice %[[TABLE]]
// CHECK: %[[LESS:.*]] = linalg.generic {{.*}}["reduction"]} ins(%[[OLD]] {{.*}} outs(%[[SUM]]
// CHECK: arith.subf
// CHECK: %[[NEW:.*]] = linalg.generic {{.*}}["parallel"]} ins(%{{.*}}) outs(%[[OLD]]
// CHECK: linalg.generic {{.*}}["reduction"]} ins(%[[NEW]] {{.*}} outs(%[[LESS]]
// CHECK: arith.addf
module @table {
  train.parameter @t normal : tensor<2000x96xf32> {external_name = "t"}
  train.state @grad.t gradient : tensor<2000x96xf32> {parameter = @t}
  train.state @norm metric : tensor<f64>
  train.group @grads [@grad.t] : tensor<192000xf32>
  plan.program @accumulate ["x", "dy", "rows", "ids"] {
  ^bb0(%x: tensor<8x2000xf32>, %dy: tensor<8x96xf32>, %rows: tensor<6x96xf32>, %ids: tensor<6xi32>):
    %d = nn.matmul %x, %dy transpose_lhs : tensor<8x2000xf32>, tensor<8x96xf32> -> tensor<2000x96xf32>
    %e = nn.embedding_grad %rows, %ids : tensor<6x96xf32>, tensor<6xi32> -> tensor<2000x96xf32>
    %g = nn.add %d, %e : tensor<2000x96xf32>
    train.write %g, @grad.t : tensor<2000x96xf32>
  }
  plan.program @apply [] {
    %n = train.sum_squares [@grads] : tensor<f64>
    train.write %n, @norm : tensor<f64>
  }
}
