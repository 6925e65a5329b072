// RUN: %trainc-opt %s -split-input-file --trainc-fuse-elementwise --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// A residual sum is computed with the norm that reads it, row tile by row tile; the
// sum itself leaves too, for the next residual.
// CHECK-LABEL: module @residual
// CHECK: %[[L:.*]]:2 = plan.launch @[[K:add_layer_norm[a-z0-9_]*]]
// CHECK-NOT: nn.add
// CHECK: plan.kernel @[[K]] access [1, 1, 1, 1, 2, 2]
// CHECK: scf.forall (%{{.*}}) = (0{{.*}}) to (1024{{.*}}) step (16{{.*}}) shared_outs(%[[D0:.*]] = %{{.*}}, %[[D1:.*]] = %{{.*}})
// CHECK-DAG: %[[T0:.*]] = tensor.extract_slice %[[D0]]
// CHECK-DAG: %[[T1:.*]] = tensor.extract_slice %[[D1]]
// CHECK: %[[X:.*]] = linalg.generic {{.*}}["parallel", "parallel"]{{.*}} outs(%[[T0]]
// CHECK: arith.addf
// CHECK: linalg.generic {{.*}}["parallel", "reduction"]{{.*}} ins(%[[X]]
// CHECK: %[[Y:.*]] = linalg.generic {{.*}}["parallel", "parallel"]{{.*}} ins(%[[X]], {{.*}} outs(%[[T1]]
// CHECK: tensor.parallel_insert_slice %[[X]] into %[[D0]]
// CHECK: tensor.parallel_insert_slice %[[Y]] into %[[D1]]
// REMARK: nn.layer_norm is fused with the 1 elementwise operation(s) that it reads, up to nn.add
module @residual {
  train.state @sum output : tensor<1024x768xf32>
  train.state @norm output : tensor<1024x768xf32>
  plan.program @predict ["x", "r", "w", "b"] {
  ^bb0(%x: tensor<1024x768xf32>, %r: tensor<1024x768xf32>, %w: tensor<768xf32>, %b: tensor<768xf32>):
    %s = nn.add %x, %r : tensor<1024x768xf32>
    %y, %mean, %rstd = nn.layer_norm %s, %w, %b {epsilon = 1.0e-5 : f64} : tensor<1024x768xf32>, tensor<768xf32> -> tensor<1024xf32>
    train.write %s, @sum : tensor<1024x768xf32>
    train.write %y, @norm : tensor<1024x768xf32>
  }
}

// -----

// Backward: the residual's gradient is added on the norm's tile, and the parts of
// the weights' gradients leave beside it.
// CHECK-LABEL: module @backward
// CHECK: %[[L:.*]]:3 = plan.launch @[[K:layer_norm_grad_add[a-z0-9_]*]]
// CHECK-NOT: nn.
// CHECK: plan.kernel @[[K]] access [1, 1, 1, 1, 1, 1, 2, 2, 2]
// CHECK: scf.forall {{.*}} to (6, 8) step (3, 8)
// CHECK-DAG: tensor.extract_slice %{{.*}} [1, 8] [1, 1] : tensor<2x8xf32> to tensor<1x8xf32>
// CHECK: linalg.generic {{.*}}["reduction", "parallel"]
// CHECK: linalg.generic {{.*}}["parallel", "reduction"]
// CHECK: linalg.generic {{.*}}["parallel", "parallel"]
// CHECK: linalg.generic {{.*}}["parallel", "parallel"]
// CHECK: arith.addf
// CHECK: tensor.parallel_insert_slice
// CHECK: tensor.parallel_insert_slice
// CHECK: tensor.parallel_insert_slice
// REMARK: nn.layer_norm_grad is fused with the 1 elementwise operation(s) that read its result, up to nn.add
module @backward {
  train.state @dx output : tensor<6x8xf32>
  train.state @dw output : tensor<2x8xf32>
  train.state @db output : tensor<2x8xf32>
  plan.program @predict ["dy", "x", "w", "mean", "rstd", "r"] {
  ^bb0(%dy: tensor<6x8xf32>, %x: tensor<6x8xf32>, %w: tensor<8xf32>, %mean: tensor<6xf32>, %rstd: tensor<6xf32>, %r: tensor<6x8xf32>):
    %g, %dw, %db = nn.layer_norm_grad %dy, %x, %w, %mean, %rstd : tensor<6x8xf32>, tensor<8xf32>, tensor<6xf32> -> tensor<2x8xf32>
    %s = nn.add %g, %r : tensor<6x8xf32>
    train.write %s, @dx : tensor<6x8xf32>
    train.write %dw, @dw : tensor<2x8xf32>
    train.write %db, @db : tensor<2x8xf32>
  }
}

// -----

// The sum is a product's epilogue already, where it costs no pass of its own: the
// norm reads it.
// CHECK-LABEL: module @after_product
// CHECK: plan.launch @matmul_add
// CHECK: nn.layer_norm
// REMARK: nn.layer_norm reads nn.add from memory: it is the end of a kernel with another product
module @after_product {
  train.state @norm output : tensor<32x16xf32>
  plan.program @predict ["x", "v", "r", "w"] {
  ^bb0(%x: tensor<32x8xf32>, %v: tensor<8x16xf32>, %r: tensor<32x16xf32>, %w: tensor<16xf32>):
    %p = nn.matmul %x, %v : tensor<32x8xf32>, tensor<8x16xf32> -> tensor<32x16xf32>
    %s = nn.add %p, %r : tensor<32x16xf32>
    %y, %mean, %rstd = nn.layer_norm %s, %w, %w {epsilon = 1.0e-5 : f64} : tensor<32x16xf32>, tensor<16xf32> -> tensor<32xf32>
    train.write %y, @norm : tensor<32x16xf32>
  }
}

// -----

// A value of the prologue that the epilogue reads again stays on the tile.
// CHECK-LABEL: module @around
// CHECK: plan.launch @[[K:neg_layer_norm_mul[a-z0-9_]*]]
// CHECK: plan.kernel @[[K]] access [1, 1, 1, 2]
// CHECK: %[[E:.*]] = tensor.empty
// CHECK: %[[X:.*]] = linalg.generic {{.*}} outs(%[[E]]
// CHECK: linalg.generic {{.*}} ins(%[[X]]{{.*}} outs(%{{.*}} : tensor<6x8xf32>)
// CHECK: arith.mulf
module @around {
  train.state @out output : tensor<6x8xf32>
  plan.program @predict ["x", "w", "b"] {
  ^bb0(%x: tensor<6x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>):
    %n = nn.neg %x : tensor<6x8xf32>
    %y, %mean, %rstd = nn.layer_norm %n, %w, %b {epsilon = 1.0e-5 : f64} : tensor<6x8xf32>, tensor<8xf32> -> tensor<6xf32>
    %z = nn.mul %y, %n : tensor<6x8xf32>
    train.write %z, @out : tensor<6x8xf32>
  }
}
