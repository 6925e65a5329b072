// RUN: %trainc-opt %s -split-input-file --trainc-expand-initialize | FileCheck %s
// RUN: %trainc-opt %s -split-input-file --trainc-expand-initialize --trainc-verify-optimizer -o %t

// Streams are FNV-1a of the external name (64 bits: "a" is 0xaf63dc4c8601ec8c, a
// published test vector), cut to 31 bits: 0x0601ec8c = 100789388.
// CHECK: plan.program @initialize ["control.random"] {
// CHECK-NEXT: ^bb0(%[[RANDOM:.*]]: tensor<3xi64>):
// CHECK-NEXT: %[[W:.*]] = nn.random normal %[[RANDOM]] {offset = 0.000000e+00 : f64, scale = 2.000000e-02 : f64, stream = 100789388 : i64} : tensor<3xi64> -> tensor<2x3xf32>
// CHECK-NEXT: train.write %[[W]], @w
// CHECK-NEXT: %[[U:.*]] = nn.random uniform %[[RANDOM]] {offset = -1.000000e+00 : f64, scale = 2.000000e+00 : f64, stream = {{[0-9]+}} : i64} : tensor<3xi64> -> tensor<4xf64>
// CHECK-NEXT: train.write %[[U]], @u
// CHECK-NEXT: %[[ONES:.*]] = nn.constant dense<1.000000e+00> : tensor<3xf32>
// CHECK-NEXT: train.write %[[ONES]], @ones
// A group of states that all start as 0 is written whole.
// CHECK-NEXT: %[[ZEROS:.*]] = nn.constant dense<0.000000e+00> : tensor<128xf32>
// CHECK-NEXT: train.write %[[ZEROS]], @sums
// CHECK-NEXT: %[[M:.*]] = nn.constant dense<2.000000e+00> : tensor<2x3xf32>
// CHECK-NEXT: train.write %[[M]], @w.m
// CHECK-NEXT: %[[POWER:.*]] = nn.constant dense<1.000000e+00> : tensor<f64>
// CHECK-NEXT: train.write %[[POWER]], @optimizer.power
// CHECK-NEXT: %[[SUM:.*]] = nn.constant dense<0.000000e+00> : tensor<f64>
// CHECK-NEXT: train.write %[[SUM]], @loss.l.sum
// CHECK-NEXT: }
train.parameter @w normal : tensor<2x3xf32> {scale = 0.02 : f64, external_name = "a"}
train.parameter @u uniform : tensor<4xf64> {offset = -1.0 : f64, scale = 2.0 : f64, trainable = false, external_name = "u"}
train.parameter @ones constant : tensor<3xf32> {offset = 1.0 : f64, external_name = "ones"}
train.state @w.m optimizer : tensor<2x3xf32> {value = 2.0 : f64, parameter = @w, external_name = "a.m"}
train.state @w.v optimizer : tensor<2x3xf32> {parameter = @w, external_name = "a.v"}
train.state @u.v optimizer : tensor<4xf32> {external_name = "u.v"}
train.group @means [@w.m] : tensor<64xf32>
train.group @sums [@w.v, @u.v] : tensor<128xf32>
train.group @gradients [@grad.w] : tensor<64xf32>
train.state @optimizer.power optimizer : tensor<f64> {value = 1.0 : f64, external_name = "optimizer.power"}
train.state @loss.l.sum metric : tensor<f64>
train.state @grad.w gradient : tensor<2x3xf32> {parameter = @w}
train.state @logits output : tensor<8xf32>

// -----

// A parameter keeps its stream, whatever stands before it.
// CHECK: plan.program @initialize
// CHECK: nn.random normal %{{.*}} stream = 100789388
// CHECK-NEXT: train.write %{{.*}}, @last
train.parameter @first constant : tensor<3xf32> {external_name = "first"}
train.parameter @last normal : tensor<3xf32> {external_name = "a"}
