// RUN: %trainc-opt %s -split-input-file --trainc-expand-gradient --canonicalize --cse --trainc-verify-autodiff | FileCheck %s

// The seed is weight / total count, 0 where nothing counts, in f64; the sum is
// kept over micro-batches (training-semantics.md 3.1). With one micro-batch the
// gradient is written directly.
// CHECK-LABEL: module @seed
// CHECK: train.state @loss.mlm.count metric : tensor<f64>
// CHECK: train.state @grad.w gradient : tensor<4xf32> {parameter = @w}
// CHECK: train.state @loss.mlm.sum metric : tensor<f64>
// CHECK: plan.program @accumulate ["x", "control.micro_batch"]
// CHECK: ^bb0(%[[X:.*]]: tensor<4xf32>, %[[INDEX:.*]]: tensor<i64>):
// CHECK-DAG: %[[FIRST:.*]] = nn.constant dense<0> : tensor<i64>
// CHECK-DAG: %[[WEIGHT:.*]] = nn.constant dense<5.000000e+01> : tensor<f64>
// CHECK-DAG: %[[ZERO:.*]] = nn.constant dense<0.000000e+00> : tensor<f64>
// CHECK: %[[SUM:.*]] = nn.reduce_sum
// CHECK: %[[COUNT:.*]] = train.read @loss.mlm.count : tensor<f64>
// CHECK: %[[QUOTIENT:.*]] = nn.div %[[WEIGHT]], %[[COUNT]] : tensor<f64>
// CHECK: %[[EMPTY:.*]] = nn.compare eq %[[COUNT]], %[[ZERO]]
// CHECK: %[[SEED:.*]] = nn.select %[[EMPTY]], %[[ZERO]], %[[QUOTIENT]]
// CHECK: %[[NARROW:.*]] = nn.cast %[[SEED]] : tensor<f64> -> tensor<f32>
// CHECK: %[[G:.*]] = nn.broadcast %[[NARROW]] []
// CHECK: %[[GRADIENT:.*]] = nn.mul %[[G]], %[[X]]
// CHECK-NEXT: train.write %[[GRADIENT]], @grad.w
// CHECK: %[[IS_FIRST:.*]] = nn.compare eq %[[INDEX]], %[[FIRST]]
// CHECK: %[[OLD:.*]] = train.read @loss.mlm.sum
// CHECK: %[[KEPT:.*]] = nn.accumulate %[[OLD]], %[[SUM]] first %[[IS_FIRST]]
// CHECK: train.write %[[KEPT]], @loss.mlm.sum
// CHECK-NOT: train.loss
// CHECK-NOT: train.gradient
module @seed attributes {train.micro_batches = 1 : i64} {
  train.parameter @w normal : tensor<4xf32> {external_name = "w"}
  train.state @loss.mlm.count metric : tensor<f64>
  plan.program @accumulate ["x", "control.micro_batch"] {
  ^bb0(%x: tensor<4xf32>, %index: tensor<i64>):
    %w = train.read @w : tensor<4xf32>
    %y = nn.mul %w, %x : tensor<4xf32>
    %sum = nn.reduce_sum %y [0] : tensor<4xf32> -> tensor<f64>
    %n = nn.constant dense<4.0> : tensor<f64>
    train.loss "mlm" %sum, %n {weight = 50.0 : f64} : tensor<f64>
    train.gradient
  }
}

// -----

// With several micro-batches the first overwrites and later ones add.
// CHECK-LABEL: module @micro_batches
// CHECK: %[[FIRST:.*]] = nn.compare eq %{{.*}}, %{{.*}} : tensor<i64> -> tensor<i1>
// CHECK: %[[OLD:.*]] = train.read @grad.w : tensor<4xf32>
// CHECK: %[[KEPT:.*]] = nn.accumulate %[[OLD]], %{{.*}} first %[[FIRST]] : tensor<i1> : tensor<4xf32>
// CHECK: train.write %[[KEPT]], @grad.w
module @micro_batches attributes {train.micro_batches = 3 : i64} {
  train.parameter @w normal : tensor<4xf32> {external_name = "w"}
  plan.program @accumulate ["control.micro_batch"] {
  ^bb0(%index: tensor<i64>):
    %w = train.read @w : tensor<4xf32>
    %y = nn.exp %w : tensor<4xf32>
    %sum = nn.reduce_sum %y [0] : tensor<4xf32> -> tensor<f64>
    train.loss "l" %sum, %sum : tensor<f64>
    train.gradient
  }
}

// -----

// Nothing is computed for a frozen parameter, nor for what depends only on it.
// CHECK-LABEL: module @frozen
// CHECK-NOT: @grad.frozen
// CHECK: plan.program
// CHECK-NOT: nn.tanh
// CHECK: %[[H:.*]] = nn.exp
// CHECK: nn.matmul %[[H]]
// CHECK: nn.matmul %[[H]], %{{.*}} transpose_lhs
// CHECK-NOT: nn.matmul
module @frozen {
  train.parameter @frozen normal : tensor<2x3xf32> {trainable = false, external_name = "frozen"}
  train.parameter @w normal : tensor<3x4xf32> {external_name = "w"}
  plan.program @accumulate ["control.micro_batch"] {
  ^bb0(%index: tensor<i64>):
    %f = train.read @frozen : tensor<2x3xf32>
    %h = nn.exp %f : tensor<2x3xf32>
    %unused = nn.tanh %f : tensor<2x3xf32>
    %w = train.read @w : tensor<3x4xf32>
    %y = nn.matmul %h, %w : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
    %sum = nn.reduce_sum %y [0, 1] : tensor<2x4xf32> -> tensor<f64>
    train.loss "l" %sum, %sum : tensor<f64>
    train.gradient
  }
}

// -----

// A value used twice sums its gradients, and so does a parameter read twice
// (tied tensors); two terms add up.
// CHECK-LABEL: module @shared
// CHECK: %[[W:.*]] = train.read @w
// CHECK: %[[E:.*]] = nn.exp %[[W]]
// CHECK: %[[FROM_EXP:.*]] = nn.mul %{{.*}}, %[[E]]
// CHECK: %[[HALF:.*]] = nn.mul %{{.*}}, %[[W]]
// CHECK: %[[FROM_SQUARE:.*]] = nn.add %[[HALF]], %[[HALF]]
// CHECK: %[[TOTAL:.*]] = nn.add %[[FROM_SQUARE]], %[[FROM_EXP]]
// CHECK: train.write %[[TOTAL]], @grad.w
// CHECK: train.write %{{.*}}, @loss.first.sum
// CHECK: train.write %{{.*}}, @loss.second.sum
module @shared {
  train.parameter @w normal : tensor<4xf32> {external_name = "w"}
  train.state @other output : tensor<4xf32>
  plan.program @accumulate ["control.micro_batch"] {
  ^bb0(%index: tensor<i64>):
    %w = train.read @w : tensor<4xf32>
    %square = nn.mul %w, %w : tensor<4xf32>
    %sum = nn.reduce_sum %square [0] : tensor<4xf32> -> tensor<f64>
    %w2 = train.read @w : tensor<4xf32>
    %e = nn.exp %w2 : tensor<4xf32>
    %sum2 = nn.reduce_sum %e [0] : tensor<4xf32> -> tensor<f64>
    train.loss "first" %sum, %sum : tensor<f64>
    train.loss "second" %sum2, %sum2 {weight = 0.5 : f64} : tensor<f64>
    train.gradient
  }
}

// -----

// Without a request only the sums are kept; without losses nothing changes. An
// integer conversion carries no gradient.
// CHECK-LABEL: module @forward
// CHECK: plan.program @accumulate
// CHECK-NOT: @grad
// CHECK: train.write %{{.*}}, @loss.l.sum
// CHECK: plan.program @predict
// CHECK: nn.exp
// CHECK-NEXT: train.write
module @forward {
  train.parameter @w normal : tensor<4xf32> {trainable = false, external_name = "w"}
  train.state @y output : tensor<4xf32>
  plan.program @accumulate ["control.micro_batch"] {
  ^bb0(%index: tensor<i64>):
    %w = train.read @w : tensor<4xf32>
    %sum = nn.reduce_sum %w [0] : tensor<4xf32> -> tensor<f64>
    train.loss "l" %sum, %sum : tensor<f64>
  }
  plan.program @predict [] {
    %w = train.read @w : tensor<4xf32>
    %e = nn.exp %w : tensor<4xf32>
    train.write %e, @y : tensor<4xf32>
  }
}

// -----

// A scale of the loss that moves is an optimizer's state; the seed is multiplied with
// it, what the step used stays readable, and the sum of the loss is not scaled.
// CHECK-LABEL: module @scaled
// CHECK: train.scale_loss 1.024000e+03 dynamic
// CHECK: train.state @optimizer.loss_scale optimizer : tensor<f64> {external_name = "optimizer.loss_scale", value = 1.024000e+03 : f64}
// CHECK: train.state @metric.loss_scale metric : tensor<f64>
// CHECK: %[[SUM:.*]] = nn.reduce_sum
// CHECK: %[[SCALE:.*]] = train.read @optimizer.loss_scale : tensor<f64>
// CHECK: train.write %[[SCALE]], @metric.loss_scale
// CHECK: %[[COUNT:.*]] = train.read @loss.l.count : tensor<f64>
// CHECK: %[[WEIGHT:.*]] = nn.mul %[[SCALE]], %{{.*}} : tensor<f64>
// CHECK: nn.div %[[WEIGHT]], %[[COUNT]]
// CHECK: nn.accumulate %{{.*}}, %[[SUM]]
module @scaled attributes {train.micro_batches = 1 : i64} {
  train.scale_loss 1024.0 dynamic {hysteresis = 2 : i64}
  train.parameter @w normal : tensor<4xf32> {external_name = "w"}
  plan.program @accumulate ["control.micro_batch"] {
  ^bb0(%index: tensor<i64>):
    %w = train.read @w : tensor<4xf32>
    %y = nn.exp %w : tensor<4xf32>
    %sum = nn.reduce_sum %y [0] : tensor<4xf32> -> tensor<f64>
    %n = nn.constant dense<4.0> : tensor<f64>
    train.loss "l" %sum, %n {weight = 3.0 : f64} : tensor<f64>
    train.gradient
  }
  // Nothing is differentiated here, so nothing is scaled.
  // CHECK: plan.program @evaluate
  // CHECK-NOT: loss_scale
  plan.program @evaluate ["control.micro_batch"] {
  ^bb0(%index: tensor<i64>):
    %w = train.read @w : tensor<4xf32>
    %sum = nn.reduce_sum %w [0] : tensor<4xf32> -> tensor<f64>
    %n = nn.constant dense<4.0> : tensor<f64>
    train.loss "e" %sum, %n : tensor<f64>
  }
}

// -----

// One that does not move is a constant.
// CHECK-LABEL: module @constant
// CHECK-NOT: @optimizer.loss_scale
// CHECK: train.state @metric.loss_scale metric : tensor<f64>
// CHECK: %[[SCALE:.*]] = nn.constant dense<1.024000e+03> : tensor<f64>
// CHECK: train.write %[[SCALE]], @metric.loss_scale
module @constant attributes {train.micro_batches = 1 : i64} {
  train.scale_loss 1024.0
  train.parameter @w normal : tensor<4xf32> {external_name = "w"}
  plan.program @accumulate ["control.micro_batch"] {
  ^bb0(%index: tensor<i64>):
    %w = train.read @w : tensor<4xf32>
    %sum = nn.reduce_sum %w [0] : tensor<4xf32> -> tensor<f64>
    train.loss "l" %sum, %sum : tensor<f64>
    train.gradient
  }
}
