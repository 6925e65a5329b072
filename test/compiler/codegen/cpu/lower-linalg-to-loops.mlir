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

// A sweep of memory: blocks of 64 elements, before each a request for the lines
// of one that lies 2 KiB of all streams further on; then the rest.
// CHECK-LABEL: func.func @sweep
// CHECK: %[[BLOCKS:.*]] = arith.muli
// CHECK: %[[LAST:.*]] = arith.subi
// CHECK: scf.for %[[I:.*]] = %c0{{.*}} to %[[BLOCKS]] step %c64
// CHECK:   %[[FAR:.*]] = arith.addi %[[I]], %c256
// CHECK:   %[[AHEAD:.*]] = arith.minui %[[FAR]], %[[LAST]]
// CHECK:   memref.prefetch %{{.*}}[%[[AHEAD]]], read, locality<3>, data
// CHECK-COUNT-7: memref.prefetch
// CHECK-NOT: memref.prefetch
// CHECK:   %[[END:.*]] = arith.addi %[[I]], %c64
// CHECK:   scf.for %[[J:.*]] = %[[I]] to %[[END]] step %c1
// CHECK:     memref.store %{{.*}}, %{{.*}}[%[[J]]]
// CHECK: scf.for %[[J:.*]] = %[[BLOCKS]] to %{{.*}} step %c1
// CHECK:     memref.store %{{.*}}, %{{.*}}[%[[J]]]
func.func @sweep(%x: memref<3000001xf32>, %y: memref<3000001xf32>, %begin: index, %size: index) {
  %from = memref.subview %x[%begin] [%size] [1] : memref<3000001xf32> to memref<?xf32, strided<[1], offset: ?>>
  %to = memref.subview %y[%begin] [%size] [1] : memref<3000001xf32> to memref<?xf32, strided<[1], offset: ?>>
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
    ins(%from : memref<?xf32, strided<[1], offset: ?>>) outs(%to : memref<?xf32, strided<[1], offset: ?>>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  }
  return
}

// What caches hold needs no requests.
// CHECK-LABEL: func.func @cached
// CHECK-NOT: memref.prefetch
// CHECK: return
func.func @cached(%x: memref<65536xf32>, %y: memref<65536xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
    ins(%x : memref<65536xf32>) outs(%y : memref<65536xf32>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  }
  return
}
