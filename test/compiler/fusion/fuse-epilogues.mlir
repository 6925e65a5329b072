// RUN: %trainc-opt %s -split-input-file --trainc-fuse-elementwise --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// Bias and GELU follow the product on its tile. The pre-activation leaves too: the
// product's tile lives where the first result goes, and the generic overwrites it.
// CHECK-LABEL: module @bias_gelu
// CHECK: plan.launch @[[K:matmul_gelu[a-z0-9_]*]]
// CHECK-NOT: nn.
// CHECK: plan.kernel @[[K]] access [1, 1, 1, 2, 2]
// CHECK: ^bb0(%[[B:.*]]: tensor<192xf32>, %[[X:.*]]: tensor<512x16xf32>, %[[W:.*]]: tensor<16x192xf32>,
// CHECK: scf.forall {{.*}} shared_outs(%[[D0:.*]] = %{{.*}}, %[[D1:.*]] = %{{.*}})
// CHECK-DAG: %[[T0:.*]] = tensor.extract_slice %[[D0]]
// CHECK-DAG: %[[T1:.*]] = tensor.extract_slice %[[D1]]
// CHECK: %[[F:.*]] = linalg.fill {{.*}} outs(%[[T0]]
// CHECK: %[[P:.*]] = linalg.generic {{.*}}"reduction"{{.*}} outs(%[[F]]
// CHECK: %[[BT:.*]] = tensor.extract_slice %[[B]]
// CHECK: linalg.generic {{.*}}["parallel", "parallel"]{{.*}} ins(%[[BT]] {{.*}} outs(%[[P]], %[[T1]]
// CHECK: arith.addf
// CHECK: math.
// CHECK: tensor.parallel_insert_slice
// CHECK: tensor.parallel_insert_slice
// REMARK: nn.matmul is fused with the {{[0-9]+}} elementwise operation(s) that read its result, up to nn.gelu
module @bias_gelu {
  train.state @pre output : tensor<512x192xf32>
  train.state @post output : tensor<512x192xf32>
  plan.program @predict ["x", "w", "b"] {
  ^bb0(%x: tensor<512x16xf32>, %w: tensor<16x192xf32>, %b: tensor<192xf32>):
    %p = nn.matmul %x, %w : tensor<512x16xf32>, tensor<16x192xf32> -> tensor<512x192xf32>
    %bb = nn.broadcast %b [1] : tensor<192xf32> -> tensor<512x192xf32>
    %y = nn.add %p, %bb : tensor<512x192xf32>
    %g = nn.gelu tanh %y : tensor<512x192xf32>
    train.write %y, @pre : tensor<512x192xf32>
    train.write %g, @post : tensor<512x192xf32>
  }
}

// -----

// Accumulation in place: the destination holds the old gradient, so the product's
// tile is scratch.
// CHECK-LABEL: module @accumulate
// CHECK: %[[OLD:.*]] = train.read @grad.w
// CHECK: plan.launch @[[K:matmul_add[a-z0-9_]*]] ins({{.*}}) outs(%[[OLD]] :
// CHECK: plan.kernel @[[K]] access [1, 1, 3]
// CHECK: scf.forall
// CHECK: %[[S:.*]] = tensor.empty() : tensor<[[T:.*]]>
// CHECK: linalg.fill {{.*}} outs(%[[S]] : tensor<[[T]]>)
// CHECK: linalg.generic
// CHECK: linalg.generic
// REMARK: nn.matmul is fused with the 1 elementwise operation(s) that read its result, up to nn.add
module @accumulate {
  train.parameter @w normal : tensor<256x96xf32> {external_name = "w"}
  train.state @grad.w gradient : tensor<256x96xf32> {parameter = @w}
  plan.program @accumulate ["x", "dy"] {
  ^bb0(%x: tensor<8x256xf32>, %dy: tensor<8x96xf32>):
    %old = train.read @grad.w : tensor<256x96xf32>
    %new = nn.matmul %x, %dy transpose_lhs : tensor<8x256xf32>, tensor<8x96xf32> -> tensor<256x96xf32>
    %sum = nn.add %old, %new : tensor<256x96xf32>
    train.write %sum, @grad.w : tensor<256x96xf32>
  }
}

// -----

// Not in place where the product reads the variable: its tiles read more of it than
// they write.
// CHECK-LABEL: module @reads_whole
// CHECK: %[[E:.*]] = tensor.empty
// CHECK: plan.launch @{{.*}} outs(%[[E]] :
// CHECK: plan.kernel @{{.*}} access [1, 1, 1, 2]
// REMARK: nn.matmul is fused
module @reads_whole {
  train.parameter @w normal : tensor<32x32xf32> {external_name = "w"}
  plan.program @apply [] {
    %w = train.read @w : tensor<32x32xf32>
    %p = nn.matmul %w, %w : tensor<32x32xf32>, tensor<32x32xf32> -> tensor<32x32xf32>
    %r = nn.sub %w, %p : tensor<32x32xf32>
    train.write %r, @w : tensor<32x32xf32>
  }
}

// -----

// The product's own result leaves as well: it is written once, by the contraction.
// CHECK-LABEL: module @own_result
// CHECK: plan.kernel @matmul_tanh{{.*}} access [1, 1, 2, 2]
// CHECK: %[[P:.*]] = linalg.generic {{.*}}"reduction"
// CHECK: linalg.generic {{.*}} ins(%[[P]] :
// CHECK-NOT: linalg.generic
// REMARK: nn.matmul is fused
module @own_result {
  train.state @p output : tensor<40x24xf32>
  train.state @t output : tensor<40x24xf32>
  plan.program @predict ["x", "w"] {
  ^bb0(%x: tensor<40x8xf32>, %w: tensor<8x24xf32>):
    %p = nn.matmul %x, %w : tensor<40x8xf32>, tensor<8x24xf32> -> tensor<40x24xf32>
    %t = nn.tanh %p : tensor<40x24xf32>
    train.write %p, @p : tensor<40x24xf32>
    train.write %t, @t : tensor<40x24xf32>
  }
}

// -----

// A sum of two products is the epilogue of the later one; it reads the other's result.
// CHECK-LABEL: module @two_products
// CHECK: %[[M:.*]] = nn.matmul
// CHECK: plan.launch @matmul_add{{.*}} ins(%[[M]], %{{.*}}, %{{.*}} :
// REMARK: nn.matmul is fused
// REMARK: nn.matmul stays a kernel of its own: what reads its result is the epilogue of another product
module @two_products {
  train.state @out output : tensor<40x24xf32>
  plan.program @predict ["x", "v", "w"] {
  ^bb0(%x: tensor<40x8xf32>, %v: tensor<8x24xf32>, %w: tensor<8x24xf32>):
    %p = nn.matmul %x, %v : tensor<40x8xf32>, tensor<8x24xf32> -> tensor<40x24xf32>
    %q = nn.matmul %x, %w : tensor<40x8xf32>, tensor<8x24xf32> -> tensor<40x24xf32>
    %s = nn.add %p, %q : tensor<40x24xf32>
    train.write %s, @out : tensor<40x24xf32>
  }
}

// -----

// A reduction keeps its own order of summation; a product that nothing elementwise
// reads stays as it is.
// CHECK-LABEL: module @missed
// CHECK: nn.matmul
// CHECK: nn.matmul
// REMARK: nn.matmul stays a kernel of its own: no elementwise operation reads its result
// REMARK: nn.matmul stays a kernel of its own: a reduction reads its result
module @missed {
  train.state @out output : tensor<8x8xf32>
  train.state @s metric : tensor<f64>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<8x8xf32>):
    %p = nn.matmul %x, %x : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    %e = nn.mul %p, %p : tensor<8x8xf32>
    %s = nn.reduce_sum %e [0, 1] : tensor<8x8xf32> -> tensor<f64>
    %q = nn.matmul %x, %x transpose_rhs : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    train.write %q, @out : tensor<8x8xf32>
    train.write %s, @s : tensor<f64>
  }
}

// -----

// The sum waits for both products, and the second product for the first: only the
// second can have the sum.
// CHECK-LABEL: module @cycle
// CHECK: nn.matmul
// CHECK: plan.launch @matmul_add
// REMARK: nn.matmul is fused
// REMARK: nn.matmul stays a kernel of its own: what reads its result is the epilogue of another product
module @cycle {
  train.state @out output : tensor<8x8xf32>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<8x8xf32>):
    %p = nn.matmul %x, %x : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    %q = nn.matmul %p, %x : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
    %s = nn.add %p, %q : tensor<8x8xf32>
    train.write %s, @out : tensor<8x8xf32>
  }
}

// -----

// What is left of a tile at the edges has a size of its own.
// CHECK-LABEL: module @odd
// CHECK: affine.min
// CHECK: affine.min
// REMARK: nn.matmul is fused
module @odd {
  train.state @out output : tensor<521x1031xf32>
  plan.program @predict ["x", "w", "r"] {
  ^bb0(%x: tensor<521x7xf32>, %w: tensor<1031x7xf32>, %r: tensor<521x1031xf32>):
    %p = nn.matmul %x, %w transpose_rhs : tensor<521x7xf32>, tensor<1031x7xf32> -> tensor<521x1031xf32>
    %s = nn.add %p, %r : tensor<521x1031xf32>
    train.write %s, @out : tensor<521x1031xf32>
  }
}
