// RUN: %trainc-opt %s -split-input-file --trainc-verify-precision -verify-diagnostics

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

// -----
// The other 16-bit type is none of this module.
module attributes {train.compute = "bfloat16"} {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4xf32>):
    // expected-error @below {{expected f32 or f64 with compute = "bfloat16", but got 'tensor<4xf16>'}}
    %0 = nn.cast %x : tensor<4xf32> -> tensor<4xf16>
  }
}

// -----
// Nothing but what takes 16 bits computes with them.
module attributes {train.compute = "float16"} {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4x4xf32>):
    %0 = nn.cast %x : tensor<4x4xf32> -> tensor<4x4xf16>
    %1 = nn.matmul %0, %0 : tensor<4x4xf16>, tensor<4x4xf16> -> tensor<4x4xf32>
    // expected-error @below {{expected f32 or f64 here with compute = "float16", but got 'tensor<4x4xf16>'}}
    %2 = nn.exp %0 : tensor<4x4xf16>
  }
}

// -----
// Parameters are f32; their copies are not.
module attributes {train.compute = "bfloat16"} {
  train.parameter @w normal : tensor<4xf32> {external_name = "w"}
  train.state @w.bf16 copy : tensor<4xbf16> {parameter = @w}
  // expected-error @below {{expected f32 or f64 here with compute = "bfloat16", but got 'tensor<4xbf16>'}}
  train.state @w.m optimizer : tensor<4xbf16> {parameter = @w, external_name = "w.m"}
}
