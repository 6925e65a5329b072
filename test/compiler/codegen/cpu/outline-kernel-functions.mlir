// RUN: %trainc-opt %s --trainc-outline-kernel-functions --split-input-file --verify-diagnostics | FileCheck %s

// The forall's iterations, row-major, are the workgroups: 3 rows of 2.
// CHECK: plan.kernel @k
// CHECK: } {workgroups = 6 : i64}
// CHECK: module @k.code attributes {codegen.kernel = @k}
// CHECK: func.func @k.body(%[[OUT:.*]]: memref<6x8xf32>, %[[WORKGROUP:.*]]: index)
// CHECK: %[[COLUMN:.*]] = arith.remui %[[WORKGROUP]], %{{.*}}
// CHECK: %[[REST:.*]] = arith.divui %[[WORKGROUP]], %{{.*}}
// CHECK: affine.apply #{{.*}}[%[[COLUMN]]]
// CHECK: arith.remui %[[REST]]
// CHECK: memref.store
// CHECK-NOT: scf.forall
plan.kernel @k access [2] computes "k" {
^bb0(%out: memref<6x8xf32>):
  scf.forall (%i, %j) = (0, 0) to (6, 8) step (2, 4) {
    %z = arith.constant 0.0 : f32
    memref.store %z, %out[%i, %j] : memref<6x8xf32>
  }
  plan.return
}

// -----

// A launch's constant stands before the workgroup.
// CHECK: plan.kernel @c
// CHECK: func.func @c.body(%[[OUT:.*]]: memref<4xi64>, %[[C:.*]]: i64, %[[WORKGROUP:.*]]: index)
// CHECK: memref.store %[[C]], %[[OUT]]
plan.kernel @c access [2] computes "c" {
^bb0(%out: memref<4xi64>, %c: i64):
  scf.forall (%i) in (4) {
    memref.store %c, %out[%i] : memref<4xi64>
  }
  plan.return
}

// -----

// Every workgroup would repeat the fill.
plan.kernel @k access [2] computes "k" {
^bb0(%out: memref<4xf32>):
  %z = arith.constant 0.0 : f32
  // expected-error @+1 {{expected only constants, views and temporaries beside the workgroup loop of kernel 'k'}}
  linalg.fill ins(%z : f32) outs(%out : memref<4xf32>)
  scf.forall (%i) in (4) {
    memref.store %z, %out[%i] : memref<4xf32>
  }
  plan.return
}

// -----

// expected-error @+1 {{expected parameters of static memref types with identity layout, but got 'tensor<4xf32>'}}
plan.kernel @k access [2] computes "k" {
^bb0(%out: tensor<4xf32>):
  plan.return %out : tensor<4xf32>
}
