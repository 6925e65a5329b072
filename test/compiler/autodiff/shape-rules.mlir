// RUN: %trainc-opt %s -split-input-file --trainc-expand-gradient --canonicalize --cse | FileCheck %s
// Derivatives (adjoints) of moving and reducing elements.

// CHECK-LABEL: plan.program @reshape
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.reshape %[[X]] : tensor<2x3xf32> -> tensor<6xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<6xf32>
// CHECK: %[[D3:.*]] = nn.reshape %[[G]] : tensor<6xf32> -> tensor<2x3xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @reshape [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.reshape %x : tensor<2x3xf32> -> tensor<6xf32>
  %sum = nn.reduce_sum %y [0] : tensor<6xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @transpose
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3x4xf32>
// CHECK: %[[Y:.*]] = nn.transpose %[[X]] [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<4x2x3xf32>
// CHECK: %[[D3:.*]] = nn.transpose %[[G]] [1, 2, 0] : tensor<4x2x3xf32> -> tensor<2x3x4xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<2x3x4xf32>
train.parameter @x normal : tensor<2x3x4xf32> {external_name = "x"}
plan.program @transpose [] {
  %x = train.read @x : tensor<2x3x4xf32>
  %y = nn.transpose %x [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
  %sum = nn.reduce_sum %y [0, 1, 2] : tensor<4x2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @broadcast
// CHECK: %[[X:.*]] = train.read @x : tensor<3xf32>
// CHECK: %[[Y:.*]] = nn.broadcast %[[X]] [1] : tensor<3xf32> -> tensor<2x3x4xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3x4xf32>
// CHECK: %[[D3:.*]] = nn.reduce_sum %[[G]] [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<3xf32>
train.parameter @x normal : tensor<3xf32> {external_name = "x"}
plan.program @broadcast [] {
  %x = train.read @x : tensor<3xf32>
  %y = nn.broadcast %x [1] : tensor<3xf32> -> tensor<2x3x4xf32>
  %sum = nn.reduce_sum %y [0, 1, 2] : tensor<2x3x4xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @slice
// CHECK: %[[X:.*]] = train.read @x : tensor<3x8xf32>
// CHECK: %[[Y:.*]] = nn.slice %[[X]] [1, 2] : tensor<3x8xf32> -> tensor<2x4xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x4xf32>
// CHECK: %[[D3:.*]] = nn.pad %[[G]] [1, 2] : tensor<2x4xf32> -> tensor<3x8xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<3x8xf32>
train.parameter @x normal : tensor<3x8xf32> {external_name = "x"}
plan.program @slice [] {
  %x = train.read @x : tensor<3x8xf32>
  %y = nn.slice %x [1, 2] : tensor<3x8xf32> -> tensor<2x4xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x4xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @pad
// CHECK: %[[X:.*]] = train.read @x : tensor<2x4xf32>
// CHECK: %[[Y:.*]] = nn.pad %[[X]] [1, 2] : tensor<2x4xf32> -> tensor<3x8xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<3x8xf32>
// CHECK: %[[D3:.*]] = nn.slice %[[G]] [1, 2] : tensor<3x8xf32> -> tensor<2x4xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<2x4xf32>
train.parameter @x normal : tensor<2x4xf32> {external_name = "x"}
plan.program @pad [] {
  %x = train.read @x : tensor<2x4xf32>
  %y = nn.pad %x [1, 2] : tensor<2x4xf32> -> tensor<3x8xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<3x8xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @split
// CHECK: %[[C0:.*]] = nn.constant dense<0.000000e+00> : tensor<2x3xf32>
// CHECK: %[[X:.*]] = train.read @x : tensor<2x9xf32>
// CHECK: %[[Y:.*]]:3 = nn.split %[[X]] : tensor<2x9xf32> -> tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
// CHECK: %[[Y1:.*]] = nn.mul %[[Y]]#0, %[[Y]]#2 : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.mul %[[G]], %[[Y]]#2 : tensor<2x3xf32>
// CHECK: %[[D6:.*]] = nn.mul %[[G]], %[[Y]]#0 : tensor<2x3xf32>
// CHECK: %[[D7:.*]] = nn.concat %[[D5]], %[[C0]], %[[D6]] : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x9xf32>
// CHECK: train.write %[[D7]], @grad.x : tensor<2x9xf32>
train.parameter @x normal : tensor<2x9xf32> {external_name = "x"}
plan.program @split [] {
  %x = train.read @x : tensor<2x9xf32>
  %u, %v, %w = nn.split %x : tensor<2x9xf32> -> tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
  %y = nn.mul %u, %w : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @concat
// CHECK: %[[A:.*]] = train.read @a : tensor<2x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.concat %[[A]], %[[B]] : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x6xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x6xf32>
// CHECK: %[[D4:.*]]:2 = nn.split %[[G]] : tensor<2x6xf32> -> tensor<2x3xf32>, tensor<2x3xf32>
// CHECK: train.write %[[D4]]#0, @grad.a : tensor<2x3xf32>
// CHECK: train.write %[[D4]]#1, @grad.b : tensor<2x3xf32>
train.parameter @a normal : tensor<2x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<2x3xf32> {external_name = "b"}
plan.program @concat [] {
  %a = train.read @a : tensor<2x3xf32>
  %b = train.read @b : tensor<2x3xf32>
  %y = nn.concat %a, %b : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x6xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x6xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @reduce_sum
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3x4xf32>
// CHECK: %[[Y:.*]] = nn.reduce_sum %[[X]] [0, 2] : tensor<2x3x4xf32> -> tensor<3xf64>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f64> -> tensor<3xf64>
// CHECK: %[[D3:.*]] = nn.cast %[[G]] : tensor<3xf64> -> tensor<3xf32>
// CHECK: %[[D4:.*]] = nn.broadcast %[[D3]] [1] : tensor<3xf32> -> tensor<2x3x4xf32>
// CHECK: train.write %[[D4]], @grad.x : tensor<2x3x4xf32>
train.parameter @x normal : tensor<2x3x4xf32> {external_name = "x"}
plan.program @reduce_sum [] {
  %x = train.read @x : tensor<2x3x4xf32>
  %y = nn.reduce_sum %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf64>
  %sum = nn.reduce_sum %y [0] : tensor<3xf64> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}
