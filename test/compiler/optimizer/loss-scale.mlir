// RUN: %trainc-opt %s -split-input-file -verify-diagnostics --trainc-expand-update --canonicalize --cse | FileCheck %s

// The scale is taken out of the norm and, in one factor with clipping, out of the
// gradients; it moves by the rule of training-semantics.md 5, from states that are saved.
// CHECK-LABEL: module @dynamic attributes {train.metrics = ["learning_rate", "grad_norm", "loss_scale", "skipped"]}
// CHECK-NOT: train.scale_loss
// CHECK-DAG: train.state @metric.skipped metric : tensor<f64>
// CHECK-DAG: train.state @optimizer.clean_steps optimizer : tensor<f64> {external_name = "optimizer.clean_steps"}
// CHECK-DAG: train.state @optimizer.overflows_left optimizer : tensor<f64> {external_name = "optimizer.overflows_left", value = 2.000000e+00 : f64}
// CHECK: plan.program @apply
// CHECK-DAG: %[[ONE:.*]] = nn.constant dense<1.000000e+00> : tensor<f64>
// CHECK-DAG: %[[ZERO:.*]] = nn.constant dense<0.000000e+00> : tensor<f64>
// CHECK-DAG: %[[HYSTERESIS:.*]] = nn.constant dense<2.000000e+00> : tensor<f64>
// CHECK-DAG: %[[INTERVAL:.*]] = nn.constant dense<1.000000e+03> : tensor<f64>
// CHECK-DAG: %[[GROWTH:.*]] = nn.constant dense<4.000000e+00> : tensor<f64>
// CHECK-DAG: %[[BACKOFF:.*]] = nn.constant dense<2.500000e-01> : tensor<f64>
// CHECK-DAG: %[[FLOOR:.*]] = nn.constant dense<5.000000e-01> : tensor<f64>
// CHECK-DAG: %[[LARGEST_F32:.*]] = nn.constant dense<3.4028234663852886E+38> : tensor<f64>
// CHECK: %[[SCALE:.*]] = train.read @optimizer.loss_scale
// CHECK: train.sum_squares
// CHECK: %[[ROOT:.*]] = nn.sqrt
// CHECK: %[[INVERSE:.*]] = nn.div %[[ONE]], %[[SCALE]] : tensor<f64>
// CHECK: %[[NORM:.*]] = nn.mul %[[ROOT]], %[[INVERSE]]
// CHECK: %[[FINITE:.*]] = nn.compare le %[[NORM]]
// CHECK: train.write %[[NORM]], @metric.grad_norm
// CHECK: nn.add %[[NORM]]
// CHECK: %[[CLIPPING:.*]] = nn.minimum
// CHECK: %[[COEFFICIENT:.*]] = nn.mul %[[CLIPPING]], %[[INVERSE]]
// CHECK: nn.cast %[[COEFFICIENT]] : tensor<f64> -> tensor<f32>
// CHECK: train.write %{{.*}}, @sweep.0
// CHECK: %[[SKIPPED:.*]] = nn.select %[[FINITE]], %[[ZERO]], %[[ONE]]
// CHECK: train.write %[[SKIPPED]], @metric.skipped
// CHECK: %[[CLEAN:.*]] = train.read @optimizer.clean_steps
// CHECK: %[[LEFT:.*]] = train.read @optimizer.overflows_left
// CHECK: %[[COUNTED:.*]] = nn.add %[[CLEAN]], %[[ONE]]
// CHECK: %[[DUE:.*]] = nn.compare ge %[[COUNTED]], %[[INTERVAL]]
// CHECK: %[[LARGER:.*]] = nn.mul %[[SCALE]], %[[GROWTH]]
// CHECK: %[[FITS:.*]] = nn.compare le %[[LARGER]], %[[LARGEST_F32]]
// CHECK: %[[NEXT:.*]] = nn.select %[[FITS]], %[[LARGER]], %[[SCALE]]
// CHECK: %[[GROWN:.*]] = nn.select %[[DUE]], %[[NEXT]], %[[SCALE]]
// CHECK: %[[REFILLED:.*]] = nn.select %[[DUE]], %[[HYSTERESIS]], %[[LEFT]]
// CHECK: %[[FEWER:.*]] = nn.sub %[[LEFT]], %[[ONE]]
// CHECK: %[[NOT_BELOW:.*]] = nn.maximum %[[FEWER]], %[[ZERO]]
// CHECK: %[[SPENT:.*]] = nn.compare le %[[NOT_BELOW]], %[[ZERO]]
// CHECK: %[[SMALLER:.*]] = nn.mul %[[SCALE]], %[[BACKOFF]]
// CHECK: %[[HELD:.*]] = nn.maximum %[[SMALLER]], %[[FLOOR]]
// CHECK: %[[SHRUNK:.*]] = nn.select %[[SPENT]], %[[HELD]], %[[SCALE]]
// CHECK: %[[NEW_SCALE:.*]] = nn.select %[[FINITE]], %[[GROWN]], %[[SHRUNK]]
// CHECK: train.write %[[NEW_SCALE]], @optimizer.loss_scale
// CHECK: %[[AGAIN:.*]] = nn.select %[[DUE]], %[[ZERO]], %[[COUNTED]]
// CHECK: %[[NEW_CLEAN:.*]] = nn.select %[[FINITE]], %[[AGAIN]], %[[ZERO]]
// CHECK: train.write %[[NEW_CLEAN]], @optimizer.clean_steps
// CHECK: %[[NEW_LEFT:.*]] = nn.select %[[FINITE]], %[[REFILLED]], %[[NOT_BELOW]]
// CHECK: train.write %[[NEW_LEFT]], @optimizer.overflows_left
module @dynamic {
  train.scale_loss 1024.0 dynamic {growth = 4.0 : f64, interval = 1000 : i64, backoff = 0.25 : f64, hysteresis = 2 : i64, floor = 0.5 : f64}
  train.parameter @w normal : tensor<3xf32> {external_name = "w"}
  train.state @grad.w gradient : tensor<3xf32> {parameter = @w}
  train.state @optimizer.loss_scale optimizer : tensor<f64> {value = 1024.0 : f64, external_name = "optimizer.loss_scale"}
  plan.program @apply [] {
    train.update "sgd" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      train.yield %t : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %step = nn.mul %lr, %g : tensor<f32>
      %new = nn.sub %theta, %step : tensor<f32>
      train.yield %new : tensor<f32>
    } {clip_norm = 8.0 : f64}
  }
}

// -----

// A constant scale has no states.
// CHECK-LABEL: module @constant attributes {train.metrics = ["learning_rate", "grad_norm", "loss_scale", "skipped"]}
// CHECK-NOT: @optimizer.loss_scale
// CHECK-NOT: @optimizer.clean_steps
// CHECK: %[[SCALE:.*]] = nn.constant dense<8.000000e+00> : tensor<f64>
// CHECK: nn.div %{{.*}}, %[[SCALE]]
// CHECK: train.write %{{.*}}, @metric.skipped
module @constant {
  train.scale_loss 8.0
  train.parameter @w normal : tensor<3xf32> {external_name = "w"}
  train.state @grad.w gradient : tensor<3xf32> {parameter = @w}
  train.state @metric.loss_scale metric : tensor<f64>
  plan.program @apply [] {
    train.update "sgd" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      train.yield %t : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %step = nn.mul %lr, %g : tensor<f32>
      %new = nn.sub %theta, %step : tensor<f32>
      train.yield %new : tensor<f32>
    }
  }
}

// -----

// Gradients that nobody scaled must not be divided.
module @alone {
  // expected-error @below {{expected a state @optimizer.loss_scale of gradients that are scaled, but got none}}
  train.scale_loss 8.0 dynamic
  train.parameter @w normal : tensor<3xf32> {external_name = "w"}
  train.state @grad.w gradient : tensor<3xf32> {parameter = @w}
  plan.program @apply [] {
    train.update "sgd" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      train.yield %t : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %new = nn.sub %theta, %g : tensor<f32>
      train.yield %new : tensor<f32>
    }
  }
}
