// RUN: %trainc-opt %s -split-input-file --trainc-expand-gradient --canonicalize --cse | FileCheck %s
// Derivatives of matmul in all four layouts, embedding, layer_norm and attention.

// CHECK-LABEL: plan.program @matmul_nn
// CHECK: %[[A:.*]] = train.read @a : tensor<4x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<3x5xf32>
// CHECK: %[[Y:.*]] = nn.matmul %[[A]], %[[B]] : tensor<4x3xf32>, tensor<3x5xf32> -> tensor<4x5xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<4x5xf32>
// CHECK: %[[D4:.*]] = nn.matmul %[[G]], %[[B]] transpose_rhs : tensor<4x5xf32>, tensor<3x5xf32> -> tensor<4x3xf32>
// CHECK: %[[D5:.*]] = nn.matmul %[[A]], %[[G]] transpose_lhs : tensor<4x3xf32>, tensor<4x5xf32> -> tensor<3x5xf32>
// CHECK: train.write %[[D4]], @grad.a : tensor<4x3xf32>
// CHECK: train.write %[[D5]], @grad.b : tensor<3x5xf32>
train.parameter @a normal : tensor<4x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<3x5xf32> {external_name = "b"}
plan.program @matmul_nn [] {
  %a = train.read @a : tensor<4x3xf32>
  %b = train.read @b : tensor<3x5xf32>
  %y = nn.matmul %a, %b : tensor<4x3xf32>, tensor<3x5xf32> -> tensor<4x5xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<4x5xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @matmul_nt
// CHECK: %[[A:.*]] = train.read @a : tensor<4x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<5x3xf32>
// CHECK: %[[Y:.*]] = nn.matmul %[[A]], %[[B]] transpose_rhs : tensor<4x3xf32>, tensor<5x3xf32> -> tensor<4x5xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<4x5xf32>
// CHECK: %[[D4:.*]] = nn.matmul %[[G]], %[[B]] : tensor<4x5xf32>, tensor<5x3xf32> -> tensor<4x3xf32>
// CHECK: %[[D5:.*]] = nn.matmul %[[G]], %[[A]] transpose_lhs : tensor<4x5xf32>, tensor<4x3xf32> -> tensor<5x3xf32>
// CHECK: train.write %[[D4]], @grad.a : tensor<4x3xf32>
// CHECK: train.write %[[D5]], @grad.b : tensor<5x3xf32>
train.parameter @a normal : tensor<4x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<5x3xf32> {external_name = "b"}
plan.program @matmul_nt [] {
  %a = train.read @a : tensor<4x3xf32>
  %b = train.read @b : tensor<5x3xf32>
  %y = nn.matmul %a, %b transpose_rhs : tensor<4x3xf32>, tensor<5x3xf32> -> tensor<4x5xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<4x5xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @matmul_tn
// CHECK: %[[A:.*]] = train.read @a : tensor<3x4xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<3x5xf32>
// CHECK: %[[Y:.*]] = nn.matmul %[[A]], %[[B]] transpose_lhs : tensor<3x4xf32>, tensor<3x5xf32> -> tensor<4x5xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<4x5xf32>
// CHECK: %[[D4:.*]] = nn.matmul %[[B]], %[[G]] transpose_rhs : tensor<3x5xf32>, tensor<4x5xf32> -> tensor<3x4xf32>
// CHECK: %[[D5:.*]] = nn.matmul %[[A]], %[[G]] : tensor<3x4xf32>, tensor<4x5xf32> -> tensor<3x5xf32>
// CHECK: train.write %[[D4]], @grad.a : tensor<3x4xf32>
// CHECK: train.write %[[D5]], @grad.b : tensor<3x5xf32>
train.parameter @a normal : tensor<3x4xf32> {external_name = "a"}
train.parameter @b normal : tensor<3x5xf32> {external_name = "b"}
plan.program @matmul_tn [] {
  %a = train.read @a : tensor<3x4xf32>
  %b = train.read @b : tensor<3x5xf32>
  %y = nn.matmul %a, %b transpose_lhs : tensor<3x4xf32>, tensor<3x5xf32> -> tensor<4x5xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<4x5xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @matmul_tt
// CHECK: %[[A:.*]] = train.read @a : tensor<3x4xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<5x3xf32>
// CHECK: %[[Y:.*]] = nn.matmul %[[A]], %[[B]] transpose_lhs transpose_rhs : tensor<3x4xf32>, tensor<5x3xf32> -> tensor<4x5xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<4x5xf32>
// CHECK: %[[D4:.*]] = nn.matmul %[[B]], %[[G]] transpose_lhs transpose_rhs : tensor<5x3xf32>, tensor<4x5xf32> -> tensor<3x4xf32>
// CHECK: %[[D5:.*]] = nn.matmul %[[G]], %[[A]] transpose_lhs transpose_rhs : tensor<4x5xf32>, tensor<3x4xf32> -> tensor<5x3xf32>
// CHECK: train.write %[[D4]], @grad.a : tensor<3x4xf32>
// CHECK: train.write %[[D5]], @grad.b : tensor<5x3xf32>
train.parameter @a normal : tensor<3x4xf32> {external_name = "a"}
train.parameter @b normal : tensor<5x3xf32> {external_name = "b"}
plan.program @matmul_tt [] {
  %a = train.read @a : tensor<3x4xf32>
  %b = train.read @b : tensor<5x3xf32>
  %y = nn.matmul %a, %b transpose_lhs transpose_rhs : tensor<3x4xf32>, tensor<5x3xf32> -> tensor<4x5xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<4x5xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @embedding
// CHECK: %[[TABLE:.*]] = train.read @table : tensor<9x4xf32>
// CHECK: %[[Y:.*]] = nn.embedding %[[TABLE]], %{{.*}} : tensor<9x4xf32>, tensor<2x3xi32> -> tensor<2x3x4xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3x4xf32>
// CHECK: %[[D3:.*]] = nn.embedding_grad %[[G]], %{{.*}} : tensor<2x3x4xf32>, tensor<2x3xi32> -> tensor<9x4xf32>
// CHECK: train.write %[[D3]], @grad.table : tensor<9x4xf32>
train.parameter @table normal : tensor<9x4xf32> {external_name = "table"}
plan.program @embedding ["ids"] {
^bb0(%ids: tensor<2x3xi32>):
  %table = train.read @table : tensor<9x4xf32>
  %y = nn.embedding %table, %ids : tensor<9x4xf32>, tensor<2x3xi32> -> tensor<2x3x4xf32>
  %sum = nn.reduce_sum %y [0, 1, 2] : tensor<2x3x4xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @layer_norm
// CHECK: %[[X:.*]] = train.read @x : tensor<4x8xf32>
// CHECK: %[[W:.*]] = train.read @w : tensor<8xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<8xf32>
// CHECK: %[[Y:.*]], %[[Y1:.*]], %[[Y2:.*]] = nn.layer_norm %[[X]], %[[W]], %[[B]] {epsilon = 1.000000e-05 : f64} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<4x8xf32>
// CHECK: %[[D7:.*]], %[[P8:.*]], %[[P9:.*]] = nn.layer_norm_grad %[[G]], %[[X]], %[[W]], %[[Y1]], %[[Y2]] : tensor<4x8xf32>, tensor<8xf32>, tensor<4xf32> -> tensor<1x8xf32>
// CHECK: %[[D8:.*]] = nn.reduce_sum %[[P8]] [0] : tensor<1x8xf32> -> tensor<8xf32>
// CHECK: %[[D9:.*]] = nn.reduce_sum %[[P9]] [0] : tensor<1x8xf32> -> tensor<8xf32>
// CHECK: train.write %[[D7]], @grad.x : tensor<4x8xf32>
// CHECK: train.write %[[D8]], @grad.w : tensor<8xf32>
// CHECK: train.write %[[D9]], @grad.b : tensor<8xf32>
train.parameter @x normal : tensor<4x8xf32> {external_name = "x"}
train.parameter @w normal : tensor<8xf32> {external_name = "w"}
train.parameter @b normal : tensor<8xf32> {external_name = "b"}
plan.program @layer_norm [] {
  %x = train.read @x : tensor<4x8xf32>
  %w = train.read @w : tensor<8xf32>
  %b = train.read @b : tensor<8xf32>
  %y, %mean, %rstd = nn.layer_norm %x, %w, %b {epsilon = 1.0e-5 : f64} : tensor<4x8xf32>, tensor<8xf32> -> tensor<4xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<4x8xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// Frozen weights need no parts. Many rows: blocks of about 32768 elements, even ones
// where a divisor is near.
// CHECK-LABEL: plan.program @layer_norm_parts
// CHECK: nn.layer_norm_grad_input {{.*}} : tensor<1024x768xf32>
// CHECK: nn.layer_norm_grad {{.*}} : tensor<1024x768xf32>, tensor<768xf32>, tensor<1024xf32> -> tensor<32x768xf32>
train.parameter @x normal : tensor<1024x768xf32> {external_name = "x"}
train.parameter @w normal : tensor<768xf32> {external_name = "w"}
train.parameter @f normal : tensor<768xf32> {trainable = false, external_name = "f"}
plan.program @layer_norm_parts [] {
  %x = train.read @x : tensor<1024x768xf32>
  %w = train.read @w : tensor<768xf32>
  %f = train.read @f : tensor<768xf32>
  %y, %mean, %rstd = nn.layer_norm %x, %w, %w {epsilon = 1.0e-5 : f64} : tensor<1024x768xf32>, tensor<768xf32> -> tensor<1024xf32>
  %z, %mean2, %rstd2 = nn.layer_norm %y, %f, %f {epsilon = 1.0e-5 : f64} : tensor<1024x768xf32>, tensor<768xf32> -> tensor<1024xf32>
  %sum = nn.reduce_sum %z [0, 1] : tensor<1024x768xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @attention
// CHECK: %[[Q:.*]] = train.read @q : tensor<2x4x2x8xf32>
// CHECK: %[[K:.*]] = train.read @k : tensor<2x4x2x8xf32>
// CHECK: %[[V:.*]] = train.read @v : tensor<2x4x2x8xf32>
// CHECK: %[[Y:.*]], %[[Y1:.*]] = nn.attention  causal %[[Q]], %[[K]], %[[V]] counters %{{.*}} : tensor<3xi64> {dropout = 1.000000e-01 : f64, scale = 1.250000e-01 : f64, stream = 3 : i64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x4x2x8xf32>
// CHECK: %[[D6:.*]], %[[D7:.*]], %[[D8:.*]] = nn.attention_grad  causal %[[G]], %[[Q]], %[[K]], %[[V]], %[[Y]], %[[Y1]] counters %{{.*}} : tensor<3xi64> {dropout = 1.000000e-01 : f64, scale = 1.250000e-01 : f64, stream = 3 : i64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x2x4xf32>
// CHECK: train.write %[[D6]], @grad.q : tensor<2x4x2x8xf32>
// CHECK: train.write %[[D7]], @grad.k : tensor<2x4x2x8xf32>
// CHECK: train.write %[[D8]], @grad.v : tensor<2x4x2x8xf32>
train.parameter @q normal : tensor<2x4x2x8xf32> {external_name = "q"}
train.parameter @k normal : tensor<2x4x2x8xf32> {external_name = "k"}
train.parameter @v normal : tensor<2x4x2x8xf32> {external_name = "v"}
plan.program @attention ["random"] {
^bb0(%random: tensor<3xi64>):
  %q = train.read @q : tensor<2x4x2x8xf32>
  %k = train.read @k : tensor<2x4x2x8xf32>
  %v = train.read @v : tensor<2x4x2x8xf32>
  %y, %lse = nn.attention causal %q, %k, %v counters %random : tensor<3xi64> {scale = 0.125 : f64, dropout = 0.1 : f64, stream = 3 : i64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  %sum = nn.reduce_sum %y [0, 1, 2, 3] : tensor<2x4x2x8xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}
