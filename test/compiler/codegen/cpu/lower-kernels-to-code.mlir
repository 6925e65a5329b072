// RUN: %trainc-opt %s --split-input-file --verify-diagnostics --trainc-lower-kernels-to-code=cpu=x86-64-v3 | FileCheck %s
// The part that links comes last: LLD resets LLVM's command line options.

// A call that nobody defines names the kernel and the symbol.
// expected-error @+1 {{in kernel 'k': expected code that calls nothing, but it needs 'memcpy_of_my_dreams'}}
plan.kernel @k access [2] computes "k" {
^bb0(%x: memref<4xf32>):
  plan.return
}
module @k.code attributes {codegen.kernel = @k, codegen.scratch_bytes = 0 : i64} {
  llvm.func @memcpy_of_my_dreams()
  llvm.func @k(%arguments: !llvm.ptr, %w: i32) {
    llvm.call @memcpy_of_my_dreams() : () -> ()
    llvm.return
  }
}

// -----

// Writable data has no place in an image that is mapped read-execute.
// expected-error @+1 {{in kernel 'k': expected no writable data}}
plan.kernel @k access [2] computes "k" {
^bb0(%x: memref<4xf32>):
  plan.return
}
module @k.code attributes {codegen.kernel = @k, codegen.scratch_bytes = 0 : i64} {
  llvm.mlir.global external @counter(7 : i32) : i32
  llvm.func @k(%arguments: !llvm.ptr, %w: i32) {
    %p = llvm.mlir.addressof @counter : !llvm.ptr
    llvm.store %w, %p : i32, !llvm.ptr
    llvm.return
  }
}

// -----

// CHECK: plan.code @cpu target "cpu:x86-64-v3" triple "x86_64-unknown-linux-gnu" features [{{.*}}"avx2"{{.*}}"fma"
// CHECK: plan.kernel @k
// CHECK: } {abi_version = 2 : i32, entry_offset = {{[0-9]+}} : i64, scratch_bytes = 128 : i64
// CHECK-NOT: module
plan.kernel @k access [2] computes "k" {
^bb0(%x: memref<4xf32>):
  plan.return
}
module @k.code attributes {codegen.kernel = @k, codegen.scratch_bytes = 128 : i64} {
  llvm.func @k(%arguments: !llvm.ptr, %w: i32) {
    llvm.return
  }
}
