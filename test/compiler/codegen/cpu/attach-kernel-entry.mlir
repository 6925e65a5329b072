// RUN: %trainc-opt %s --pass-pipeline="builtin.module(builtin.module(trainc-attach-kernel-entry))" | FileCheck %s

// One buffer, and one temporary at byte 64 of scratch (the second word of the
// arguments of runtime/abi/KernelAbi.h).
// CHECK: llvm.func hidden @k(%[[ARGS:.*]]: !llvm.ptr, %[[WORKGROUP:.*]]: i32)
// CHECK: %[[BUFFERS:.*]] = llvm.load %[[ARGS]]
// CHECK: %[[X:.*]] = llvm.load %[[BUFFERS]]
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[ARGS]][8]
// CHECK: %[[SCRATCH:.*]] = llvm.load %[[FIELD]]
// CHECK: %[[T:.*]] = llvm.getelementptr %[[SCRATCH]][64]
// CHECK: %[[W:.*]] = llvm.zext %[[WORKGROUP]]
// CHECK: llvm.call @k.body(%[[X]], %[[T]], %[[W]])
// CHECK: llvm.func internal @k.body(%{{.*}}: !llvm.ptr {llvm.align = 64 : i64, llvm.dereferenceable = 16 : i64, llvm.noalias, llvm.noundef}
module {
module @k.code attributes {codegen.kernel = @k, codegen.argument_bytes = array<i64: 16, 12>,
                           codegen.scratch_offsets = array<i64: 64>, codegen.scratch_bytes = 128 : i64} {
  llvm.func @k.body(%x: !llvm.ptr, %t: !llvm.ptr, %w: i64) {
    llvm.return
  }
}
}
