// RUN: %trainc-opt %s -split-input-file --trainc-expand-gradient --canonicalize --cse | FileCheck %s
// Derivatives of stochastic operations: the mask is drawn again.

// CHECK-LABEL: plan.program @dropout
// CHECK: %[[X:.*]] = train.read @x : tensor<4x8xf32>
// CHECK: %[[Y:.*]] = nn.dropout %[[X]], %{{.*}} {batch_rows = 4 : i64, rate = 1.000000e-01 : f64, stream = 3 : i64} : tensor<4x8xf32>, tensor<3xi64>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<4x8xf32>
// CHECK: %[[D3:.*]] = nn.dropout %[[G]], %{{.*}} {batch_rows = 4 : i64, rate = 1.000000e-01 : f64, stream = 3 : i64} : tensor<4x8xf32>, tensor<3xi64>
// CHECK: train.write %[[D3]], @grad.x : tensor<4x8xf32>
train.parameter @x normal : tensor<4x8xf32> {external_name = "x"}
plan.program @dropout ["random"] {
^bb0(%random: tensor<3xi64>):
  %x = train.read @x : tensor<4x8xf32>
  %y = nn.dropout %x, %random {rate = 0.1 : f64, batch_rows = 4 : i64, stream = 3 : i64} : tensor<4x8xf32>, tensor<3xi64>
  %sum = nn.reduce_sum %y [0, 1] : tensor<4x8xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}
