// RUN: %trainc-opt %s --trainc-expand-update --canonicalize --cse | FileCheck %s

// Parameters of a rule with means that are updated together: matrices of one shape,
// as many as have 2^22 elements, for their passes to find them in cache; vectors of
// one length, cut into rows where they are long, so that there are workgroups.
// CHECK-DAG: train.group @sweep.0 [@a, @b] : tensor<4000000xf32>
// CHECK-DAG: train.group @sweep.1 [@c] : tensor<2000000xf32>
// CHECK-DAG: train.group @sweep.2 [@long, @longer] : tensor<80128xf32>
// CHECK-DAG: train.group @sweep.3 [@prime] : tensor<20032xf32>
// CHECK: train.sweep 2, 2000, 1000 by 65 elements({{.*}}) {
// CHECK: train.sweep 2, 2000, 1000 by 65
// CHECK: train.sweep 1, 2000, 1000 by 65
// CHECK: train.sweep 1, 2000, 1000 by 65
// CHECK: train.sweep 2, 16, 2504 by 16
// CHECK: train.sweep 2, 16, 2504 by 16
// CHECK: train.sweep 1, 1, 20011 by 1
// CHECK: train.sweep 1, 1, 20011 by 1
module {
  train.parameter @a normal : tensor<2000x1000xf32> {external_name = "a"}
  train.parameter @b normal : tensor<2000x1000xf32> {external_name = "b"}
  train.parameter @c normal : tensor<2000x1000xf32> {external_name = "c"}
  train.parameter @long normal : tensor<40064xf32> {external_name = "long"}
  train.parameter @longer normal : tensor<40064xf32> {external_name = "longer"}
  train.parameter @prime normal : tensor<20011xf32> {external_name = "prime"}
  train.state @grad.a gradient : tensor<2000x1000xf32> {parameter = @a}
  train.state @grad.b gradient : tensor<2000x1000xf32> {parameter = @b}
  train.state @grad.c gradient : tensor<2000x1000xf32> {parameter = @c}
  train.state @grad.long gradient : tensor<40064xf32> {parameter = @long}
  train.state @grad.longer gradient : tensor<40064xf32> {parameter = @longer}
  train.state @grad.prime gradient : tensor<20011xf32> {parameter = @prime}
  plan.program @apply [] {
    train.update "scaled" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      train.yield %t : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %m = train.mean tensor %g : tensor<f32>
      %d = nn.mul %m, %g : tensor<f32>
      %new = nn.sub %theta, %d : tensor<f32>
      train.yield %new : tensor<f32>
    } matrix states [] {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %m = train.mean tensor %g : tensor<f32>
      %d = nn.mul %m, %g : tensor<f32>
      %new = nn.sub %theta, %d : tensor<f32>
      train.yield %new : tensor<f32>
    } {matrix_minimum = 4 : i64}
  }
}
