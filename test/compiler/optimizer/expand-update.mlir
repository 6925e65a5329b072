// RUN: %trainc-opt %s -split-input-file --trainc-expand-update --canonicalize --cse | FileCheck %s

// Adam's shape: a state per parameter, a power of beta as scalar state, clipping,
// weight decay for one parameter only (training-semantics.md 4.2, 4.6, 6.1).
// CHECK-LABEL: module @adam attributes {train.metrics = ["learning_rate", "grad_norm"]}
// CHECK-DAG: train.state @metric.grad_norm metric : tensor<f64>
// CHECK-DAG: train.state @metric.learning_rate metric : tensor<f64>
// CHECK-DAG: train.state @optimizer.updates optimizer : tensor<f64> {external_name = "optimizer.updates"}
// CHECK-DAG: train.state @optimizer.power optimizer : tensor<f64> {external_name = "optimizer.power", value = 1.000000e+00 : f64}
// CHECK-DAG: train.state @w.m optimizer : tensor<2x3xf32> {external_name = "h.w.m", parameter = @w}
// CHECK-DAG: train.state @b.m optimizer : tensor<3xf32> {external_name = "h.b.m", parameter = @b}
// A group per weight decay, in module order; the frozen parameter is in none.
// CHECK-DAG: train.group @sweep.0 [@w, @v] : tensor<192xf32>
// CHECK-DAG: train.group @sweep.0.grad [@grad.w, @grad.v] : tensor<192xf32>
// CHECK-DAG: train.group @sweep.0.m [@w.m, @v.m] : tensor<192xf32>
// CHECK-DAG: train.group @sweep.1 [@b] : tensor<64xf32>
// CHECK-DAG: train.group @sweep.1.grad [@grad.b] : tensor<64xf32>
// CHECK-DAG: train.group @sweep.1.m [@b.m] : tensor<64xf32>
// CHECK: plan.program @apply []
// CHECK-DAG: %[[DECAY_W:.*]] = nn.constant dense<1.000000e-01> : tensor<192xf32>
// CHECK-DAG: %[[DECAY_B:.*]] = nn.constant dense<0.000000e+00> : tensor<64xf32>
// CHECK-DAG: %[[BETA_W:.*]] = nn.constant dense<5.000000e-01> : tensor<192xf32>
// CHECK-DAG: %[[BETA_B:.*]] = nn.constant dense<5.000000e-01> : tensor<64xf32>
// CHECK-DAG: %[[EPSILON:.*]] = nn.constant dense<9.9999999999999995E-7> : tensor<f64>
// CHECK-DAG: %[[CLIP:.*]] = nn.constant dense<2.000000e+00> : tensor<f64>
// CHECK-DAG: %[[ONE:.*]] = nn.constant dense<1.000000e+00> : tensor<f64>
// The norm runs over all gradients, in f64.
// CHECK: %[[GW:.*]] = train.read @sweep.0.grad : tensor<192xf32>
// CHECK: %[[GB:.*]] = train.read @sweep.1.grad : tensor<64xf32>
// CHECK: %[[SQUARE:.*]] = train.sum_squares [@sweep.0.grad, @sweep.1.grad] : tensor<f64>
// CHECK: %[[LEAST:.*]] = nn.maximum %[[SQUARE]], %{{.*}} : tensor<f64>
// CHECK: %[[NORM:.*]] = nn.sqrt %[[LEAST]]
// Where it is not finite, every variable keeps what it has (4.6).
// CHECK: %[[FINITE:.*]] = nn.compare le %[[NORM]], %{{.*}} : tensor<f64> -> tensor<i1>
// CHECK: train.write %[[NORM]], @metric.grad_norm
// CHECK: %[[SAFE:.*]] = nn.add %[[NORM]], %[[EPSILON]]
// CHECK: %[[RATIO:.*]] = nn.div %[[CLIP]], %[[SAFE]]
// CHECK: %[[COEFFICIENT:.*]] = nn.minimum %[[RATIO]], %[[ONE]]
// The schedule sees the number of this update, from 1.
// CHECK: %[[BEFORE:.*]] = train.read @optimizer.updates
// CHECK: %[[NUMBER:.*]] = nn.add %[[BEFORE]], %[[ONE]]
// CHECK: %[[COUNTED:.*]] = nn.select %[[FINITE]], %[[NUMBER]], %[[BEFORE]]
// CHECK: train.write %[[COUNTED]], @optimizer.updates
// CHECK: %[[LR:.*]] = nn.div %[[ONE]], %[[NUMBER]]
// CHECK: train.write %[[LR]], @metric.learning_rate
// CHECK: %[[POWER:.*]] = train.read @optimizer.power
// CHECK: %[[NEW_POWER:.*]] = nn.mul %[[POWER]]
// CHECK: %[[KEPT_POWER:.*]] = nn.select %[[FINITE]], %[[NEW_POWER]], %[[POWER]]
// CHECK: train.write %[[KEPT_POWER]], @optimizer.power
// The element rule over the group of w and v.
// CHECK: %[[W:.*]] = train.read @sweep.0 :
// CHECK: %[[M:.*]] = train.read @sweep.0.m :
// CHECK: %[[C32:.*]] = nn.cast %[[COEFFICIENT]] : tensor<f64> -> tensor<f32>
// CHECK: %[[CW:.*]] = nn.broadcast %[[C32]] [] : tensor<f32> -> tensor<192xf32>
// CHECK: %[[CLIPPED:.*]] = nn.mul %[[GW]], %[[CW]]
// CHECK: %[[LR32:.*]] = nn.cast %[[LR]] : tensor<f64> -> tensor<f32>
// CHECK: %[[LRW:.*]] = nn.broadcast %[[LR32]] [] : tensor<f32> -> tensor<192xf32>
// CHECK: %[[HALF:.*]] = nn.mul %[[M]], %[[BETA_W]]
// CHECK: %[[M2:.*]] = nn.add %[[HALF]], %[[CLIPPED]]
// CHECK: %[[SHRINK:.*]] = nn.mul %[[W]], %[[DECAY_W]]
// CHECK: %[[DIRECTION:.*]] = nn.add %[[M2]], %[[SHRINK]]
// CHECK: %[[STEP:.*]] = nn.mul %[[LRW]], %[[DIRECTION]]
// CHECK: %[[W2:.*]] = nn.sub %[[W]], %[[STEP]] : tensor<192xf32>
// CHECK: %[[ALL:.*]] = nn.broadcast %[[FINITE]] [] : tensor<i1> -> tensor<192xi1>
// CHECK: %[[KEPT_W:.*]] = nn.select %[[ALL]], %[[W2]], %[[W]]
// CHECK: train.write %[[KEPT_W]], @sweep.0 :
// CHECK: %[[KEPT_M:.*]] = nn.select %[[ALL]], %[[M2]], %[[M]]
// CHECK: train.write %[[KEPT_M]], @sweep.0.m :
// CHECK: train.read @sweep.1 : tensor<64xf32>
// CHECK: nn.mul %{{.*}}, %[[DECAY_B]]
// CHECK: train.write %{{.*}}, @sweep.1 :
// CHECK: train.write %{{.*}}, @sweep.1.m :
// CHECK-NOT: @frozen.m
// CHECK-NOT: train.update
module @adam {
  train.parameter @w normal : tensor<2x3xf32> {external_name = "h.w"}
  train.parameter @frozen normal : tensor<3xf32> {trainable = false, external_name = "h.frozen"}
  train.parameter @b normal : tensor<3xf32> {decay = false, external_name = "h.b"}
  train.parameter @v normal : tensor<5x13xf32> {external_name = "h.v"}
  train.state @grad.v gradient : tensor<5x13xf32> {parameter = @v}
  train.state @grad.w gradient : tensor<2x3xf32> {parameter = @w}
  train.state @grad.b gradient : tensor<3xf32> {parameter = @b}
  plan.program @apply [] {
    train.update "adam" states ["m"] scalars ["power"] values [1.0] schedule {
    ^bb0(%t: tensor<f64>):
      %one = nn.constant dense<1.0> : tensor<f64>
      %lr = nn.div %one, %t : tensor<f64>
      train.yield %lr : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>, %power: tensor<f64>):
      %beta = nn.constant dense<0.5> : tensor<f64>
      %next = nn.mul %power, %beta : tensor<f64>
      train.yield %next, %lr : tensor<f64>, tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %m: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %beta = nn.constant dense<0.5> : tensor<f32>
      %half = nn.mul %m, %beta : tensor<f32>
      %m2 = nn.add %half, %g : tensor<f32>
      %shrink = nn.mul %theta, %decay : tensor<f32>
      %direction = nn.add %m2, %shrink : tensor<f32>
      %step = nn.mul %lr, %direction : tensor<f32>
      %new = nn.sub %theta, %step : tensor<f32>
      train.yield %new, %m2 : tensor<f32>, tensor<f32>
    } {clip_norm = 2.0 : f64, weight_decay = 0.1 : f64}
  }
}

// -----

// Without clipping the norm is measured all the same; comparisons widen too; f64
// parameters need no casts. A rule that does not look at its decay is one for all.
// CHECK-LABEL: module @lion
// CHECK: train.group @sweep.0 [@w, @b, @v] : tensor<192xf64>
// CHECK-NOT: train.group @sweep.1
// CHECK: train.write %{{.*}}, @metric.grad_norm
// CHECK-NOT: nn.minimum
// CHECK-NOT: nn.cast
// CHECK: %[[POSITIVE:.*]] = nn.compare gt %{{.*}}, %{{.*}} : tensor<192xf64> -> tensor<192xi1>
// CHECK: nn.select %[[POSITIVE]], %{{.*}}, %{{.*}} : tensor<192xi1>, tensor<192xf64>
// CHECK: train.write %{{.*}}, @sweep.0
module @lion {
  train.parameter @w normal : tensor<3xf64> {external_name = "w"}
  train.parameter @b normal : tensor<3xf64> {decay = false, external_name = "b"}
  train.parameter @v normal : tensor<f64> {external_name = "v"}
  train.state @grad.w gradient : tensor<3xf64> {parameter = @w}
  train.state @grad.b gradient : tensor<3xf64> {parameter = @b}
  train.state @grad.v gradient : tensor<f64> {parameter = @v}
  plan.program @apply [] {
    train.update "lion" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      train.yield %t : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f64>, %g: tensor<f64>, %decay: tensor<f64>, %lr: tensor<f64>):
      %zero = nn.constant dense<0.0> : tensor<f64>
      %positive = nn.compare gt %g, %zero : tensor<f64> -> tensor<i1>
      %minus = nn.neg %lr : tensor<f64>
      %step = nn.select %positive, %minus, %lr : tensor<i1>, tensor<f64>
      %new = nn.add %theta, %step : tensor<f64>
      train.yield %new : tensor<f64>
    } {weight_decay = 0.1 : f64}
  }
}

// -----

// A parameter of another weight decay or learning rate is of another sweep; region
// `step` runs again with its rate, but its states are written once. TensorFlow's
// clipping adds nothing to the norm.
// CHECK-LABEL: module @rates
// CHECK-DAG: train.group @sweep.0 [@w, @same] : tensor<128xf32>
// CHECK-DAG: train.group @sweep.1 [@slow] : tensor<64xf32>
// CHECK-DAG: train.group @sweep.2 [@decayed] : tensor<64xf32>
// CHECK: plan.program @apply
// CHECK-DAG: nn.constant dense<1.000000e-01> : tensor<128xf32>
// CHECK-DAG: nn.constant dense<3.000000e-01> : tensor<64xf32>
// CHECK-DAG: %[[FACTOR:.*]] = nn.constant dense<2.500000e-01> : tensor<f64>
// CHECK: %[[NORM:.*]] = nn.sqrt
// CHECK: %[[NOTHING:.*]] = nn.add %[[NORM]], %{{.*}} : tensor<f64>
// CHECK: nn.div %{{.*}}, %[[NOTHING]]
// CHECK: %[[LR:.*]] = nn.neg %{{.*}} : tensor<f64>
// CHECK: train.write %[[LR]], @metric.learning_rate
// CHECK: %[[POWER:.*]] = train.read @optimizer.power
// CHECK: %[[DERIVED:.*]] = nn.mul %[[LR]], %[[POWER]]
// CHECK: %[[KEPT:.*]] = nn.select %{{.*}}, %[[DERIVED]], %[[POWER]]
// CHECK: train.write %[[KEPT]], @optimizer.power
// CHECK-NOT: train.write %{{.*}}, @optimizer.power
// CHECK: train.write %{{.*}}, @sweep.0
// CHECK: %[[SLOW:.*]] = nn.mul %[[LR]], %[[FACTOR]]
// CHECK: %[[SLOWER:.*]] = nn.mul %[[SLOW]], %[[POWER]]
// CHECK: nn.cast %[[SLOWER]]
// CHECK: train.write %{{.*}}, @sweep.1
// CHECK: train.write %{{.*}}, @sweep.2
module @rates {
  train.parameter @w normal : tensor<3xf32> {external_name = "w"}
  train.parameter @slow normal : tensor<3xf32> {rate_factor = 0.25 : f64, external_name = "slow"}
  train.parameter @decayed normal : tensor<3xf32> {weight_decay = 0.3 : f64, external_name = "decayed"}
  train.parameter @same normal : tensor<3xf32> {weight_decay = 0.1 : f64, external_name = "same"}
  train.state @grad.w gradient : tensor<3xf32> {parameter = @w}
  train.state @grad.slow gradient : tensor<3xf32> {parameter = @slow}
  train.state @grad.decayed gradient : tensor<3xf32> {parameter = @decayed}
  train.state @grad.same gradient : tensor<3xf32> {parameter = @same}
  plan.program @apply [] {
    train.update "rule" states [] scalars ["power"] values [1.0] schedule {
    ^bb0(%t: tensor<f64>):
      %lr = nn.neg %t : tensor<f64>
      train.yield %lr : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>, %power: tensor<f64>):
      %d = nn.mul %lr, %power : tensor<f64>
      train.yield %d, %d : tensor<f64>, tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %shrink = nn.mul %theta, %decay : tensor<f32>
      %direction = nn.add %g, %shrink : tensor<f32>
      %step = nn.mul %lr, %direction : tensor<f32>
      %new = nn.sub %theta, %step : tensor<f32>
      train.yield %new : tensor<f32>
    } {clip_norm = 2.0 : f64, clip_epsilon = 0.0 : f64, weight_decay = 0.1 : f64}
  }
}

// -----

// A schedule in tokens sees those consumed over those of a whole step.
// CHECK-LABEL: module @tokens
// CHECK: plan.program @apply ["control.tokens"]
// CHECK: ^bb0(%[[TOKENS:.*]]: tensor<i64>):
// CHECK-DAG: %[[WHOLE:.*]] = nn.constant dense<6.400000e+01> : tensor<f64>
// CHECK: train.write %{{.*}}, @optimizer.updates
// CHECK: %[[CONSUMED:.*]] = nn.cast %[[TOKENS]] : tensor<i64> -> tensor<f64>
// CHECK: %[[NUMBER:.*]] = nn.div %[[CONSUMED]], %[[WHOLE]]
// CHECK: %[[LR:.*]] = nn.neg %[[NUMBER]]
// CHECK: train.write %[[LR]], @metric.learning_rate
module @tokens {
  train.parameter @w normal : tensor<3xf32> {external_name = "w"}
  train.state @grad.w gradient : tensor<3xf32> {parameter = @w}
  plan.program @apply [] {
    train.update "rule" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      %lr = nn.neg %t : tensor<f64>
      train.yield %lr : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %step = nn.mul %lr, %g : tensor<f32>
      %new = nn.sub %theta, %step : tensor<f32>
      train.yield %new : tensor<f32>
    } {tokens_per_update = 64.0 : f64}
  }
}

// -----

// No update, no optimizer: nothing changes.
// CHECK-LABEL: module @predict {
// CHECK-NOT: train.state
module @predict {
  train.parameter @w normal : tensor<3xf64> {external_name = "w"}
}
