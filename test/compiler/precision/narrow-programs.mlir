// RUN: %trainc-opt %s -split-input-file --trainc-narrow-programs --trainc-verify-precision | FileCheck %s

// Products read copies of parameters and rounded activations. What one kernel
// computes (bias and GELU behind the product) is not rounded on the way; what the
// backward pass reads again is, and each that reads it widens it for itself.
// CHECK: train.parameter @w
// CHECK-NEXT: train.state @w.bf16 copy : tensor<4x8xbf16> {parameter = @w}
// CHECK: plan.program @forward
// CHECK-DAG: %[[W:.*]] = train.read @w.bf16 : tensor<4x8xbf16>
// CHECK-DAG: %[[X:.*]] = nn.cast %{{.*}} : tensor<6x4xf32> -> tensor<6x4xbf16>
// CHECK: %[[P:.*]] = nn.matmul %[[X]], %[[W]] : tensor<6x4xbf16>, tensor<4x8xbf16> -> tensor<6x8xf32>
// CHECK: %[[H:.*]] = nn.add %[[P]], %{{.*}} : tensor<6x8xf32>
// CHECK: %[[KEPT:.*]] = nn.cast %[[H]] : tensor<6x8xf32> -> tensor<6x8xbf16>
// CHECK: %[[A:.*]] = nn.gelu tanh %[[H]] : tensor<6x8xf32>
// CHECK: %[[AN:.*]] = nn.cast %[[A]] : tensor<6x8xf32> -> tensor<6x8xbf16>
// CHECK: %[[Q:.*]] = nn.matmul %[[AN]], %[[W]] transpose_rhs
// CHECK: %[[QN:.*]] = nn.cast %[[Q]] : tensor<6x4xf32> -> tensor<6x4xbf16>
// CHECK: %[[D:.*]] = nn.matmul %[[QN]], %[[W]]
// CHECK: %[[AGAIN:.*]] = nn.cast %[[KEPT]] : tensor<6x8xbf16> -> tensor<6x8xf32>
// CHECK: nn.gelu_grad tanh %[[D]], %[[AGAIN]] : tensor<6x8xf32>
// CHECK: plan.program @refresh [] {
// CHECK-NEXT: %[[M:.*]] = train.read @w : tensor<4x8xf32>
// CHECK-NEXT: %[[C:.*]] = nn.cast %[[M]] : tensor<4x8xf32> -> tensor<4x8xbf16>
// CHECK-NEXT: train.write %[[C]], @w.bf16 : tensor<4x8xbf16>
module attributes {train.compute = "bfloat16"} {
  train.parameter @w normal : tensor<4x8xf32> {scale = 0.02 : f64, external_name = "w"}
  train.parameter @b constant : tensor<8xf32> {external_name = "b"}
  train.state @d output : tensor<6x8xf32>
  plan.program @forward ["x"] {
  ^bb0(%x: tensor<6x4xf32>):
    %w = train.read @w : tensor<4x8xf32>
    %b = train.read @b : tensor<8xf32>
    %p = nn.matmul %x, %w : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<6x8xf32>
    %bb = nn.broadcast %b [1] : tensor<8xf32> -> tensor<6x8xf32>
    %h = nn.add %p, %bb : tensor<6x8xf32>
    %a = nn.gelu tanh %h : tensor<6x8xf32>
    %q = nn.matmul %a, %w transpose_rhs : tensor<6x8xf32>, tensor<4x8xf32> -> tensor<6x4xf32>
    %dd = nn.matmul %q, %w : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<6x8xf32>
    %g = nn.gelu_grad tanh %dd, %h : tensor<6x8xf32>
    train.write %g, @d : tensor<6x8xf32>
  }
}

// -----
// Gradients, sums and statistics stay f32; the sum of a weight's gradient with what
// is there already, too.
// CHECK-LABEL: plan.program @backward
// CHECK: %[[DW:.*]] = nn.matmul %{{.*}}, %{{.*}} transpose_lhs : tensor<6x4xf16>, tensor<6x8xf16> -> tensor<4x8xf32>
// CHECK: %[[OLD:.*]] = train.read @grad.w : tensor<4x8xf32>
// CHECK: %[[SUM:.*]] = nn.add %[[OLD]], %[[DW]] : tensor<4x8xf32>
// CHECK: train.write %[[SUM]], @grad.w : tensor<4x8xf32>
// CHECK: %{{.*}}, %[[MEAN:.*]], %{{.*}} = nn.layer_norm {{.*}} -> tensor<6xf32>
// CHECK: train.write %[[MEAN]], @mean : tensor<6xf32>
module attributes {train.compute = "float16"} {
  train.parameter @w normal : tensor<4x8xf32> {scale = 0.02 : f64, external_name = "w"}
  train.state @grad.w gradient : tensor<4x8xf32> {parameter = @w}
  train.state @mean output : tensor<6xf32>
  plan.program @backward ["x", "dy", "v"] {
  ^bb0(%x: tensor<6x4xf32>, %dy: tensor<6x8xf32>, %v: tensor<4xf32>):
    %dw = nn.matmul %x, %dy transpose_lhs : tensor<6x4xf32>, tensor<6x8xf32> -> tensor<4x8xf32>
    %old = train.read @grad.w : tensor<4x8xf32>
    %sum = nn.add %old, %dw : tensor<4x8xf32>
    train.write %sum, @grad.w : tensor<4x8xf32>
    %y, %mean, %rstd = nn.layer_norm %x, %v, %v {epsilon = 1.0e-5 : f64} : tensor<6x4xf32>, tensor<4xf32> -> tensor<6xf32>
    train.write %mean, @mean : tensor<6xf32>
  }
}

// -----
// Attention and the loss take and give 16 bits; what only moves elements follows.
// CHECK-LABEL: plan.program @moves
// CHECK: %[[XN:.*]] = nn.cast %{{.*}} : tensor<4x6xf32> -> tensor<4x6xbf16>
// CHECK: %[[S:.*]]:3 = nn.split %[[XN]] : tensor<4x6xbf16> -> tensor<4x2xbf16>, tensor<4x2xbf16>, tensor<4x2xbf16>
// CHECK: %[[R:.*]], %[[LSE:.*]] = nn.attention causal {{.*}} : tensor<1x4x1x2xbf16>, tensor<1x4x1x2xbf16> -> tensor<1x1x4xf32>
// CHECK: %[[ROWS:.*]] = nn.reshape %[[R]] : tensor<1x4x1x2xbf16> -> tensor<4x2xbf16>
// CHECK: nn.cross_entropy %[[ROWS]], %{{.*}} : tensor<4x2xbf16>, tensor<4xi32> -> tensor<4xf32>
module attributes {train.compute = "bfloat16"} {
  train.state @loss metric : tensor<f64>
  plan.program @moves ["x", "t"] {
  ^bb0(%x: tensor<4x6xf32>, %t: tensor<4xi32>):
    %e = nn.exp %x : tensor<4x6xf32>
    %q:3 = nn.split %e : tensor<4x6xf32> -> tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>
    %a = nn.reshape %q#0 : tensor<4x2xf32> -> tensor<1x4x1x2xf32>
    %b = nn.reshape %q#1 : tensor<4x2xf32> -> tensor<1x4x1x2xf32>
    %c = nn.reshape %q#2 : tensor<4x2xf32> -> tensor<1x4x1x2xf32>
    %r, %lse = nn.attention causal %a, %b, %c {scale = 1.0 : f64} : tensor<1x4x1x2xf32>, tensor<1x4x1x2xf32> -> tensor<1x1x4xf32>
    %rows = nn.reshape %r : tensor<1x4x1x2xf32> -> tensor<4x2xf32>
    %l, %lse2 = nn.cross_entropy %rows, %t : tensor<4x2xf32>, tensor<4xi32> -> tensor<4xf32>
    %s = nn.reduce_sum %l [0] : tensor<4xf32> -> tensor<f64>
    train.write %s, @loss : tensor<f64>
  }
}

// -----
// With float32 nothing changes.
// CHECK-LABEL: plan.program @wide
// CHECK-NOT: nn.cast
// CHECK-NOT: @refresh
module {
  train.parameter @w normal : tensor<4x8xf32> {scale = 0.02 : f64, external_name = "w"}
  train.state @y output : tensor<6x8xf32>
  plan.program @wide ["x"] {
  ^bb0(%x: tensor<6x4xf32>):
    %w = train.read @w : tensor<4x8xf32>
    %p = nn.matmul %x, %w : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<6x8xf32>
    train.write %p, @y : tensor<6x8xf32>
  }
}
