// RUN: %trainc-opt %s --split-input-file --pass-pipeline="builtin.module(func.func(trainc-lower-contractions{cpu=x86-64-v4}))" | FileCheck %s

// 8 x 48 of C in registers; the fill is folded; B is packed; no edges.
// CHECK-LABEL: func.func @product
// CHECK-NOT: linalg.
// CHECK: memref.alloc() {alignment = 64 : i64} : memref<2x129x48xf32>
// CHECK: vector.load %{{.*}} : memref<128x96xf32>
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> ({{(vector<16xf32>,? ?)+}})
// CHECK-COUNT-24: vector.fma
// CHECK-NOT: vector.maskedstore
// CHECK-COUNT-24: vector.store {{.*}} : memref<16x96xf32>
func.func @product(%a: memref<16x128xf32>, %b: memref<128x96xf32>, %c: memref<16x96xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%c : memref<16x96xf32>)
  linalg.matmul ins(%a, %b : memref<16x128xf32>, memref<128x96xf32>) outs(%c : memref<16x96xf32>)
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

// -----

// What is used between stays: the product accumulates.
// CHECK-LABEL: func.func @between
// CHECK: linalg.fill
// CHECK: memref.load
// CHECK: vector.fma
func.func @between(%a: memref<16x64xf32>, %b: memref<64x96xf32>, %c: memref<16x96xf32>) -> f32 {
  %zero = arith.constant 0.0 : f32
  %i = arith.constant 0 : index
  linalg.fill ins(%zero : f32) outs(%c : memref<16x96xf32>)
  %v = memref.load %c[%i, %i] : memref<16x96xf32>
  linalg.matmul ins(%a, %b : memref<16x64xf32>, memref<64x96xf32>) outs(%c : memref<16x96xf32>)
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
