// RUN: %trainc-opt %s --trainc-expand-update --canonicalize --cse | FileCheck %s

// The size of the parameter is needed with that of the update, so it is summed with that, by the pass before
// the last, which then finds the parameter in cache; the mean of the gradient is needed by then.
// CHECK-DAG: %[[G:.*]] = train.read @sweep.0.grad
// CHECK-DAG: %[[THETA:.*]] = train.read @sweep.0 :
// CHECK: train.sweep 1, 8, 16 by 8 elements(%[[G]] : tensor<128xf32>) {
// CHECK: -> sums(tensor<1x1xf64>)
// CHECK: train.sweep 1, 8, 16 by 8 elements(%[[THETA]], %[[G]] : tensor<128xf32>, tensor<128xf32>) tensors(
// CHECK: -> sums(tensor<1x1xf64>, tensor<1x1xf64>)
// CHECK: train.sweep 1, 8, 16 by 8 elements(%[[THETA]], %[[G]] : tensor<128xf32>, tensor<128xf32>) tensors(
// CHECK: -> elements(tensor<128xf32>)
// CHECK-NOT: train.sweep
module {
  train.parameter @w normal : tensor<8x16xf32> {external_name = "w"}
  train.state @grad.w gradient : tensor<8x16xf32> {parameter = @w}
  plan.program @apply [] {
    train.update "sized" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      train.yield %t : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      train.yield %theta : tensor<f32>
    } matrix states [] {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %t2 = nn.mul %theta, %theta : tensor<f32>
      %size = train.mean tensor %t2 : tensor<f32>
      %rate = nn.mul %lr, %size : tensor<f32>
      %kept = nn.mul %theta, %rate : tensor<f32>
      %mean = train.mean tensor %g : tensor<f32>
      %u = nn.sub %g, %mean : tensor<f32>
      %u2 = nn.mul %u, %u : tensor<f32>
      %length = train.mean tensor %u2 : tensor<f32>
      %scale = nn.div %rate, %length : tensor<f32>
      %d = nn.mul %scale, %u : tensor<f32>
      %new = nn.sub %kept, %d : tensor<f32>
      train.yield %new : tensor<f32>
    } {matrix_minimum = 4 : i64}
  }
}
