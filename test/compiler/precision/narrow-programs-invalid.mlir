// RUN: %trainc-opt %s -split-input-file --trainc-narrow-programs -verify-diagnostics

// expected-error @below {{expected train.compute "float32", "bfloat16" or "float16", but got "int8"}}
module attributes {train.compute = "int8"} {
}

// -----
module attributes {train.compute = "bfloat16"} {
  train.parameter @w normal : tensor<4x4xf32> {external_name = "w"}
  // expected-error @below {{expected the name @w.bf16 to be free for copies in 16 bits, but got this; rename it}}
  train.parameter @w.bf16 normal : tensor<4x4xf32> {external_name = "w2"}
  train.state @y output : tensor<4x4xf32>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4x4xf32>):
    %w = train.read @w : tensor<4x4xf32>
    %p = nn.matmul %x, %w : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
    train.write %p, @y : tensor<4x4xf32>
  }
}
