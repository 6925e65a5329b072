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

// A launch's constant is the fifth word of the arguments.
// CHECK: llvm.func hidden @c(%[[ARGS:.*]]: !llvm.ptr, %[[WORKGROUP:.*]]: i32)
// CHECK: %[[X:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[ARGS]][24]
// CHECK: %[[C:.*]] = llvm.load %[[FIELD]] : !llvm.ptr -> i64
// CHECK: %[[W:.*]] = llvm.zext %[[WORKGROUP]]
// CHECK: llvm.call @c.body(%{{.*}}, %[[C]], %[[W]]) : (!llvm.ptr, i64, i64) -> ()
module {
module @k.code attributes {codegen.kernel = @k, codegen.argument_bytes = array<i64: 16, 12>,
                           codegen.scratch_offsets = array<i64: 64>, codegen.scratch_bytes = 128 : i64} {
  llvm.func @k.body(%x: !llvm.ptr, %t: !llvm.ptr, %w: i64) {
    llvm.return
  }
}
module @c.code attributes {codegen.kernel = @c, codegen.argument_bytes = array<i64: 16>,
                           codegen.scratch_offsets = array<i64>, codegen.scratch_bytes = 0 : i64} {
  llvm.func @c.body(%x: !llvm.ptr, %c: i64, %w: i64) {
    llvm.return
  }
}
}
