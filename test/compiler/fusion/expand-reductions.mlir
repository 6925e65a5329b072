// RUN: %trainc-opt %s --trainc-expand-reductions | FileCheck %s

// A large sum to a scalar becomes pieces and their sum; the elementwise producer
// that only the sum uses is computed in the shape of the pieces.
// CHECK-LABEL: plan.program @clip
// CHECK: %[[G:.*]] = train.read @g
// CHECK: %[[P:.*]] = nn.reshape %[[G]] : tensor<512x768xf32> -> tensor<6x65536xf32>
// CHECK: %[[Q:.*]] = nn.mul %[[P]], %[[P]] : tensor<6x65536xf32>
// CHECK: %[[PARTIAL:.*]] = nn.reduce_sum %[[Q]] [1] : tensor<6x65536xf32> -> tensor<6xf64>
// CHECK: %[[SUM:.*]] = nn.reduce_sum %[[PARTIAL]] [0] : tensor<6xf64> -> tensor<f64>
// CHECK-NOT: nn.mul
// CHECK: train.write %[[SUM]], @norm
module {
  train.parameter @g normal : tensor<512x768xf32> {external_name = "g"}
  train.state @norm metric : tensor<f64>
  train.state @small metric : tensor<f64>
  plan.program @clip [] {
    %g = train.read @g : tensor<512x768xf32>
    %q = nn.mul %g, %g : tensor<512x768xf32>
    %s = nn.reduce_sum %q [0, 1] : tensor<512x768xf32> -> tensor<f64>
    train.write %s, @norm : tensor<f64>
  }
  // Small ones stay as they are, and so do sums that keep a dimension.
  // CHECK-LABEL: plan.program @others
  // CHECK: nn.reduce_sum %{{.*}} [0] : tensor<64xf32> -> tensor<f64>
  // CHECK: nn.reduce_sum %{{.*}} [0] : tensor<512x768xf32> -> tensor<768xf32>
  plan.program @others ["x", "y"] {
  ^bb0(%x: tensor<64xf32>, %y: tensor<512x768xf32>):
    %s = nn.reduce_sum %x [0] : tensor<64xf32> -> tensor<f64>
    %t = nn.reduce_sum %y [0] : tensor<512x768xf32> -> tensor<768xf32>
    train.write %s, @small : tensor<f64>
  }
}
