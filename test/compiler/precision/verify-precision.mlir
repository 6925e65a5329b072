// RUN: %trainc-opt %s -split-input-file --trainc-verify-precision -verify-diagnostics

// expected-error @below {{expected compute = "float32" in [precision], but got "bfloat16"; this version computes in float32 only}}
module attributes {train.compute = "bfloat16"} {
}

// -----
// expected-error @below {{expected compute = "float32" in [precision], but got "float16"}}
module attributes {train.compute = "float16"} {
}

// -----
// expected-error @below {{expected f32 or f64 with compute = "float32", but got 'tensor<4xbf16>'}}
train.parameter @w normal : tensor<4xbf16> {external_name = "w"}

// -----
// expected-error @below {{expected f32 or f64 with compute = "float32", but got 'tensor<4xf16>'}}
train.state @s output : tensor<4xf16>

// -----
// expected-error @below {{expected f32 or f64 with compute = "float32", but got 'tensor<4xf16>'}}
plan.program @predict ["x"] {
^bb0(%x: tensor<4xf16>):
}

// -----
plan.program @predict ["x"] {
^bb0(%x: tensor<4xf32>):
  // expected-error @below {{expected f32 or f64 with compute = "float32", but got 'tensor<4xbf16>'}}
  %0 = nn.cast %x : tensor<4xf32> -> tensor<4xbf16>
}

// -----
// f32, f64 and integers pass.
module attributes {train.compute = "float32"} {
  train.parameter @w normal : tensor<4xf64> {external_name = "w"}
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4xi32>):
    %0 = nn.cast %x : tensor<4xi32> -> tensor<4xf32>
    %1 = nn.reduce_sum %0 [0] : tensor<4xf32> -> tensor<f64>
  }
}
