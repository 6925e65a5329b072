// RUN: %trainc-opt %s --trainc-verify-counts --split-input-file --verify-diagnostics

module {
  train.parameter @w normal : tensor<f64> {scale = 1.0 : f64, external_name = "w"}
  train.step @step ["x"] {
  ^bb0(%x: tensor<f64>):
    // expected-note @+1 {{through this operation}}
    %w = train.read @w : tensor<f64>
    %n = nn.add %x, %w : tensor<f64>
    // expected-error @+1 {{expected the count of term "a" to depend on inputs only, but got one that depends on a variable}}
    train.loss "a" %x, %n : tensor<f64>
    train.gradient
  }
}

// -----

module {
  train.step @step ["x", "control.random"] {
  ^bb0(%x: tensor<4xf64>, %r: tensor<3xi64>):
    // expected-note @+1 {{through this operation}}
    %d = nn.dropout %x, %r {rate = 0.5 : f64, batch_rows = 4 : i64, stream = 1 : i64} : tensor<4xf64>, tensor<3xi64>
    %n = nn.reduce_sum %d [0] : tensor<4xf64> -> tensor<f64>
    // expected-error @+1 {{expected the count of term "a" to depend on inputs only, but got one that depends on noise}}
    train.loss "a" %n, %n : tensor<f64>
    train.gradient
  }
}

// -----

module {
  // expected-error @+1 {{expected at least one train.loss, but got none}}
  train.step @step ["x"] {
  ^bb0(%x: tensor<f64>):
    train.gradient
  }
}

// -----

// expected-error @+1 {{expected one train.step, but got 0}}
module {
}
