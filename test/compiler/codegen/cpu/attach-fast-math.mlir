// RUN: %trainc-opt %s --pass-pipeline="builtin.module(func.func(trainc-attach-fast-math))" | FileCheck %s

// Products fuse; only the sum over the reduction may be reordered.
// CHECK: linalg.generic
// CHECK: %[[P:.*]] = arith.mulf %{{.*}}, %{{.*}} fastmath<contract> : f32
// CHECK: %[[Q:.*]] = arith.addf %[[P]], %{{.*}} fastmath<contract> : f32
// CHECK: %[[R:.*]] = arith.addf %[[Q]], %{{.*}} fastmath<reassoc,contract> : f32
// CHECK: linalg.yield %[[R]]
func.func @sum(%x: memref<4x8xf32>, %out: memref<4xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
    ins(%x : memref<4x8xf32>) outs(%out : memref<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %p = arith.mulf %a, %a : f32
    %q = arith.addf %p, %a : f32
    %r = arith.addf %q, %s : f32
    linalg.yield %r : f32
  }
  return
}
