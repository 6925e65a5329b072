// RUN: %trainc-opt %s -split-input-file -verify-diagnostics --trainc-outline-kernels

module {
  plan.program @predict ["q", "bias"] {
  ^bb0(%q: tensor<1x4x2x8xf32>, %bias: tensor<2x7xf32>):
    // expected-error @below {{expected no relative_bias: its lowering does not exist yet}}
    %o, %lse = nn.attention none %q, %q, %q relative_bias %bias : tensor<2x7xf32> {scale = 1.0 : f64}
        : tensor<1x4x2x8xf32>, tensor<1x4x2x8xf32> -> tensor<1x2x4xf32>
  }
}

// -----

module {
  plan.program @predict ["q"] {
  ^bb0(%q: tensor<1x4x2x8xf32>):
    // expected-error @below {{expected lengths with the prefix mask, but got none}}
    %o, %lse = nn.attention prefix %q, %q, %q {scale = 1.0 : f64}
        : tensor<1x4x2x8xf32>, tensor<1x4x2x8xf32> -> tensor<1x2x4xf32>
  }
}
