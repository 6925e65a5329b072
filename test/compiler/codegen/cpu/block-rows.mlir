// RUN: %trainc-opt %s --pass-pipeline="builtin.module(func.func(trainc-block-rows))" | FileCheck %s

#rows = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
#column = affine_map<(i, j) -> (j)>
#flat = affine_map<(i) -> (i)>

// A sum over each row and what reads it: 2 x 3 KiB a row, so four at a time. The
// temporary between them moves before the loop, and so does the fill, which has
// no rows and meets neither.
// CHECK-LABEL: func.func @norm
// CHECK-SAME: %[[X:.*]]: memref<16x768xf32>, %[[Y:.*]]: memref<16x768xf32>, %[[W:.*]]: memref<768xf32>
// CHECK: %[[SUM:.*]] = memref.alloc
// CHECK: linalg.generic {{.*}} outs(%[[W]] : memref<768xf32>)
// CHECK: scf.for %[[I:.*]] = %c0{{.*}} to %c16{{.*}} step %c4
// CHECK:   memref.subview %[[X]][%[[I]], 0] [4, 768] [1, 1]
// CHECK:   memref.subview %[[SUM]][%[[I]]] [4] [1]
// CHECK:   linalg.generic {{.*}}["parallel", "reduction"]
// CHECK:   memref.subview %[[Y]][%[[I]], 0] [4, 768] [1, 1]
// CHECK:   linalg.generic {{.*}}["parallel", "parallel"]
// The index of a row counts from the first row of all.
// CHECK:     %[[INDEX:.*]] = linalg.index 0
// CHECK:     affine.apply #{{.*}}(%[[I]])[%[[INDEX]]]
// CHECK: return
func.func @norm(%x: memref<16x768xf32>, %y: memref<16x768xf32>, %w: memref<768xf32>) {
  %zero = arith.constant 0.0 : f32
  %sum = memref.alloc() : memref<16xf32>
  linalg.generic {indexing_maps = [#rows, #row], iterator_types = ["parallel", "reduction"]}
    ins(%x : memref<16x768xf32>) outs(%sum : memref<16xf32>) {
  ^bb0(%a: f32, %s: f32):
    %r = arith.addf %a, %s : f32
    linalg.yield %r : f32
  }
  linalg.generic {indexing_maps = [#flat], iterator_types = ["parallel"]}
    outs(%w : memref<768xf32>) {
  ^bb0(%old: f32):
    linalg.yield %zero : f32
  }
  linalg.generic {indexing_maps = [#rows, #row, #rows], iterator_types = ["parallel", "parallel"]}
    ins(%x, %sum : memref<16x768xf32>, memref<16xf32>) outs(%y : memref<16x768xf32>) {
  ^bb0(%a: f32, %s: f32, %old: f32):
    %i = linalg.index 0 : index
    %n = arith.index_cast %i : index to i32
    %f = arith.sitofp %n : i32 to f32
    %d = arith.subf %a, %s : f32
    %r = arith.addf %d, %f : f32
    linalg.yield %r : f32
  }
  return
}

// The second reads what the first makes of all rows: no common loop.
// CHECK-LABEL: func.func @needs_all_rows
// CHECK-NOT: scf.for
// CHECK: return
func.func @needs_all_rows(%x: memref<16x768xf32>, %w: memref<768xf32>, %y: memref<16x768xf32>) {
  linalg.generic {indexing_maps = [#rows, #column], iterator_types = ["reduction", "parallel"]}
    ins(%x : memref<16x768xf32>) outs(%w : memref<768xf32>) {
  ^bb0(%a: f32, %s: f32):
    %r = arith.addf %a, %s : f32
    linalg.yield %r : f32
  }
  linalg.generic {indexing_maps = [#rows, #column, #rows], iterator_types = ["parallel", "parallel"]}
    ins(%x, %w : memref<16x768xf32>, memref<768xf32>) outs(%y : memref<16x768xf32>) {
  ^bb0(%a: f32, %s: f32, %old: f32):
    %r = arith.subf %a, %s : f32
    linalg.yield %r : f32
  }
  return
}

// Another view of the buffer that the first writes: rows may be other rows.
// CHECK-LABEL: func.func @shifted
// CHECK-NOT: scf.for
// CHECK: return
func.func @shifted(%x: memref<33x768xf32>, %y: memref<32x768xf32>) {
  %a = memref.subview %x[0, 0] [32, 768] [1, 1] : memref<33x768xf32> to memref<32x768xf32, strided<[768, 1]>>
  %b = memref.subview %x[1, 0] [32, 768] [1, 1] : memref<33x768xf32> to memref<32x768xf32, strided<[768, 1], offset: 768>>
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
    ins(%y : memref<32x768xf32>) outs(%a : memref<32x768xf32, strided<[768, 1]>>) {
  ^bb0(%v: f32, %old: f32):
    linalg.yield %v : f32
  }
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
    ins(%b : memref<32x768xf32, strided<[768, 1], offset: 768>>) outs(%y : memref<32x768xf32>) {
  ^bb0(%v: f32, %old: f32):
    linalg.yield %v : f32
  }
  return
}

// An edge tile has any number of rows: one at a time.
// CHECK-LABEL: func.func @edge
// CHECK: scf.for %[[I:.*]] = %c0{{.*}} to %[[N:.*]] step %c1
// CHECK:   memref.subview %{{.*}}[%[[I]], 0] [1, 768] [1, 1]
func.func @edge(%x: memref<33x768xf32>, %y: memref<33x768xf32>, %at: index, %n: index) {
  %a = memref.subview %x[%at, 0] [%n, 768] [1, 1] : memref<33x768xf32> to memref<?x768xf32, strided<[768, 1], offset: ?>>
  %b = memref.subview %y[%at, 0] [%n, 768] [1, 1] : memref<33x768xf32> to memref<?x768xf32, strided<[768, 1], offset: ?>>
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
    ins(%a : memref<?x768xf32, strided<[768, 1], offset: ?>>) outs(%b : memref<?x768xf32, strided<[768, 1], offset: ?>>) {
  ^bb0(%v: f32, %old: f32):
    linalg.yield %v : f32
  }
  linalg.generic {indexing_maps = [#rows], iterator_types = ["parallel", "parallel"]}
    outs(%b : memref<?x768xf32, strided<[768, 1], offset: ?>>) {
  ^bb0(%v: f32):
    %r = arith.mulf %v, %v : f32
    linalg.yield %r : f32
  }
  return
}

// Short rows stay: what is done once per row is better vectors of several rows.
// CHECK-LABEL: func.func @short
// CHECK-NOT: scf.for
// CHECK: return
func.func @short(%x: memref<512x64xf32>, %y: memref<512x64xf32>) {
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
    ins(%x : memref<512x64xf32>) outs(%y : memref<512x64xf32>) {
  ^bb0(%v: f32, %old: f32):
    linalg.yield %v : f32
  }
  linalg.generic {indexing_maps = [#rows], iterator_types = ["parallel", "parallel"]}
    outs(%y : memref<512x64xf32>) {
  ^bb0(%v: f32):
    %r = arith.mulf %v, %v : f32
    linalg.yield %r : f32
  }
  return
}

// A load in a body is of any row.
// CHECK-LABEL: func.func @loads
// CHECK-NOT: scf.for
// CHECK: return
func.func @loads(%x: memref<16x768xf32>, %y: memref<16x768xf32>) {
  %c0 = arith.constant 0 : index
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
    ins(%x : memref<16x768xf32>) outs(%y : memref<16x768xf32>) {
  ^bb0(%v: f32, %old: f32):
    linalg.yield %v : f32
  }
  linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
    ins(%y : memref<16x768xf32>) outs(%x : memref<16x768xf32>) {
  ^bb0(%v: f32, %old: f32):
    %a = memref.load %y[%c0, %c0] : memref<16x768xf32>
    %r = arith.subf %v, %a : f32
    linalg.yield %r : f32
  }
  return
}
