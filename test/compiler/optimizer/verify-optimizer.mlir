// RUN: %trainc-opt %s -split-input-file --trainc-verify-optimizer -verify-diagnostics

plan.program @apply [] {
  // expected-error @below {{expected none after the optimizer stage, but got one}}
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
// expected-error @below {{expected program @apply to write every trainable parameter, but it does not write this one}}
train.parameter @w normal : tensor<f64> {external_name = "w"}
plan.program @apply [] {
}

// -----
// expected-error @below {{expected program @apply to write no frozen parameter, but it writes this one}}
train.parameter @w normal : tensor<f64> {trainable = false, external_name = "w"}
plan.program @apply [] {
  %0 = nn.constant dense<0.0> : tensor<f64>
  train.write %0, @w : tensor<f64>
}

// -----
// expected-error @below {{expected a program @initialize, but got none}}
module {
}

// -----
// expected-error @below {{expected program @initialize to write this, but it does not}}
train.parameter @w normal : tensor<f64> {external_name = "w"}
plan.program @initialize [] {
}

// -----
train.parameter @w normal : tensor<f64> {external_name = "same"}
// expected-error @below {{expected distinct external names, but got 'same' twice}}
train.parameter @v normal : tensor<f64> {external_name = "same"}
plan.program @initialize [] {
  %0 = nn.constant dense<0.0> : tensor<f64>
  train.write %0, @w : tensor<f64>
  train.write %0, @v : tensor<f64>
}
