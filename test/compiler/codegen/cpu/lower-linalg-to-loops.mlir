// RUN: %trainc-opt %s --pass-pipeline="builtin.module(func.func(trainc-lower-linalg-to-loops))" | FileCheck %s

// The reduction runs along memory: innermost, with the sum as a loop value.
// CHECK-LABEL: func.func @rows
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %c4
// CHECK:   %[[START:.*]] = memref.load %{{.*}}[%[[I]]]
// CHECK:   %[[SUM:.*]] = scf.for %[[J:.*]] = %{{.*}} to %c8{{.*}} iter_args(%[[S:.*]] = %[[START]])
// CHECK:     memref.load %{{.*}}[%[[I]], %[[J]]]
// CHECK:     scf.yield
// CHECK:   memref.store %[[SUM]], %{{.*}}[%[[I]]]
func.func @rows(%x: memref<4x8xf32>, %out: memref<4xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
    ins(%x : memref<4x8xf32>) outs(%out : memref<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %r = arith.addf %a, %s : f32
    linalg.yield %r : f32
  }
  return
}

// The reduction runs across memory: outermost, so that columns vectorise.
// CHECK-LABEL: func.func @columns
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %c16
// CHECK:   scf.for %[[J:.*]] = %{{.*}} to %c8
// CHECK:     memref.load %{{.*}}[%[[I]], %[[J]]]
// CHECK:     memref.load %{{.*}}[%[[J]]]
// CHECK:     memref.store %{{.*}}, %{{.*}}[%[[J]]]
func.func @columns(%x: memref<16x8xf32>, %out: memref<8xf32>) {
  linalg.generic {indexing_maps = [affine_map<(j, i) -> (i, j)>, affine_map<(j, i) -> (j)>],
                  iterator_types = ["parallel", "reduction"]}
    ins(%x : memref<16x8xf32>) outs(%out : memref<8xf32>) {
  ^bb0(%a: f32, %s: f32):
    %r = arith.addf %a, %s : f32
    linalg.yield %r : f32
  }
  return
}

// A copy becomes a loop: as a call of memcpy it would be an undefined symbol.
// CHECK-LABEL: func.func @copy
// CHECK-NOT: memref.copy
// CHECK: memref.load
// CHECK: memref.store
func.func @copy(%x: memref<8xf32>, %out: memref<8xf32>) {
  memref.copy %x, %out : memref<8xf32> to memref<8xf32>
  return
}

// A sum over a few rows: a column's sum is loaded and stored once.
// CHECK-LABEL: func.func @few_rows
// CHECK: scf.for %[[J:.*]] = %{{.*}} to %c64
// CHECK:   %[[START:.*]] = memref.load %{{.*}}[%[[J]]]
// CHECK:   %[[A:.*]] = memref.load %{{.*}}[%c0{{.*}}, %[[J]]]
// CHECK:   %[[S:.*]] = arith.addf %[[A]], %[[START]]
// CHECK:   %[[B:.*]] = memref.load %{{.*}}[%c1{{.*}}, %[[J]]]
// CHECK:   %[[T:.*]] = arith.addf %[[B]], %[[S]]
// CHECK:   memref.store %[[T]], %{{.*}}[%[[J]]]
func.func @few_rows(%x: memref<2x64xf32>, %out: memref<64xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>],
                  iterator_types = ["reduction", "parallel"]}
    ins(%x : memref<2x64xf32>) outs(%out : memref<64xf32>) {
  ^bb0(%a: f32, %s: f32):
    %r = arith.addf %a, %s : f32
    linalg.yield %r : f32
  }
  return
}
