// RUN: %trainc-opt %s --pass-pipeline="builtin.module(builtin.module(trainc-assign-scratch))" --split-input-file --verify-diagnostics | FileCheck %s

// 12 bytes, then a dynamic size of at most 40 floats from the next multiple of 64.
// CHECK: module @k.code attributes {codegen.argument_bytes = array<i64: 16, 12, 160>, codegen.kernel = @k
// CHECK-SAME: codegen.scratch_bytes = 256 : i64, codegen.scratch_offsets = array<i64: 0, 64>
// CHECK: func.func @k.body(%{{.*}}: memref<4xf32>, %[[T:.*]]: memref<3xf32>, %[[U:.*]]: memref<160xi8>, %{{.*}}: index)
// CHECK-NOT: memref.alloc
// CHECK: memref.view %[[U]]
module {
module @k.code attributes {codegen.kernel = @k} {
  func.func @k.body(%x: memref<4xf32>, %w: index) {
    %n = affine.min affine_map<(d0) -> (d0, 40)>(%w)
    %t = memref.alloca() : memref<3xf32>
    %u = memref.alloc(%n) : memref<?xf32>
    %c0 = arith.constant 0 : index
    %v = memref.load %t[%c0] : memref<3xf32>
    memref.store %v, %u[%c0] : memref<?xf32>
    memref.dealloc %u : memref<?xf32>
    return
  }
}
}

// -----

module {
module @k.code attributes {codegen.kernel = @k} {
  func.func @k.body(%x: memref<4xf32>, %w: index) {
    // expected-error @+1 {{extent 0 is unbounded; take its size from affine.min with a constant}}
    %u = memref.alloc(%w) : memref<?xf32>
    return
  }
}
}

// -----

// Temporaries come before the launch's constant and the workgroup.
// CHECK: module @c.code attributes {codegen.argument_bytes = array<i64: 16, 12>
// CHECK: func.func @c.body(%{{.*}}: memref<4xf32>, %{{.*}}: memref<3xf32>, %[[C:.*]]: i64, %{{.*}}: index)
// CHECK: arith.trunci %[[C]]
module {
module @c.code attributes {codegen.kernel = @c} {
  func.func @c.body(%x: memref<4xf32>, %c: i64, %w: index) {
    %t = memref.alloca() : memref<3xf32>
    %n = arith.trunci %c : i64 to i32
    %f = arith.sitofp %n : i32 to f32
    memref.store %f, %t[%w] : memref<3xf32>
    return
  }
}
}
