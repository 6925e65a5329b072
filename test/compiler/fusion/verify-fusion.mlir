// RUN: %trainc-opt %s -split-input-file -verify-diagnostics --trainc-verify-fusion

module {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4xf32>):
    // expected-error @below {{expected no nn operations after fusion, but got 'nn.neg'}}
    %y = nn.neg %x : tensor<4xf32>
  }
}

// -----

module {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4xf32>):
    // expected-error @below {{expected a flat list of reads, views, launches and writes after fusion, but got 'arith.constant'}}
    %c = arith.constant 1.0 : f32
  }
}
