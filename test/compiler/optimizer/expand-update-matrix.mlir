// RUN: %trainc-opt %s --trainc-expand-update --canonicalize --cse | FileCheck %s

// A rule with means is cut at them: passes over the two matrices of one shape
// together, which the clipping's factor reaches. Small matrices and vectors take
// region `element`.
// CHECK-DAG: train.group @sweep.0 [@w, @x] : tensor<600064xf32>
// CHECK-DAG: train.group @sweep.1 [@small, @b] : tensor<128xf32>
// CHECK-DAG: train.state @w.r optimizer : tensor<300xf32> {external_name = "h.w.r", parameter = @w}
// CHECK-DAG: train.group @sweep.0.r [@w.r, @x.r] : tensor<640xf32>
// CHECK-NOT: @small.r
// CHECK: plan.program @apply
// CHECK-DAG: %[[G:.*]] = train.read @sweep.0.grad :
// CHECK-DAG: %[[THETA:.*]] = train.read @sweep.0 :
// CHECK-DAG: %[[R:.*]] = train.read @sweep.0.r :
// CHECK-DAG: %[[FACTOR:.*]] = nn.cast %{{.*}} : tensor<f64> -> tensor<f32>
// Sums of squares by row, of a fifth of the rows at a time.
// CHECK: %[[SUMS:.*]] = train.sweep 2, 300, 1000 by 60 elements(%[[G]] : tensor<600064xf32>) shared(%[[FACTOR]] : tensor<f32>)
// CHECK:   %[[S:.*]] = nn.mul %[[OWN:.*]], %[[OWN]]
// CHECK:   %[[TERM:.*]] = nn.cast %[[S]] : tensor<f32> -> tensor<f64>
// CHECK:   train.yield %[[TERM]]
// CHECK: } -> row_sums(tensor<2x300xf64>)
// They become means where rows are gone over; the state is written there, what it was where a
// gradient is not finite.
// CHECK: %[[R2:.*]], %[[ALL:.*]] = train.sweep 2, 1, 300 by 1 elements(%[[R]], %[[SUMS]] : tensor<640xf32>, tensor<2x300xf64>)
// CHECK:   nn.div
// CHECK:   nn.cast
// CHECK:   nn.add
// CHECK:   nn.select
// CHECK: } -> elements(tensor<640xf32>) sums(tensor<2x1xf64>)
// CHECK: train.write %[[R2]], @sweep.0.r
// One number per matrix.
// CHECK: nn.reduce_sum %[[ALL]] [1] : tensor<2x1xf64> -> tensor<2xf64>
// CHECK: nn.div
// CHECK: %[[MEAN:.*]] = nn.cast %{{.*}} : tensor<2xf64> -> tensor<2xf32>
// What varies by row is computed by row.
// CHECK: %[[F:.*]] = train.sweep 2, 1, 300 by 1 elements(%[[R2]] : tensor<640xf32>) tensors(%[[MEAN]] : tensor<2xf32>)
// CHECK: } -> elements(tensor<2x300xf32>)
// CHECK: %[[COLUMNS:.*]] = train.sweep 2, 300, 1000 by 100 elements(%[[G]] : tensor<600064xf32>) rows(%[[F]] : tensor<2x300xf32>)
// CHECK: } -> column_sums(tensor<2x3x1000xf64>)
// CHECK: nn.reduce_sum %[[COLUMNS]] [1] : tensor<2x3x1000xf64> -> tensor<2x1000xf64>
// CHECK: %[[C:.*]] = train.sweep 2, 1, 1000 by 1
// The elements of u are computed again, not read.
// CHECK: %[[NEW:.*]] = train.sweep 2, 300, 1000 by 60 elements(%[[THETA]], %[[G]] : tensor<600064xf32>, tensor<600064xf32>) rows(%[[F]] : tensor<2x300xf32>) columns(%[[C]] : tensor<2x1000xf32>)
// CHECK: nn.div
// CHECK: nn.select
// CHECK: } -> elements(tensor<600064xf32>)
// CHECK: train.write %[[NEW]], @sweep.0 :
// CHECK-NOT: train.sweep
// CHECK: train.write %{{.*}}, @sweep.1 :
module {
  train.parameter @w normal : tensor<300x1000xf32> {external_name = "h.w"}
  train.parameter @x normal : tensor<300x1000xf32> {external_name = "h.x"}
  train.parameter @small normal : tensor<2x3xf32> {external_name = "small"}
  train.parameter @b normal : tensor<3xf32> {external_name = "b"}
  train.state @grad.w gradient : tensor<300x1000xf32> {parameter = @w}
  train.state @grad.x gradient : tensor<300x1000xf32> {parameter = @x}
  train.state @grad.small gradient : tensor<2x3xf32> {parameter = @small}
  train.state @grad.b gradient : tensor<3xf32> {parameter = @b}
  plan.program @apply [] {
    train.update "factored" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      train.yield %t : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %d = nn.mul %lr, %g : tensor<f32>
      %new = nn.sub %theta, %d : tensor<f32>
      train.yield %new : tensor<f32>
    } matrix states [row "r"] {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %r: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %s = nn.mul %g, %g : tensor<f32>
      %m = train.mean row %s : tensor<f32>
      %r2 = nn.add %r, %m : tensor<f32>
      %all = train.mean tensor %r2 : tensor<f32>
      %f = nn.div %r2, %all : tensor<f32>
      %u = nn.div %g, %f : tensor<f32>
      %c = train.mean column %u : tensor<f32>
      %v = nn.sub %u, %c : tensor<f32>
      %d = nn.mul %lr, %v : tensor<f32>
      %new = nn.sub %theta, %d : tensor<f32>
      train.yield %new, %r2 : tensor<f32>, tensor<f32>
    } {matrix_minimum = 4 : i64, clip_norm = 1.0 : f64}
  }
}
