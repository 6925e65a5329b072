// RUN: %trainc-opt %s --split-input-file --pass-pipeline="builtin.module(trainc-lower-contractions{cpu=x86-64-v4})" | FileCheck %s

// Blocks of the depth of equal size, B packed once per block, the fill folded:
// the first block replaces C.
// CHECK-LABEL: func.func private @product.multiply_rows.f32.8x3(
// CHECK-SAME: codegen.product = {columns = 3 : i64, element = f32, kind = 1 : i64, pairs = 0 : i64, rows = 8 : i64, stored = f32, transposed = false}
// CHECK: func.func private @product.pack_columns.f32.3(
// CHECK-LABEL: func.func @product
// CHECK-NOT: linalg.
// CHECK: memref.alloc() {alignment = 64 : i64} : memref<[[PACKED:.*]]xf32>
// CHECK: %[[STEP:.*]] = arith.constant 512 : index
// CHECK: scf.for %[[PC:.*]] = %{{.*}} to %{{.*}} step %[[STEP]]
// CHECK: func.call @product.pack_columns.f32.3(
// CHECK: %[[LATER:.*]] = arith.cmpi sgt, %[[PC]], %{{.*}}
// CHECK: func.call @product.multiply_rows.f32.8x3({{.*}}, %[[LATER]])
func.func @product(%a: memref<16x1000xf32>, %b: memref<1000x96xf32>, %c: memref<16x96xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%c : memref<16x96xf32>)
  linalg.matmul ins(%a, %b : memref<16x1000xf32>, memref<1000x96xf32>) outs(%c : memref<16x96xf32>)
  return
}

// -----

// Layouts choose functions; a transposed A brings room for its panels.
// CHECK-LABEL: func.func private @product.multiply_rows.f32.8x3.transposed(
// CHECK: func.func private @product.pack_columns.f32.3.transposed(
// CHECK-LABEL: func.func @transposed
// CHECK-COUNT-2: memref.alloc()
// CHECK: func.call @product.pack_columns.f32.3.transposed(
// CHECK: func.call @product.multiply_rows.f32.8x3.transposed(
func.func @transposed(%a: memref<64x16xf32>, %b: memref<96x64xf32>, %c: memref<16x96xf32>) {
  linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>],
                  iterator_types = ["parallel", "parallel", "reduction"]}
    ins(%a, %b : memref<64x16xf32>, memref<96x64xf32>) outs(%c : memref<16x96xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }
  return
}

// -----

// What goes on with C element by element does so part by part, after the last
// block of the depth.
// CHECK-LABEL: func.func @epilogue
// CHECK: scf.for
// CHECK: scf.if
// CHECK: func.call @product.multiply_rows
// CHECK: } else {
// CHECK: %[[ROWS:.*]] = arith.constant 64 : index
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step %[[ROWS]]
// CHECK: func.call @product.multiply_rows
// CHECK-DAG: %[[BIAS:.*]] = memref.subview %arg3[%{{.*}}] [96] [1]
// CHECK-DAG: %[[PART:.*]] = memref.subview %arg2[%[[I]], %{{.*}}] [64, 96] [1, 1]
// CHECK: linalg.generic {{.*}} ins(%[[BIAS]] : {{.*}}) outs(%[[PART]] :
// CHECK: linalg.index 0
// CHECK: affine.apply {{.*}}%[[I]]
// CHECK-NOT: linalg.generic
func.func @epilogue(%a: memref<128x1000xf32>, %b: memref<1000x96xf32>, %c: memref<128x96xf32>, %bias: memref<96xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%c : memref<128x96xf32>)
  linalg.matmul ins(%a, %b : memref<128x1000xf32>, memref<1000x96xf32>) outs(%c : memref<128x96xf32>)
  linalg.generic {indexing_maps = [affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]}
    ins(%bias : memref<96xf32>) outs(%c : memref<128x96xf32>) {
  ^bb0(%x: f32, %z: f32):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i32
    %f = arith.sitofp %j : i32 to f32
    %s = arith.addf %z, %x : f32
    %t = arith.mulf %s, %f : f32
    linalg.yield %t : f32
  }
  return
}

// -----

// An operation that writes what the product still reads waits for the whole.
// CHECK-LABEL: func.func @overwrites
// CHECK: func.call @product.multiply_rows
// CHECK-NOT: func.call @product.multiply_rows
// CHECK: linalg.generic
func.func @overwrites(%a: memref<128x96xf32>, %b: memref<96x96xf32>, %c: memref<128x96xf32>) {
  linalg.matmul ins(%a, %b : memref<128x96xf32>, memref<96x96xf32>) outs(%c : memref<128x96xf32>)
  linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]}
    ins(%c : memref<128x96xf32>) outs(%a : memref<128x96xf32>) {
  ^bb0(%x: f32, %z: f32):
    linalg.yield %x : f32
  }
  return
}

// -----

// What is used between stays: the product accumulates.
// CHECK-LABEL: func.func @between
// CHECK: linalg.fill
// CHECK: memref.load
// CHECK: %[[TRUE:.*]] = arith.constant true
// CHECK: func.call @product.multiply_rows.f32.8x3({{.*}}, %[[TRUE]])
func.func @between(%a: memref<16x128xf32>, %b: memref<128x96xf32>, %c: memref<16x96xf32>) -> f32 {
  %zero = arith.constant 0.0 : f32
  %i = arith.constant 0 : index
  linalg.fill ins(%zero : f32) outs(%c : memref<16x96xf32>)
  %v = memref.load %c[%i, %i] : memref<16x96xf32>
  linalg.matmul ins(%a, %b : memref<16x128xf32>, memref<128x96xf32>) outs(%c : memref<16x96xf32>)
  return %v : f32
}

// -----

// Columns without a contiguous dimension, and single rows, stay for the loops.
// CHECK-LABEL: func.func @strided
// CHECK: linalg.matmul
// CHECK-NEXT: linalg.matmul
func.func @strided(%a: memref<16x64xf32, strided<[128, 2]>>, %b: memref<64x96xf32>, %c: memref<16x96xf32>,
                   %row: memref<1x64xf32>, %d: memref<1x96xf32>) {
  linalg.matmul ins(%a, %b : memref<16x64xf32, strided<[128, 2]>>, memref<64x96xf32>) outs(%c : memref<16x96xf32>)
  linalg.matmul ins(%row, %b : memref<1x64xf32>, memref<64x96xf32>) outs(%d : memref<1x96xf32>)
  return
}

// -----

// A B that stays in cache as it lies is not packed. Rows whose number is not
// known end one by one; a last vector of columns is masked. What C holds is
// added behind the loop over the depth.
// CHECK-LABEL: func.func @direct
// CHECK-NOT: linalg.
// CHECK-NOT: memref.alloc
// CHECK: %[[EDGE:.*]] = vector.create_mask %c4 : vector<16xi1>
// CHECK: arith.remui
// CHECK: scf.for
// CHECK: scf.for {{.*}} iter_args
// CHECK: vector.maskedload %{{.*}}, %[[EDGE]]
// CHECK: vector.fma
// CHECK: arith.addf
// CHECK: vector.maskedstore {{.*}}, %[[EDGE]]
// CHECK: scf.for
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) -> (vector<16xf32>, vector<16xf32>)
func.func @direct(%a: memref<?x64xf32>, %b: memref<64x20xf32>, %c: memref<?x20xf32>) {
  linalg.matmul ins(%a, %b : memref<?x64xf32>, memref<64x20xf32>) outs(%c : memref<?x20xf32>)
  return
}
