// RUN: %trainc-opt %s --trainc-expand-update --canonicalize --cse | FileCheck %s

// A matrix that is orthogonalised is written by one pass and read by the next; each
// parameter alone, so that what it needs beside it serves the next one, too. A wide
// one is multiplied from the left, a tall one from the right. Tables that are
// spared take region `element`.
// CHECK-DAG: train.group @sweep.0 [@wide] : tensor<384xf32>
// CHECK-DAG: train.group @sweep.1 [@tall] : tensor<384xf32>
// CHECK-DAG: train.group @sweep.2 [@table] : tensor<384xf32>
// CHECK-DAG: train.state @wide.m optimizer
// CHECK-NOT: @table.m
// CHECK: plan.program @apply
// CHECK: %[[M:.*]] = train.sweep 1, 6, 64 by 6 elements({{.*}}) {
// CHECK: } -> elements(tensor<1x384xf32>)
// CHECK: %[[X0:.*]] = nn.reshape %[[M]] : tensor<1x384xf32> -> tensor<6x64xf32>
// CHECK: nn.reduce_sum %{{.*}} [0, 1] : tensor<6x64xf32> -> tensor<f64>
// CHECK: nn.sqrt
// CHECK: %[[X:.*]] = nn.mul %[[X0]], %{{.*}} : tensor<6x64xf32>
// CHECK: %[[A:.*]] = nn.matmul %[[X]], %[[X]] transpose_rhs : tensor<6x64xf32>, tensor<6x64xf32> -> tensor<6x6xf32>
// CHECK: nn.matmul %[[A]], %[[A]] : tensor<6x6xf32>, tensor<6x6xf32> -> tensor<6x6xf32>
// CHECK: nn.matmul %{{.*}}, %[[X]] : tensor<6x6xf32>, tensor<6x64xf32> -> tensor<6x64xf32>
// CHECK: nn.matmul {{.*}} transpose_rhs
// CHECK: nn.reshape %{{.*}} : tensor<6x64xf32> -> tensor<1x384xf32>
// CHECK: train.sweep 1, 6, 64 by 6 elements(
// CHECK: train.write %{{.*}}, @sweep.0 :
// CHECK: nn.matmul %[[Y:.*]], %[[Y]] transpose_lhs : tensor<64x6xf32>, tensor<64x6xf32> -> tensor<6x6xf32>
// CHECK: nn.matmul %[[Y]], %{{.*}} : tensor<64x6xf32>, tensor<6x6xf32> -> tensor<64x6xf32>
// CHECK: train.write %{{.*}}, @sweep.1 :
// CHECK-NOT: nn.matmul
// CHECK: train.write %{{.*}}, @sweep.2 :
train.parameter @wide normal : tensor<6x64xf32> {external_name = "wide"}
train.parameter @tall normal : tensor<64x6xf32> {external_name = "tall"}
train.parameter @table normal : tensor<6x64xf32> {matrix = false, external_name = "table"}
train.state @grad.wide gradient : tensor<6x64xf32> {parameter = @wide}
train.state @grad.tall gradient : tensor<64x6xf32> {parameter = @tall}
train.state @grad.table gradient : tensor<6x64xf32> {parameter = @table}
plan.program @apply [] {
  train.update "muon" states [] scalars [] values [] schedule {
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
  } matrix states [element "m"] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %m: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
    %m2 = nn.add %m, %g : tensor<f32>
    %o = train.orthogonalize rows %m2 {steps = 2 : i64} : tensor<f32>
    %d = nn.mul %lr, %o : tensor<f32>
    %new = nn.sub %theta, %d : tensor<f32>
    train.yield %new, %m2 : tensor<f32>, tensor<f32>
  }
}
