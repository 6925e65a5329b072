// RUN: %trainc-opt --trainc-outline-kernels %s | FileCheck %s

// One kernel with one loop over the runs, whatever their number; the state in a
// temporary, the elementwise operations of the body in one, the run's row last.
// CHECK-LABEL: plan.program @scan
// CHECK: plan.launch @scan_500x2x8_0
// CHECK: plan.launch @scan_500x2x8_1
// CHECK: plan.kernel @scan_500x2x8_0
// CHECK: ^bb0(%[[X:.*]]: tensor<500x2x8xf32>, %[[H0:.*]]: tensor<2x8xf32>, %[[W:.*]]: tensor<8x8xf32>, %[[OUT:.*]]: tensor<500x2x8xf32>):
// CHECK: %[[START:.*]] = linalg.copy ins(%[[H0]] : tensor<2x8xf32>)
// CHECK: scf.for %[[I:.*]] = %c0 to %c500 step %c1 iter_args(%[[ROWS:.*]] = %[[OUT]], %[[STATE:.*]] = %[[START]])
// CHECK:   %[[ROW:.*]] = tensor.extract_slice %[[X]][%[[I]], 0, 0] [1, 2, 8] [1, 1, 1] : tensor<500x2x8xf32> to tensor<2x8xf32>
// CHECK:   tensor.extract_slice %[[STATE]]
// CHECK:   %[[R:.*]] = linalg.generic {{.*}}"reduction"
// CHECK:   %[[NEXT:.*]] = linalg.generic {{.*}} ins(%[[ROW]], %[[R]] :
// CHECK:     arith.addf
// CHECK:     math.tanh
// CHECK:   %[[NEW:.*]] = linalg.copy ins(%[[NEXT]] : tensor<2x8xf32>) outs(%[[STATE]] :
// CHECK:   %[[ALL:.*]] = tensor.insert_slice %[[NEW]] into %[[ROWS]][%[[I]], 0, 0] [1, 2, 8]
// CHECK:   scf.yield %[[ALL]], %[[NEW]]
// Backwards the last row comes first, and sums begin with 0.
// CHECK: plan.kernel @scan_500x2x8_1
// CHECK: linalg.fill
// CHECK: scf.for
// CHECK:   %[[LAST:.*]] = arith.subi
// CHECK:   tensor.extract_slice %{{.*}}[%[[LAST]], 0, 0]
plan.program @scan ["x", "h", "w"] {
^bb0(%x: tensor<500x2x8xf32>, %h0: tensor<2x8xf32>, %w: tensor<8x8xf32>):
  %h = nn.scan over (%x : tensor<500x2x8xf32>) from (%h0 : tensor<2x8xf32>) with (%w : tensor<8x8xf32>) {
  ^bb0(%xt: tensor<2x8xf32>, %before: tensor<2x8xf32>, %u: tensor<8x8xf32>):
    %r = nn.matmul %before, %u : tensor<2x8xf32>, tensor<8x8xf32> -> tensor<2x8xf32>
    %s = nn.add %xt, %r : tensor<2x8xf32>
    %after = nn.tanh %s : tensor<2x8xf32>
    nn.yield %after : tensor<2x8xf32>
  } -> states (tensor<500x2x8xf32>)
  train.write %h, @h : tensor<500x2x8xf32>
  %s:3 = nn.scan reverse over (%x : tensor<500x2x8xf32>) from (%h0 : tensor<2x8xf32>) {
  ^bb0(%xt: tensor<2x8xf32>, %before: tensor<2x8xf32>):
    %d = nn.mul %xt, %before : tensor<2x8xf32>
    %z = nn.reduce_sum %d [0] : tensor<2x8xf32> -> tensor<8xf32>
    nn.yield %d, %xt, %z : tensor<2x8xf32>, tensor<2x8xf32>, tensor<8xf32>
  } -> states (tensor<500x2x8xf32>) outputs (tensor<500x2x8xf32>) sums (tensor<8xf32>)
  train.write %s#2, @z : tensor<8xf32>
}
train.state @h output : tensor<500x2x8xf32>
train.state @z output : tensor<8xf32>
