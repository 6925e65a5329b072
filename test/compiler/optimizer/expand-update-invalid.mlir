// RUN: %trainc-opt %s -split-input-file --trainc-expand-update -verify-diagnostics

train.parameter @w normal : tensor<3xf64> {external_name = "w"}
plan.program @apply [] {
  // expected-error @below {{expected a gradient state @grad.w of every trainable parameter, but got none}}
  train.update "sgd" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f64>, %g: tensor<f64>, %decay: tensor<f64>):
    train.yield %theta : tensor<f64>
  }
}

// -----
train.parameter @w normal : tensor<3xf64> {external_name = "w"}
train.state @grad.w gradient : tensor<3xf64> {parameter = @w}
plan.program @apply [] {
  // expected-error @below {{expected region 'element' in the type 'f64' of parameter 'w', but got 'tensor<f32>'}}
  train.update "sgd" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>):
    train.yield %theta : tensor<f32>
  }
}

// -----
train.parameter @w normal : tensor<f64> {external_name = "w"}
train.state @grad.w gradient : tensor<f64> {parameter = @w}
// expected-error @below {{expected the name @w.m to be free for a state of the optimizer, but got this}}
train.parameter @w.m normal : tensor<f64> {trainable = false, external_name = "w.m"}
plan.program @apply [] {
  train.update "sgd" states ["m"] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f64>, %g: tensor<f64>, %m: tensor<f64>, %decay: tensor<f64>):
    train.yield %theta, %m : tensor<f64>, tensor<f64>
  }
}

// -----
train.step @step [] {
  // expected-error @below {{expected train.update in a plan.program after the objective stage, but got it elsewhere}}
  train.update "sgd" states [] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f64>, %g: tensor<f64>, %decay: tensor<f64>):
    train.yield %theta : tensor<f64>
  }
}
