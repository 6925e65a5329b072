// RUN: %trainc-opt %s --split-input-file --verify-diagnostics --trainc-verify-codegen-contract

// expected-error @+1 {{expected plan.code @cpu after code generation}}
module {}

// -----

module {
  plan.code @cpu target "cpu:znver4" triple "x86_64-unknown-linux-gnu" features ["avx2"] image dense<0> : tensor<16xi8>
  // expected-error @+1 {{expected an entry inside the code's 16 bytes, but got 16}}
  plan.kernel @k access [2] computes "k" {
  ^bb0(%x: memref<4xf32>):
    plan.return
  } {workgroups = 1 : i64, scratch_bytes = 0 : i64, entry_offset = 16 : i64, abi_version = 2 : i32}
}

// -----

module {
  plan.code @cpu target "cpu:znver4" triple "x86_64-unknown-linux-gnu" features ["avx2"] image dense<0> : tensor<16xi8>
  // expected-error @+1 {{expected workgroups, scratch_bytes, entry_offset and abi_version}}
  plan.kernel @k access [2] computes "k" {
  ^bb0(%x: memref<4xf32>):
    plan.return
  } {workgroups = 1 : i64}
}
