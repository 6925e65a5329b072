// Kernels become memref code in place: no copies, no temporaries that outlive a
// workgroup.
// RUN: %trainc-opt %s --split-input-file --verify-diagnostics \
// RUN:   --pass-pipeline='builtin.module(plan.kernel(trainc-bufferize-kernels))' | FileCheck %s

// An elementwise kernel over two workgroups writes its destination directly.
// CHECK-LABEL: plan.kernel @add access [1, 1, 2]
// CHECK-NEXT: ^bb0(%[[A:.*]]: memref<8x4xf32>, %[[B:.*]]: memref<8x4xf32>, %[[OUT:.*]]: memref<8x4xf32>):
// CHECK-NOT: memref.copy
// CHECK-NOT: memref.alloc
// CHECK: scf.forall (%[[I:.*]]) = (0) to (8) step (4) {
// CHECK: %[[SUB:.*]] = memref.subview %[[OUT]][%[[I]], 0] [4, 4] [1, 1]
// CHECK: linalg.generic {{.*}} outs(%[[SUB]] :
// CHECK-NOT: linalg.generic
// CHECK: plan.return
plan.kernel @add access [1, 1, 2] computes "nn.add" {
^bb0(%a: tensor<8x4xf32>, %b: tensor<8x4xf32>, %out: tensor<8x4xf32>):
  %r = scf.forall (%i) = (0) to (8) step (4) shared_outs(%o = %out) -> tensor<8x4xf32> {
    %sa = tensor.extract_slice %a[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    %sb = tensor.extract_slice %b[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    %so = tensor.extract_slice %o[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    %t = linalg.generic {
        indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
        iterator_types = ["parallel", "parallel"]}
        ins(%sa, %sb : tensor<4x4xf32>, tensor<4x4xf32>) outs(%so : tensor<4x4xf32>) {
    ^bb1(%x: f32, %y: f32, %z: f32):
      %s = arith.addf %x, %y : f32
      linalg.yield %s : f32
    } -> tensor<4x4xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %t into %o[%i, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x4xf32>
    }
  }
  plan.return %r : tensor<8x4xf32>
}

// -----

// A fill and a matmul in a fresh tensor take the destination's tile instead.
// CHECK-LABEL: plan.kernel @matmul
// CHECK-NEXT: ^bb0(%{{.*}}, %{{.*}}, %[[OUT:.*]]: memref<8x8xf32>):
// CHECK-NOT: memref.alloc
// CHECK: scf.forall
// CHECK: %[[TILE:.*]] = memref.subview %[[OUT]]
// CHECK: linalg.fill {{.*}} outs(%[[TILE]]
// CHECK: linalg.matmul {{.*}} outs(%[[TILE]]
// CHECK-NOT: memref.copy
// CHECK-NOT: linalg.generic
// CHECK: plan.return
plan.kernel @matmul access [1, 1, 2] computes "nn.matmul" {
^bb0(%a: tensor<8x16xf32>, %b: tensor<16x8xf32>, %out: tensor<8x8xf32>):
  %zero = arith.constant 0.0 : f32
  %r = scf.forall (%i) = (0) to (8) step (4) shared_outs(%o = %out) -> tensor<8x8xf32> {
    %sa = tensor.extract_slice %a[%i, 0] [4, 16] [1, 1] : tensor<8x16xf32> to tensor<4x16xf32>
    %e = tensor.empty() : tensor<4x8xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
    %m = linalg.matmul ins(%sa, %b : tensor<4x16xf32>, tensor<16x8xf32>) outs(%f : tensor<4x8xf32>) -> tensor<4x8xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %m into %o[%i, 0] [4, 8] [1, 1] : tensor<4x8xf32> into tensor<8x8xf32>
    }
  }
  plan.return %r : tensor<8x8xf32>
}

// -----

// Two destinations, one updated in place (readwrite), without a forall.
// CHECK-LABEL: plan.kernel @update
// CHECK-NEXT: ^bb0(%[[G:.*]]: memref<16xf32>, %[[M:.*]]: memref<16xf32>, %[[P:.*]]: memref<16xf32>):
// CHECK-NOT: memref.copy
// CHECK-NOT: memref.alloc
// CHECK: linalg.generic {{.*}} ins(%[[G]] : memref<16xf32>) outs(%[[M]], %[[P]] : memref<16xf32>, memref<16xf32>)
// CHECK-NOT: linalg.generic
// CHECK: plan.return
plan.kernel @update access [1, 2, 3] computes "update" {
^bb0(%g: tensor<16xf32>, %m: tensor<16xf32>, %p: tensor<16xf32>):
  %r:2 = linalg.generic {
      indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
      iterator_types = ["parallel"]}
      ins(%g : tensor<16xf32>) outs(%m, %p : tensor<16xf32>, tensor<16xf32>) {
  ^bb1(%x: f32, %y: f32, %z: f32):
    %s = arith.subf %z, %x : f32
    linalg.yield %x, %s : f32, f32
  } -> (tensor<16xf32>, tensor<16xf32>)
  plan.return %r#0, %r#1 : tensor<16xf32>, tensor<16xf32>
}

// -----

// Views of arguments stay views; a sequential loop carries its tile in place.
// CHECK-LABEL: plan.kernel @view_and_loop
// CHECK-NEXT: ^bb0(%{{.*}}: memref<4x8xf32>, %[[OUT:.*]]: memref<2x2x8xf32>):
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: memref.collapse_shape %[[OUT]]
// CHECK: scf.for
// CHECK: plan.return
plan.kernel @view_and_loop access [1, 2] computes "view" {
^bb0(%a: tensor<4x8xf32>, %out: tensor<2x2x8xf32>):
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  %flat = tensor.collapse_shape %out [[0, 1], [2]] : tensor<2x2x8xf32> into tensor<4x8xf32>
  %r = scf.for %i = %zero to %four step %one iter_args(%o = %flat) -> tensor<4x8xf32> {
    %row = tensor.extract_slice %a[%i, 0] [1, 8] [1, 1] : tensor<4x8xf32> to tensor<1x8xf32>
    %to = tensor.extract_slice %o[%i, 0] [1, 8] [1, 1] : tensor<4x8xf32> to tensor<1x8xf32>
    %e = linalg.exp ins(%row : tensor<1x8xf32>) outs(%to : tensor<1x8xf32>) -> tensor<1x8xf32>
    %n = tensor.insert_slice %e into %o[%i, 0] [1, 8] [1, 1] : tensor<1x8xf32> into tensor<4x8xf32>
    scf.yield %n : tensor<4x8xf32>
  }
  %shaped = tensor.expand_shape %r [[0, 1], [2]] output_shape [2, 2, 8] : tensor<4x8xf32> into tensor<2x2x8xf32>
  plan.return %shaped : tensor<2x2x8xf32>
}

// -----

// A genuine copy becomes a loop: kernels call nothing, not even memcpy.
// CHECK-LABEL: plan.kernel @copy
// CHECK-NEXT: ^bb0(%[[IN:.*]]: memref<8xf32>, %[[OUT:.*]]: memref<8xf32>):
// CHECK-NOT: memref.copy
// CHECK: linalg.generic {{.*}} ins(%[[IN]] : memref<8xf32>) outs(%[[OUT]] : memref<8xf32>)
plan.kernel @copy access [1, 2] computes "copy" {
^bb0(%a: tensor<8xf32>, %out: tensor<8xf32>):
  plan.return %a : tensor<8xf32>
}

// -----

// Scalars are memrefs of rank 0.
// CHECK-LABEL: plan.kernel @scalar
// CHECK-NEXT: ^bb0(%[[IN:.*]]: memref<f64>, %[[OUT:.*]]: memref<f64>):
// CHECK: %[[X:.*]] = memref.load %[[IN]][]
// CHECK: %[[S:.*]] = arith.addf %[[X]], %[[X]]
// CHECK: memref.store %[[S]], %[[OUT]][]
// CHECK-NEXT: plan.return
plan.kernel @scalar access [1, 2] computes "twice" {
^bb0(%a: tensor<f64>, %out: tensor<f64>):
  %x = tensor.extract %a[] : tensor<f64>
  %s = arith.addf %x, %x : f64
  %r = tensor.insert %s into %out[] : tensor<f64>
  plan.return %r : tensor<f64>
}

// -----

// A scalar read before the workgroups is read by each of them: beside their loop
// only constants stay.
// CHECK-LABEL: plan.kernel @scale
// CHECK-NEXT: ^bb0(%[[S:.*]]: memref<f32>, %{{.*}}: memref<8x4xf32>, %{{.*}}: memref<8x4xf32>):
// CHECK-NEXT: scf.forall
// CHECK-NEXT: %[[X:.*]] = memref.load %[[S]][]
// CHECK-NEXT: arith.mulf %[[X]], %[[X]]
plan.kernel @scale access [1, 1, 2] computes "nn.mul" {
^bb0(%s: tensor<f32>, %a: tensor<8x4xf32>, %out: tensor<8x4xf32>):
  %x = tensor.extract %s[] : tensor<f32>
  %square = arith.mulf %x, %x : f32
  %r = scf.forall (%i) = (0) to (8) step (4) shared_outs(%o = %out) -> tensor<8x4xf32> {
    %sa = tensor.extract_slice %a[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    %so = tensor.extract_slice %o[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    %t = linalg.generic {
        indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
        iterator_types = ["parallel", "parallel"]}
        ins(%sa : tensor<4x4xf32>) outs(%so : tensor<4x4xf32>) {
    ^bb1(%y: f32, %z: f32):
      %p = arith.mulf %square, %y : f32
      linalg.yield %p : f32
    } -> tensor<4x4xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %t into %o[%i, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x4xf32>
    }
  }
  plan.return %r : tensor<8x4xf32>
}

// -----

// A loop that makes a new buffer in every iteration has no fixed place.
// expected-error@+1 {{expected a kernel body that can be updated in place}}
plan.kernel @swap access [1, 2] computes "swap" {
^bb0(%a: tensor<8xf32>, %out: tensor<8xf32>):
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  %r:2 = scf.for %i = %zero to %four step %one iter_args(%x = %a, %y = %out) -> (tensor<8xf32>, tensor<8xf32>) {
    // expected-error@+1 {{Yield operand #0 is not equivalent}}
    scf.yield %y, %x : tensor<8xf32>, tensor<8xf32>
  }
  plan.return %r#0 : tensor<8xf32>
}

// -----

// A launch's constant stays a scalar, and is no destination.
// CHECK-LABEL: plan.kernel @constant access [2]
// CHECK-NEXT: ^bb0(%[[OUT:.*]]: memref<8xi64>, %[[C:.*]]: i64):
// CHECK: linalg.fill ins(%[[C]] : i64) outs(%[[OUT]] : memref<8xi64>)
// CHECK-NEXT: plan.return
plan.kernel @constant access [2] computes "x" {
^bb0(%out: tensor<8xi64>, %c: i64):
  %r = linalg.fill ins(%c : i64) outs(%out : tensor<8xi64>) -> tensor<8xi64>
  plan.return %r : tensor<8xi64>
}

// -----

// A destination made of two halves of its columns: each is a destination of its
// own, so that neither loop over workgroups nor insertion copies.
// CHECK-LABEL: plan.kernel @halves access [1, 2]
// CHECK-NEXT: ^bb0(%[[A:.*]]: memref<8x4xf32>, %[[OUT:.*]]: memref<8x8xf32>):
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: scf.forall
// CHECK-DAG: %[[SEEN:.*]] = memref.expand_shape %[[OUT]] {{.*}} output_shape [8, 2, 4]
// CHECK-DAG: memref.subview %[[SEEN]][0, 0, 0] [8, 1, 4] [1, 1, 1] : {{.*}} to memref<8x4xf32, strided<[8, 1]>>
// CHECK-DAG: memref.subview %[[SEEN]][0, 1, 0] [8, 1, 4] [1, 1, 1] : {{.*}} to memref<8x4xf32, strided<[8, 1], offset: 4>>
// CHECK: linalg.generic {{.*}} outs(%{{.*}}, %{{.*}} : memref<4x4xf32, strided<[8, 1], offset: ?>>, memref<4x4xf32, strided<[8, 1], offset: ?>>)
// CHECK-NOT: linalg.generic
// CHECK: plan.return
plan.kernel @halves access [1, 2] computes "nn.neg" {
^bb0(%a: tensor<8x4xf32>, %out: tensor<8x8xf32>):
  %seen = tensor.expand_shape %out [[0], [1, 2]] output_shape [8, 2, 4] : tensor<8x8xf32> into tensor<8x2x4xf32>
  %left = tensor.extract_slice %seen[0, 0, 0] [8, 1, 4] [1, 1, 1] : tensor<8x2x4xf32> to tensor<8x4xf32>
  %right = tensor.extract_slice %seen[0, 1, 0] [8, 1, 4] [1, 1, 1] : tensor<8x2x4xf32> to tensor<8x4xf32>
  %r:2 = scf.forall (%i) = (0) to (8) step (4) shared_outs(%o = %left, %p = %right) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
    %sa = tensor.extract_slice %a[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    %so = tensor.extract_slice %o[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    %sp = tensor.extract_slice %p[%i, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
    %t:2 = linalg.generic {
        indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
        iterator_types = ["parallel", "parallel"]}
        ins(%sa : tensor<4x4xf32>) outs(%so, %sp : tensor<4x4xf32>, tensor<4x4xf32>) {
    ^bb1(%x: f32, %y: f32, %z: f32):
      %n = arith.negf %x : f32
      linalg.yield %x, %n : f32, f32
    } -> (tensor<4x4xf32>, tensor<4x4xf32>)
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %t#0 into %o[%i, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x4xf32>
      tensor.parallel_insert_slice %t#1 into %p[%i, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x4xf32>
    }
  }
  %s0 = tensor.insert_slice %r#0 into %seen[0, 0, 0] [8, 1, 4] [1, 1, 1] : tensor<8x4xf32> into tensor<8x2x4xf32>
  %s1 = tensor.insert_slice %r#1 into %s0[0, 1, 0] [8, 1, 4] [1, 1, 1] : tensor<8x4xf32> into tensor<8x2x4xf32>
  %whole = tensor.collapse_shape %s1 [[0], [1, 2]] : tensor<8x2x4xf32> into tensor<8x8xf32>
  plan.return %whole : tensor<8x8xf32>
}

// -----

// Slices that overlap are no destinations of their own: the second is computed
// beside the first.
// CHECK-LABEL: plan.kernel @overlap access [1, 2]
// CHECK: memref.alloc
// CHECK: plan.return
plan.kernel @overlap access [1, 2] computes "nn.neg" {
^bb0(%a: tensor<4xf32>, %out: tensor<6xf32>):
  %left = tensor.extract_slice %out[0] [4] [1] : tensor<6xf32> to tensor<4xf32>
  %right = tensor.extract_slice %out[2] [4] [1] : tensor<6xf32> to tensor<4xf32>
  %t:2 = linalg.generic {
      indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
      iterator_types = ["parallel"]}
      ins(%a : tensor<4xf32>) outs(%left, %right : tensor<4xf32>, tensor<4xf32>) {
  ^bb1(%x: f32, %y: f32, %z: f32):
    %n = arith.negf %x : f32
    linalg.yield %x, %n : f32, f32
  } -> (tensor<4xf32>, tensor<4xf32>)
  %s0 = tensor.insert_slice %t#0 into %out[0] [4] [1] : tensor<4xf32> into tensor<6xf32>
  %s1 = tensor.insert_slice %t#1 into %s0[2] [4] [1] : tensor<4xf32> into tensor<6xf32>
  plan.return %s1 : tensor<6xf32>
}
