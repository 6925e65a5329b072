// RUN: %trainc-opt %s --trainc-verify-objective --split-input-file --verify-diagnostics

module attributes {train.loss_terms = [{name = "a"}]} {
  // expected-error @+1 {{expected none after the objective stage, but got one}}
  train.step @step ["x"] {
  ^bb0(%x: tensor<f64>):
  }
}

// -----

// expected-error @+1 {{expected at least one loss term in train.loss_terms, but got none}}
module {
  plan.program @count [] {
  }
}

// -----

// expected-error @+1 {{expected program @accumulate, but got a module without it}}
module attributes {train.loss_terms = [{name = "a"}]} {
  plan.program @count [] {
  }
}

// -----

// expected-error @+1 {{expected 1 terms of train.loss_terms in @accumulate, but got 0}}
module attributes {train.loss_terms = [{name = "a"}]} {
  plan.program @count [] {
  }
  plan.program @accumulate [] {
  }
  plan.program @evaluate [] {
  }
}

// -----

module attributes {train.loss_terms = [{name = "a"}]} {
  plan.program @count [] {
  }
  plan.program @accumulate ["n"] {
  ^bb0(%n: tensor<f64>):
    // expected-error @+1 {{expected state @loss.a.sum, but got a module without it}}
    train.loss "a" %n, %n : tensor<f64>
  }
  plan.program @evaluate [] {
  }
}
