// RUN: %trainc-opt %s --trainc-verify-counts --trainc-expand-step --trainc-verify-objective --split-input-file | FileCheck %s

// A step with noise, one term and two outputs: every program gets the slice
// that its results need, and only @accumulate keeps the noise.
module {
  train.parameter @w normal : tensor<8x8xf32> {scale = 0.02 : f64, external_name = "w"}
  train.step @step ["inputs", "targets", "control.random"] {
  ^bb0(%x: tensor<2x4xi32>, %t: tensor<2x4xi32>, %r: tensor<3xi64>):
    %w = train.read @w : tensor<8x8xf32>
    %h = nn.embedding %w, %x : tensor<8x8xf32>, tensor<2x4xi32> -> tensor<2x4x8xf32>
    %d = nn.dropout %h, %r {rate = 0.1 : f64, batch_rows = 2 : i64, stream = 1 : i64} : tensor<2x4x8xf32>, tensor<3xi64>
    %rows = nn.reshape %d : tensor<2x4x8xf32> -> tensor<8x8xf32>
    %flat = nn.reshape %t : tensor<2x4xi32> -> tensor<8xi32>
    %loss, %lse = nn.cross_entropy %rows, %flat : tensor<8x8xf32>, tensor<8xi32> -> tensor<8xf32>
    %sum = nn.reduce_sum %loss [0] : tensor<8xf32> -> tensor<f64>
    %ignore = nn.constant dense<-100> : tensor<8xi32>
    %mask = nn.compare ne %flat, %ignore : tensor<8xi32> -> tensor<8xi1>
    %ones = nn.cast %mask : tensor<8xi1> -> tensor<8xf64>
    %count = nn.reduce_sum %ones [0] : tensor<8xf64> -> tensor<f64>
    train.loss "lm" %sum, %count {weight = 2.0 : f64} : tensor<f64>
    train.output "hidden_states" %d : tensor<2x4x8xf32>
    train.output "logits" %rows : tensor<8x8xf32>
    train.gradient
    train.update "sgd" states [] scalars [] values [] schedule {
    ^bb0(%u: tensor<f64>):
      %lr = nn.constant dense<0.1> : tensor<f64>
      train.yield %lr : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %p = nn.mul %lr, %g : tensor<f32>
      %new = nn.sub %theta, %p : tensor<f32>
      train.yield %new : tensor<f32>
    } {clip_norm = 1.0 : f64}
  }
}

// CHECK: train.loss_terms = [{name = "lm", normalize = "tokens", weight = 2.000000e+00 : f64}]
// CHECK-DAG: train.state @loss.lm.sum metric : tensor<f64>
// CHECK-DAG: train.state @loss.lm.count metric : tensor<f64>
// CHECK-DAG: train.state @loss.lm.evaluate_sum metric : tensor<f64>
// CHECK-DAG: train.state @loss.lm.evaluate_count metric : tensor<f64>
// CHECK-DAG: train.state @hidden_states output : tensor<2x4x8xf32>
// CHECK-DAG: train.state @logits output : tensor<8x8xf32>

// CHECK-LABEL: plan.program @count ["targets", "control.micro_batch"]
// CHECK-NEXT: ^bb0(%[[T:.*]]: tensor<2x4xi32>, %[[MB:.*]]: tensor<i64>):
// CHECK-NOT: train.read @w
// CHECK: %[[COUNT:.*]] = nn.reduce_sum
// CHECK: %[[FIRST:.*]] = nn.compare {{.*}}eq %[[MB]]
// CHECK: %[[OLD:.*]] = train.read @loss.lm.count
// CHECK: %[[BEFORE:.*]] = nn.select %[[FIRST]], %{{.*}}, %[[OLD]]
// CHECK: %[[TOTAL:.*]] = nn.add %[[BEFORE]], %[[COUNT]]
// CHECK: train.write %[[TOTAL]], @loss.lm.count
// CHECK-NEXT: }

// CHECK-LABEL: plan.program @accumulate ["inputs", "targets", "control.random", "control.micro_batch"]
// CHECK: nn.dropout
// CHECK: train.loss "lm"
// CHECK-NOT: train.output
// CHECK: train.gradient
// CHECK-NEXT: }

// CHECK-LABEL: plan.program @apply [] {
// CHECK-NEXT: train.update "sgd"

// CHECK-LABEL: plan.program @evaluate ["inputs", "targets"]
// CHECK-NOT: nn.dropout
// CHECK: train.write %{{.*}}, @loss.lm.evaluate_sum
// CHECK-NEXT: train.write %{{.*}}, @loss.lm.evaluate_count
// CHECK-NEXT: }

// CHECK-LABEL: plan.program @predict ["inputs"]
// CHECK-NOT: nn.dropout
// CHECK-NOT: nn.cross_entropy
// CHECK: train.write %{{.*}}, @hidden_states
// CHECK-NEXT: train.write %{{.*}}, @logits
// CHECK-NEXT: }
// CHECK-NOT: train.step

// -----

// Two terms, a constant count, no outputs, no update: no @predict, no @apply,
// and @count needs no data.
module {
  train.parameter @w normal : tensor<4xf32> {scale = 1.0 : f64, external_name = "w"}
  train.step @step ["x"] {
  ^bb0(%x: tensor<4xf32>):
    %w = train.read @w : tensor<4xf32>
    %p = nn.mul %w, %x : tensor<4xf32>
    %s = nn.reduce_sum %p [0] : tensor<4xf32> -> tensor<f64>
    %n = nn.constant dense<4.0> : tensor<f64>
    train.loss "a" %s, %n {normalize = "padded"} : tensor<f64>
    train.loss "b" %s, %n {weight = 50.0 : f64} : tensor<f64>
    train.gradient
  }
}
// CHECK: train.loss_terms = [{name = "a", normalize = "padded", weight = 1.000000e+00 : f64}, {name = "b", normalize = "tokens", weight = 5.000000e+01 : f64}]
// CHECK-LABEL: plan.program @count ["control.micro_batch"]
// CHECK: train.write %{{.*}}, @loss.a.count
// CHECK: train.write %{{.*}}, @loss.b.count
// CHECK-LABEL: plan.program @accumulate ["x", "control.micro_batch"]
// CHECK-LABEL: plan.program @evaluate ["x"]
// CHECK-NOT: plan.program
