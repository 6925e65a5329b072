// RUN: %trainc-opt %s --trainc-expand-step --verify-diagnostics

module {
  // expected-note @+1 {{the other one is here}}
  train.state @loss.a.sum metric : tensor<f64>
  train.step @step ["x"] {
  ^bb0(%x: tensor<f64>):
    // expected-error @+1 {{expected @loss.a.sum to be free for the state that this makes, but got a symbol of that name}}
    train.loss "a" %x, %x : tensor<f64>
    train.gradient
  }
}
