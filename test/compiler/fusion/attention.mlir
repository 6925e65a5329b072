// RUN: %trainc-opt %s --split-input-file --trainc-outline-kernels --trainc-verify-fusion | FileCheck %s
// RUN: %trainc-opt %s --split-input-file --trainc-outline-kernels | FileCheck %s --check-prefix=SQUARE

// No tensor of queries x keys exists anywhere.
// SQUARE-NOT: 256x256
// SQUARE-NOT: 131x131

// The loop over keys ends with the block's last query, a multiple of 64 here, so
// all sizes are known. Masking is for blocks that cross the diagonal only.
// CHECK: #[[END:.*]] = affine_map<(d0) -> (256, d0 + 64)>
// CHECK: plan.kernel @attention_2x256x3x64_0
// CHECK: scf.forall (%{{.*}}, %{{.*}}, %[[Q:.*]]) = (0, 0, 0) to (2, 3, 256) step (1, 1, 64)
// CHECK: linalg.transpose {{.*}} outs(%{{.*}} : tensor<64x64xf32>)
// CHECK: %[[LAST:.*]] = affine.min #[[END]](%[[Q]])
// CHECK: scf.for %[[K:.*]] = %c0{{.*}} to %[[LAST]] step %c64
// CHECK: tensor.extract_slice %{{.*}}[%{{.*}}, %[[K]], %{{.*}}, 0] [1, 64, 1, 64]
// CHECK: %[[REACHED:.*]] = arith.addi %[[K]], %c63
// CHECK: %[[EDGE:.*]] = arith.cmpi sgt, %[[REACHED]], %[[Q]]
// CHECK: scf.if %[[EDGE]] -> (tensor<64x64xf32>)
// CHECK: arith.cmpi sle
// CHECK: } else {
// CHECK-NEXT: scf.yield
// CHECK: scf.forall.in_parallel
// 4 · 2 · 3 · 64 · 256 · 257 / 2
// CHECK: flops = 0x4188180000000000

// A workgroup per head; its queries in order, their keys as above.
// CHECK: plan.kernel @attention_grad_2x256x3x64_0
// CHECK: scf.forall (%{{.*}}, %{{.*}}) in (2, 3)
// CHECK: scf.for %[[Q:.*]] = %c0{{.*}} to %c256{{.*}} step %c64
// CHECK: %[[LAST:.*]] = affine.min #[[END]](%[[Q]])
// CHECK: scf.for %{{.*}} = %c0{{.*}} to %[[LAST]] step %c64
// CHECK: scf.if
// CHECK: scf.forall.in_parallel
// 10 · 2 · 3 · 64 · 256 · 257 / 2
// CHECK: flops = 0x419E1E0000000000

module {
  train.state @o output : tensor<2x256x3x64xf32>
  train.state @dq output : tensor<2x256x3x64xf32>
  plan.program @causal ["q", "g"] {
  ^bb0(%q: tensor<2x256x3x64xf32>, %g: tensor<2x256x3x64xf32>):
    %y, %lse = nn.attention causal %q, %q, %q {scale = 0.125 : f64}
        : tensor<2x256x3x64xf32>, tensor<2x256x3x64xf32> -> tensor<2x3x256xf32>
    %dq, %dk, %dv = nn.attention_grad causal %g, %q, %q, %q, %y, %lse {scale = 0.125 : f64}
        : tensor<2x256x3x64xf32>, tensor<2x256x3x64xf32>, tensor<2x3x256xf32>
    train.write %y, @o : tensor<2x256x3x64xf32>
    train.write %dq, @dq : tensor<2x256x3x64xf32>
  }
}

// -----

// A window starts with the block of the oldest key seen. 131 queries are three
// blocks of 48, the last one shorter: its lanes stay 48.
// CHECK-DAG: #[[SIZE:.*]] = affine_map<(d0) -> (48, -d0 + 131)>
// CHECK-DAG: #[[FIRST:.*]] = affine_map<(d0) -> (0, ((d0 - 19) floordiv 48) * 48)>
// CHECK-DAG: #[[END:.*]] = affine_map<(d0) -> (131, d0 + 48)>
// CHECK: plan.kernel @attention_1x131x1x8_0
// CHECK: scf.forall (%{{.*}}, %{{.*}}, %[[Q:.*]]) = (0, 0, 0) to (1, 1, 131) step (1, 1, 48)
// CHECK: affine.min #[[SIZE]](%[[Q]])
// CHECK: tensor.empty() : tensor<8x48xf32>
// CHECK-DAG: %[[BEGIN:.*]] = affine.max #[[FIRST]](%[[Q]])
// CHECK-DAG: %[[LAST:.*]] = affine.min #[[END]](%[[Q]])
// CHECK: scf.for %{{.*}} = %[[BEGIN]] to %[[LAST]] step %c48
// 4 · 8 · (20 · 21 / 2 + 111 · 20)
// CHECK: flops = 7.776{{0*}}e+04
module {
  train.state @o output : tensor<1x131x1x8xf32>
  plan.program @window ["q"] {
  ^bb0(%q: tensor<1x131x1x8xf32>):
    %y, %lse = nn.attention window %q, %q, %q {scale = 0.125 : f64, window = 20 : i64}
        : tensor<1x131x1x8xf32>, tensor<1x131x1x8xf32> -> tensor<1x1x131xf32>
    train.write %y, @o : tensor<1x131x1x8xf32>
  }
}
