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

// Sums over the innermost loop are loop values, beside one per column that is not.
// CHECK-LABEL: func.func @mixed
// CHECK: %[[ZERO:.*]] = memref.load %arg2[] : memref<f32>
// CHECK: %[[SUM:.*]] = scf.for %[[J:.*]] = %c0 to %c96 step %c1 iter_args(%[[ALL:.*]] = %[[ZERO]]) -> (f32)
// CHECK:   %[[A:.*]] = memref.load %arg0[%[[J]]]
// CHECK:   %[[COLUMN:.*]] = memref.load %arg1[%[[J]]]
// CHECK:   %[[NEW:.*]] = arith.addf %[[COLUMN]], %[[A]]
// CHECK:   %[[NEXT:.*]] = arith.addf %[[ALL]], %[[A]]
// CHECK:   memref.store %[[NEW]], %arg1[%[[J]]]
// CHECK:   scf.yield %[[NEXT]]
// CHECK: memref.store %[[SUM]], %arg2[]
func.func @mixed(%x: memref<96xf32>, %columns: memref<96xf32>, %all: memref<f32>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> ()>], iterator_types = ["reduction"]}
    ins(%x : memref<96xf32>) outs(%columns, %all : memref<96xf32>, memref<f32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %r = arith.addf %b, %a : f32
    %s = arith.addf %c, %a : f32
    linalg.yield %r, %s : f32, f32
  }
  return
}
