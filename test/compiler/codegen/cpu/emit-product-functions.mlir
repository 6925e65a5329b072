// RUN: %trainc-opt %s --pass-pipeline="builtin.module(trainc-emit-product-functions{cpu=x86-64-v4})" | FileCheck %s

// One definition however many kernels call it, in order of their names.

// CHECK: module @product.multiply_rows.f32.8x3.code attributes {codegen.shared}
// CHECK-NEXT: func.func @product.multiply_rows.f32.8x3(%{{.*}}: memref<f32> {llvm.noalias}
// Lines of C are asked for before the tile, of A's next rows during it.
// CHECK: memref.prefetch
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> ({{(vector<16xf32>,? ?)+}})
// CHECK: memref.prefetch
// CHECK-COUNT-96: vector.fma
// CHECK: scf.yield
// The rest of the depth, then whole tiles and edges.
// CHECK-COUNT-24: vector.fma
// CHECK: scf.yield
// CHECK: vector.store
// CHECK: vector.maskedstore

// In tiles: two tiles of columns, two of rows, four products; what is at an edge of C goes
// by way of scratch.
// CHECK: module @product.multiply_rows.f32.bf16.tiles.32x2.code attributes {codegen.features = ["amx-tile", "amx-bf16"], codegen.shared}
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK: llvm.call_intrinsic "llvm.x86.tilezero"
// CHECK: memref.prefetch
// CHECK: llvm.call_intrinsic "llvm.x86.tileloaddt164"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloaddt164"
// CHECK-NOT: tileload
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK-COUNT-8: llvm.call_intrinsic "llvm.x86.tilestored64"
// CHECK: llvm.intr.masked.store
// CHECK: llvm.call_intrinsic "llvm.x86.tilerelease"

// CHECK: module @product.multiply_rows.f64.8x3.transposed.code attributes {codegen.shared}
// Rows of the next panels are copied during the tile.
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> ({{(vector<8xf64>,? ?)+}})
// CHECK: vector.maskedload
// CHECK: vector.store
// CHECK: vector.fma

// CHECK: module @product.pack_columns.f32.3.transposed.code attributes {codegen.shared}
// CHECK: vector.shuffle
// CHECK-NOT: codegen.shared

module @one attributes {codegen.kernel = @one} {
  func.func private @product.pack_columns.f32.3.transposed(memref<f32>, index, index, memref<f32>, index, index, index) attributes {codegen.product = {columns = 3 : i64, element = f32, kind = 0 : i64, pairs = 0 : i64, rows = 0 : i64, stored = f32, transposed = true}}
  func.func private @product.multiply_rows.f32.8x3(memref<f32>, index, index, memref<f32>, index, memref<f32>, index, index, index, index, index, i1) attributes {codegen.product = {columns = 3 : i64, element = f32, kind = 1 : i64, pairs = 0 : i64, rows = 8 : i64, stored = f32, transposed = false}}
}
module @three attributes {codegen.kernel = @three} {
  func.func private @product.multiply_rows.f32.bf16.tiles.32x2(memref<bf16>, index, index, memref<bf16>, index, memref<f32>, index, index, index, index, index, i1, memref<bf16>) attributes {codegen.product = {columns = 2 : i64, element = f32, kind = 1 : i64, pairs = 2 : i64, rows = 32 : i64, stored = bf16, transposed = false}}
}
module @two attributes {codegen.kernel = @two} {
  func.func private @product.multiply_rows.f32.8x3(memref<f32>, index, index, memref<f32>, index, memref<f32>, index, index, index, index, index, i1) attributes {codegen.product = {columns = 3 : i64, element = f32, kind = 1 : i64, pairs = 0 : i64, rows = 8 : i64, stored = f32, transposed = false}}
  func.func private @product.multiply_rows.f64.8x3.transposed(memref<f64>, index, index, memref<f64>, index, memref<f64>, index, index, index, index, index, i1, memref<f64>) attributes {codegen.product = {columns = 3 : i64, element = f64, kind = 1 : i64, pairs = 0 : i64, rows = 8 : i64, stored = f64, transposed = true}}
}
