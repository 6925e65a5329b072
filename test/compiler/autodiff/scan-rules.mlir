// RUN: %trainc-opt --trainc-expand-gradient --canonicalize --cse %s | FileCheck %s

// Backward a scan the other way: it gets the rows of the forward scan, the states
// before each run (the start, then the results) and the gradient that arrives. The
// gradient of the matrix is one product behind it, of all rows of its two factors.
// CHECK-LABEL: plan.program @accumulate
// CHECK: %[[X:.*]] = train.read @x
// CHECK: %[[H0:.*]] = train.read @h
// CHECK: %[[W:.*]] = train.read @w
// CHECK: %[[S:.*]] = nn.scan over(%[[X]] : tensor<5x2x8xf32>) from(%[[H0]] : tensor<2x8xf32>)
// CHECK: %[[FIRST:.*]] = nn.reshape %[[H0]] : tensor<2x8xf32> -> tensor<1x2x8xf32>
// CHECK: %[[REST:.*]] = nn.slice %[[S]] [0, 0, 0] : tensor<5x2x8xf32> -> tensor<4x2x8xf32>
// CHECK: %[[A:.*]] = nn.pad %[[FIRST]] [0, 0, 0]
// CHECK: %[[B:.*]] = nn.pad %[[REST]] [1, 0, 0]
// CHECK: %[[BEFORE:.*]] = nn.add %[[A]], %[[B]] : tensor<5x2x8xf32>
// CHECK: %[[DS:.*]], %[[DX:.*]] = nn.scan reverse over(%[[X]], %[[BEFORE]], %{{.*}} : tensor<5x2x8xf32>, tensor<5x2x8xf32>, tensor<5x2x8xf32>) from(%{{.*}} : tensor<2x8xf32>) with(%[[W]] : tensor<8x8xf32>) {
// CHECK: ^bb0(%[[XT:.*]]: tensor<2x8xf32>, %[[BT:.*]]: tensor<2x8xf32>, %[[G:.*]]: tensor<2x8xf32>, %[[D:.*]]: tensor<2x8xf32>, %[[U:.*]]: tensor<8x8xf32>):
// CHECK:   nn.matmul %[[BT]], %[[U]]
// CHECK:   nn.tanh
// CHECK:   nn.add %[[D]], %[[G]]
// CHECK:   %[[DB:.*]] = nn.matmul %{{.*}}, %[[U]] transpose_rhs
// CHECK-NOT: nn.matmul
// CHECK:   nn.yield %[[DB]], %{{.*}} : tensor<2x8xf32>, tensor<2x8xf32>
// CHECK: } -> states(tensor<5x2x8xf32>) outputs(tensor<5x2x8xf32>)
// CHECK: nn.slice %[[DS]] [0, 0, 0] : tensor<5x2x8xf32> -> tensor<1x2x8xf32>
// CHECK: %[[L:.*]] = nn.reshape %[[BEFORE]] : tensor<5x2x8xf32> -> tensor<10x8xf32>
// CHECK: %[[R:.*]] = nn.reshape %[[DX]] : tensor<5x2x8xf32> -> tensor<10x8xf32>
// CHECK: nn.matmul %[[L]], %[[R]] transpose_lhs
module {
  train.parameter @x normal : tensor<5x2x8xf32> {scale = 1.0, external_name = "x"}
  train.parameter @h normal : tensor<2x8xf32> {scale = 1.0, external_name = "h"}
  train.parameter @w normal : tensor<8x8xf32> {scale = 1.0, external_name = "w"}
  plan.program @accumulate [] {
    %x = train.read @x : tensor<5x2x8xf32>
    %h0 = train.read @h : tensor<2x8xf32>
    %w = train.read @w : tensor<8x8xf32>
    %h = nn.scan over (%x : tensor<5x2x8xf32>) from (%h0 : tensor<2x8xf32>) with (%w : tensor<8x8xf32>) {
    ^bb0(%xt: tensor<2x8xf32>, %before: tensor<2x8xf32>, %u: tensor<8x8xf32>):
      %r = nn.matmul %before, %u : tensor<2x8xf32>, tensor<8x8xf32> -> tensor<2x8xf32>
      %s = nn.add %xt, %r : tensor<2x8xf32>
      %after = nn.tanh %s : tensor<2x8xf32>
      nn.yield %after : tensor<2x8xf32>
    } -> states (tensor<5x2x8xf32>)
    %sum = nn.reduce_sum %h [0, 1, 2] : tensor<5x2x8xf32> -> tensor<f64>
    %one = nn.constant dense<1.0> : tensor<f64>
    train.loss "l" %sum, %one : tensor<f64>
    train.gradient
  }
}
