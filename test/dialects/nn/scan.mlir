// RUN: %trainc-opt %s | %trainc-opt | FileCheck %s

// CHECK-LABEL: plan.program @scan
plan.program @scan [] {
  %x = nn.constant dense<1.0> : tensor<5x2x8xf32>
  %h0 = nn.constant dense<0.0> : tensor<2x8xf32>
  %w = nn.constant dense<0.5> : tensor<8x8xf32>
  // CHECK: %[[H:.*]] = nn.scan over(%{{.*}} : tensor<5x2x8xf32>) from(%{{.*}} : tensor<2x8xf32>) with(%{{.*}} : tensor<8x8xf32>) {
  // CHECK: ^bb0(%[[X:.*]]: tensor<2x8xf32>, %[[B:.*]]: tensor<2x8xf32>, %[[W:.*]]: tensor<8x8xf32>):
  // CHECK: nn.matmul %[[B]], %[[W]]
  // CHECK: nn.yield %{{.*}} : tensor<2x8xf32>
  // CHECK: } -> states(tensor<5x2x8xf32>)
  %h = nn.scan over (%x : tensor<5x2x8xf32>) from (%h0 : tensor<2x8xf32>) with (%w : tensor<8x8xf32>) {
  ^bb0(%xt: tensor<2x8xf32>, %before: tensor<2x8xf32>, %u: tensor<8x8xf32>):
    %r = nn.matmul %before, %u : tensor<2x8xf32>, tensor<8x8xf32> -> tensor<2x8xf32>
    %s = nn.add %xt, %r : tensor<2x8xf32>
    %after = nn.tanh %s : tensor<2x8xf32>
    nn.yield %after : tensor<2x8xf32>
  } -> states (tensor<5x2x8xf32>)
  // CHECK: nn.scan reverse over(
  // CHECK: } -> states(tensor<5x2x8xf32>) outputs(tensor<5x2x8xf32>) sums(tensor<8xf32>)
  %s:3 = nn.scan reverse over (%x : tensor<5x2x8xf32>) from (%h0 : tensor<2x8xf32>) {
  ^bb0(%xt: tensor<2x8xf32>, %before: tensor<2x8xf32>):
    %d = nn.mul %xt, %before : tensor<2x8xf32>
    %z = nn.reduce_sum %d [0] : tensor<2x8xf32> -> tensor<8xf32>
    nn.yield %d, %xt, %z : tensor<2x8xf32>, tensor<2x8xf32>, tensor<8xf32>
  } -> states (tensor<5x2x8xf32>) outputs (tensor<5x2x8xf32>) sums (tensor<8xf32>)
}
