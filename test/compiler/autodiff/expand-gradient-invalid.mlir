// RUN: %trainc-opt %s -split-input-file --trainc-expand-gradient -verify-diagnostics

train.parameter @w normal : tensor<f32> {external_name = "w"}
// expected-error @below {{expected every trainable parameter to reach a loss, but got none for 'transformer.unused'}}
train.parameter @unused normal : tensor<4xf32> {external_name = "transformer.unused"}
plan.program @accumulate [] {
  %w = train.read @w : tensor<f32>
  %u = train.read @unused : tensor<4xf32>
  %e = nn.exp %u : tensor<4xf32>
  %sum = nn.cast %w : tensor<f32> -> tensor<f64>
  train.loss "l" %sum, %sum : tensor<f64>
  train.gradient
}

// -----
// A truncation to integers cuts the dependence.
// expected-error @below {{expected every trainable parameter to reach a loss, but got none for 'w'}}
train.parameter @w normal : tensor<f32> {external_name = "w"}
plan.program @accumulate [] {
  %w = train.read @w : tensor<f32>
  %i = nn.cast %w : tensor<f32> -> tensor<i32>
  %sum = nn.cast %i : tensor<i32> -> tensor<f64>
  train.loss "l" %sum, %sum : tensor<f64>
  train.gradient
}

// -----
train.parameter @w normal : tensor<8xf32> {external_name = "w"}
plan.program @accumulate [] {
  %w = train.read @w : tensor<8xf32>
  // expected-error @below {{expected an operation with a derivative between trainable parameters and a loss}}
  %y = nn.gelu_grad erf %w, %w : tensor<8xf32>
  %sum = nn.reduce_sum %y [0] : tensor<8xf32> -> tensor<f64>
  train.loss "l" %sum, %sum : tensor<f64>
  train.gradient
}

// -----
train.parameter @w normal : tensor<2x8xf32> {external_name = "w"}
plan.program @accumulate ["g"] {
^bb0(%g: tensor<8xf32>):
  %w = train.read @w : tensor<2x8xf32>
  // expected-error @below {{expected only the normalised result to reach a loss}}
  %y, %mean, %rstd = nn.layer_norm %w, %g, %g {epsilon = 1.0e-5 : f64} : tensor<2x8xf32>, tensor<8xf32> -> tensor<2xf32>
  %sum = nn.reduce_sum %mean [0] : tensor<2xf32> -> tensor<f64>
  train.loss "l" %sum, %sum : tensor<f64>
  train.gradient
}

// -----
train.parameter @r normal : tensor<2x7xf32> {external_name = "r"}
plan.program @accumulate ["q"] {
^bb0(%q: tensor<2x4x2x8xf32>):
  %r = train.read @r : tensor<2x7xf32>
  // expected-error @below {{expected a frozen relative_bias}}
  %o, %lse = nn.attention none %q, %q, %q relative_bias %r : tensor<2x7xf32> {scale = 1.0 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  %sum = nn.reduce_sum %o [0, 1, 2, 3] : tensor<2x4x2x8xf32> -> tensor<f64>
  train.loss "l" %sum, %sum : tensor<f64>
  train.gradient
}

// -----
train.parameter @w normal : tensor<f64> {external_name = "w"}
plan.program @accumulate [] {
  %w = train.read @w : tensor<f64>
  // expected-error @below {{expected every train.loss before train.gradient, but got "l" after it}}
  train.gradient
  train.loss "l" %w, %w : tensor<f64>
}

// -----
plan.program @accumulate [] {
  train.gradient
  // expected-error @below {{expected one train.gradient in a program, but got a second}}
  train.gradient
}
