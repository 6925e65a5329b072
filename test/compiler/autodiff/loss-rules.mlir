// RUN: %trainc-opt %s -split-input-file --trainc-expand-gradient --canonicalize --cse | FileCheck %s
// Derivatives of softmax and cross_entropy (training-semantics.md 3.1).

// CHECK-LABEL: plan.program @softmax
// CHECK: %[[X:.*]] = train.read @x : tensor<4x8xf32>
// CHECK: %[[Y:.*]] = nn.softmax %[[X]] : tensor<4x8xf32>
// CHECK: %[[Y1:.*]] = nn.log %[[Y]] : tensor<4x8xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<4x8xf32>
// CHECK: %[[D4:.*]] = nn.div %[[G]], %[[Y]] : tensor<4x8xf32>
// CHECK: %[[D5:.*]] = nn.mul %[[D4]], %[[Y]] : tensor<4x8xf32>
// CHECK: %[[D6:.*]] = nn.reduce_sum %[[D5]] [1] : tensor<4x8xf32> -> tensor<4xf32>
// CHECK: %[[D7:.*]] = nn.broadcast %[[D6]] [0] : tensor<4xf32> -> tensor<4x8xf32>
// CHECK: %[[D8:.*]] = nn.sub %[[D4]], %[[D7]] : tensor<4x8xf32>
// CHECK: %[[D9:.*]] = nn.mul %[[Y]], %[[D8]] : tensor<4x8xf32>
// CHECK: train.write %[[D9]], @grad.x : tensor<4x8xf32>
train.parameter @x normal : tensor<4x8xf32> {external_name = "x"}
plan.program @softmax [] {
  %x = train.read @x : tensor<4x8xf32>
  %p = nn.softmax %x : tensor<4x8xf32>
  %y = nn.log %p : tensor<4x8xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<4x8xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @cross_entropy
// CHECK: %[[X:.*]] = train.read @x : tensor<6x50xf32>
// CHECK: %[[Y:.*]], %[[Y1:.*]] = nn.cross_entropy %[[X]], %{{.*}} {ignore_index = -1 : i64, label_smoothing = 1.000000e-01 : f64, z_loss = 1.000000e-02 : f64} : tensor<6x50xf32>, tensor<6xi32> -> tensor<6xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<6xf32>
// CHECK: %[[D4:.*]] = nn.cross_entropy_grad %[[G]], %[[X]], %{{.*}}, %[[Y1]] {ignore_index = -1 : i64, label_smoothing = 1.000000e-01 : f64, z_loss = 1.000000e-02 : f64} : tensor<6xf32>, tensor<6x50xf32>, tensor<6xi32>
// CHECK: train.write %[[D4]], @grad.x : tensor<6x50xf32>
train.parameter @x normal : tensor<6x50xf32> {external_name = "x"}
plan.program @cross_entropy ["targets"] {
^bb0(%targets: tensor<6xi32>):
  %x = train.read @x : tensor<6x50xf32>
  %y, %lse = nn.cross_entropy %x, %targets {ignore_index = -1 : i64, label_smoothing = 0.1 : f64, z_loss = 0.01 : f64} : tensor<6x50xf32>, tensor<6xi32> -> tensor<6xf32>
  %sum = nn.reduce_sum %y [0] : tensor<6xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @cross_entropy_lse
// CHECK: %[[X:.*]] = train.read @x : tensor<6x50xf32>
// CHECK: %[[Y:.*]], %[[Y1:.*]] = nn.cross_entropy %[[X]], %{{.*}} : tensor<6x50xf32>, tensor<6xi32> -> tensor<6xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<6xf32>
// CHECK: %[[D4:.*]] = nn.broadcast %[[Y1]] [0] : tensor<6xf32> -> tensor<6x50xf32>
// CHECK: %[[D5:.*]] = nn.sub %[[X]], %[[D4]] : tensor<6x50xf32>
// CHECK: %[[D6:.*]] = nn.exp %[[D5]] : tensor<6x50xf32>
// CHECK: %[[D7:.*]] = nn.broadcast %[[G]] [0] : tensor<6xf32> -> tensor<6x50xf32>
// CHECK: %[[D8:.*]] = nn.mul %[[D7]], %[[D6]] : tensor<6x50xf32>
// CHECK: train.write %[[D8]], @grad.x : tensor<6x50xf32>
train.parameter @x normal : tensor<6x50xf32> {external_name = "x"}
plan.program @cross_entropy_lse ["targets"] {
^bb0(%targets: tensor<6xi32>):
  %x = train.read @x : tensor<6x50xf32>
  %loss, %y = nn.cross_entropy %x, %targets : tensor<6x50xf32>, tensor<6xi32> -> tensor<6xf32>
  %sum = nn.reduce_sum %y [0] : tensor<6xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}
