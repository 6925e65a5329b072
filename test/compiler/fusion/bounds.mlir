// Operations with bounds as launches with bounds; those of different bounds share
// no kernel launch, but kernels.
// RUN: %trainc-opt %s --split-input-file --trainc-fuse-elementwise --trainc-outline-kernels --trainc-verify-fusion --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// Two sums of the same kind, the second one bounded, then what always runs.
// CHECK: plan.program @evaluate
// CHECK: %[[A:.*]] = plan.launch @[[SUM:fused_[a-z0-9_]*]] ins({{.*}}) outs({{.*}}) -> tensor<16xf32>
// CHECK: %[[B:.*]] = plan.launch @[[SUM]] ins({{.*}}) outs({{.*}}) bound %arg1 : tensor<i64> -> tensor<16xf32>
// A product that grows an accumulator, which the bound leaves as it was.
// CHECK: %[[P:.*]] = plan.launch @{{.*}} outs({{.*}}) -> tensor<4x4xf32>
// CHECK: %[[Q:.*]] = plan.launch @{{.*}} outs(%[[P]] : tensor<4x4xf32>) bound %arg1 : tensor<i64> -> tensor<4x4xf32>
// CHECK-NOT: plan.bounds
// CHECK: plan.join %[[A]], %[[B]]
// CHECK-NOT: fusion.bound
// REMARK: nn.matmul is fused with the 1 elementwise operation(s) that read its result, up to nn.accumulate
module {
  train.state @y output : tensor<32xf32>
  train.state @z output : tensor<4x4xf32>
  plan.program @evaluate ["x", "n", "m"] {
  ^bb0(%x: tensor<16xf32>, %n: tensor<i64>, %m: tensor<4x4xf32>):
    %a0 = nn.add %x, %x : tensor<16xf32>
    %a1 = nn.mul %a0, %x : tensor<16xf32>
    %b0 = nn.add %x, %x {fusion.bound = 0 : i64} : tensor<16xf32>
    %b1 = nn.mul %b0, %x {fusion.bound = 0 : i64} : tensor<16xf32>
    %p = nn.matmul %m, %m : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
    %q = nn.matmul %m, %m transpose_lhs {fusion.bound = 0 : i64} : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
    %r = nn.accumulate %p, %q {fusion.bound = 0 : i64} : tensor<4x4xf32>
    %j = plan.join %a1, %b1 : tensor<16xf32>, tensor<16xf32> -> tensor<32xf32>
    train.write %j, @y : tensor<32xf32>
    train.write %r, @z : tensor<4x4xf32>
    plan.bounds %n : tensor<i64>
  }
}

// -----

// What reads a bounded product, a bounded sum or what a bounded product reads, but
// has no bound itself, is another launch.
// REMARK: nn.matmul stays a kernel of its own: only one of them may be left out
// CHECK: plan.program @evaluate
// CHECK: %[[P:.*]] = plan.launch @{{.*}} -> tensor<16x4xf32>
// CHECK: %[[Q:.*]] = plan.launch @{{.*}} outs(%[[P]] : tensor<16x4xf32>) bound %arg1 : tensor<i64> -> tensor<16x4xf32>
// CHECK: plan.launch @neg{{.*}} ins(%[[Q]] : tensor<16x4xf32>) outs({{.*}}) -> tensor<16x4xf32>
module {
  train.state @z output : tensor<16x4xf32>
  plan.program @evaluate ["x", "n", "m"] {
  ^bb0(%x: tensor<16x4xf32>, %n: tensor<i64>, %m: tensor<4x4xf32>):
    %p = nn.matmul %x, %m : tensor<16x4xf32>, tensor<4x4xf32> -> tensor<16x4xf32>
    %r = nn.accumulate %p, %x {fusion.bound = 0 : i64} : tensor<16x4xf32>
    %s = nn.neg %r : tensor<16x4xf32>
    train.write %s, @z : tensor<16x4xf32>
    plan.bounds %n : tensor<i64>
  }
}
