// RUN: %trainc-opt %s --split-input-file --pass-pipeline="builtin.module(func.func(trainc-lower-moves{cpu=x86-64-v4}))" | FileCheck %s

// Squares of 16 x 16: 4 exchanges of 8 pairs of rows; no masks.
// CHECK-LABEL: func.func @whole
// CHECK-NOT: linalg.transpose
// CHECK-NOT: mask
// CHECK-COUNT-16: vector.load %{{.*}} : memref<32x48xf32, strided<[100, 1]>>, vector<16xf32>
// CHECK-COUNT-64: vector.shuffle
// CHECK-COUNT-16: vector.store %{{.*}} : memref<48x32xf32>, vector<16xf32>
func.func @whole(%in: memref<32x48xf32, strided<[100, 1]>>, %out: memref<48x32xf32>) {
  linalg.transpose ins(%in : memref<32x48xf32, strided<[100, 1]>>) outs(%out : memref<48x32xf32>) permutation = [1, 0]
  return
}

// -----

// Edges: no row past the last is read, and no column past the last is written.
// CHECK-LABEL: func.func @edges
// CHECK: arith.minsi
// CHECK: vector.maskedload
// CHECK: scf.if
// CHECK: vector.maskedstore
func.func @edges(%in: memref<?x5xf64>, %out: memref<5x?xf64>) {
  linalg.transpose ins(%in : memref<?x5xf64>) outs(%out : memref<5x?xf64>) permutation = [1, 0]
  return
}

// -----

// Rows are filled vector by vector, the rest masked.
// CHECK-LABEL: func.func @fill
// CHECK-NOT: linalg.fill
// CHECK: vector.broadcast
// CHECK: scf.for
// CHECK: scf.for
// CHECK: vector.maskedstore %{{.*}} : memref<9x20xf32, strided<[768, 1]>>
func.func @fill(%x: f32, %out: memref<9x20xf32, strided<[768, 1]>>) {
  linalg.fill ins(%x : f32) outs(%out : memref<9x20xf32, strided<[768, 1]>>)
  return
}

// -----

// Columns that are not contiguous, and other ranks, stay.
// CHECK-LABEL: func.func @others
// CHECK: linalg.fill
// CHECK: linalg.transpose
func.func @others(%x: f32, %a: memref<8x8xf32, strided<[16, 2]>>, %b: memref<2x3x4xf32>, %c: memref<3x2x4xf32>) {
  linalg.fill ins(%x : f32) outs(%a : memref<8x8xf32, strided<[16, 2]>>)
  linalg.transpose ins(%b : memref<2x3x4xf32>) outs(%c : memref<3x2x4xf32>) permutation = [1, 0, 2]
  return
}
