// RUN: %trainc-opt %s -split-input-file --trainc-verify-autodiff -verify-diagnostics

plan.program @accumulate [] {
  // expected-error @below {{expected none after the autodiff stage, but got one}}
  train.gradient
}

// -----
plan.program @evaluate [] {
  %0 = nn.constant dense<0.0> : tensor<f64>
  // expected-error @below {{expected none after the autodiff stage, but got one}}
  train.loss "l" %0, %0 : tensor<f64>
}

// -----
// expected-error @below {{expected program @accumulate to write the gradient state @grad.w, but it does not}}
train.parameter @w normal : tensor<f64> {external_name = "w"}
train.state @grad.w gradient : tensor<f64> {parameter = @w}
plan.program @accumulate [] {
}

// -----
train.parameter @w normal : tensor<f64> {trainable = false, external_name = "w"}
// expected-error @below {{expected no gradient of a frozen parameter, but got one}}
train.state @grad.w gradient : tensor<f64> {parameter = @w}
plan.program @accumulate [] {
}

// -----
// Some gradients are not enough.
train.parameter @v normal : tensor<f64> {external_name = "v"}
// expected-error @below {{expected program @accumulate to write the gradient state @grad.w, but it does not}}
train.parameter @w normal : tensor<f64> {external_name = "w"}
train.state @grad.v gradient : tensor<f64> {parameter = @v}
plan.program @accumulate [] {
  %0 = nn.constant dense<0.0> : tensor<f64>
  train.write %0, @grad.v : tensor<f64>
}

// -----
// A module that only evaluates needs no gradients.
train.parameter @w normal : tensor<f64> {external_name = "w"}
plan.program @accumulate [] {
}
