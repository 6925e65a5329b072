// RUN: %trainc-opt %s --split-input-file --trainc-fuse-loss-gradient --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// What the gradient is multiplied with is made behind the loss and moves before it.
// REMARK: nn.cross_entropy and its gradient are one kernel
// CHECK: plan.program @accumulate
// CHECK: %[[SCALE:.*]] = train.read @scale
// CHECK-NEXT: %[[SEED:.*]] = nn.broadcast %[[SCALE]] []
// CHECK-NEXT: %[[LOSS:.*]], %{{.*}}, %[[G:.*]] = nn.cross_entropy_with_grad %[[SEED]], %arg0, %arg1 {ignore_index = -1 : i64, label_smoothing = 1.000000e-01 : f64}
// CHECK-NEXT: train.write %[[LOSS]], @loss
// CHECK-NEXT: train.write %[[G]], @dx
module {
  train.state @scale metric : tensor<f32>
  train.state @loss output : tensor<4xf32>
  train.state @dx output : tensor<4x7xf32>
  plan.program @accumulate ["x", "targets"] {
  ^bb0(%x: tensor<4x7xf32>, %targets: tensor<4xi32>):
    %loss, %lse = nn.cross_entropy %x, %targets {ignore_index = -1 : i64, label_smoothing = 0.1 : f64} : tensor<4x7xf32>, tensor<4xi32> -> tensor<4xf32>
    train.write %loss, @loss : tensor<4xf32>
    %scale = train.read @scale : tensor<f32>
    %seed = nn.broadcast %scale [] : tensor<f32> -> tensor<4xf32>
    %dx = nn.cross_entropy_grad %seed, %x, %targets, %lse {ignore_index = -1 : i64, label_smoothing = 0.1 : f64} : tensor<4xf32>, tensor<4x7xf32>, tensor<4xi32>
    train.write %dx, @dx : tensor<4x7xf32>
  }
}

// -----

// The loss is part of its gradient's factor.
// REMARK: nn.cross_entropy and its gradient stay two kernels: what the gradient is multiplied with depends on the loss
// CHECK: nn.cross_entropy %
// CHECK: nn.cross_entropy_grad
module {
  train.state @dx output : tensor<4x7xf32>
  plan.program @accumulate ["x", "targets"] {
  ^bb0(%x: tensor<4x7xf32>, %targets: tensor<4xi32>):
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<4x7xf32>, tensor<4xi32> -> tensor<4xf32>
    %twice = nn.add %loss, %loss : tensor<4xf32>
    %dx = nn.cross_entropy_grad %twice, %x, %targets, %lse : tensor<4xf32>, tensor<4x7xf32>, tensor<4xi32>
    train.write %dx, @dx : tensor<4x7xf32>
  }
}

// -----

// A variable that is written in between may not be read earlier.
// REMARK: nn.cross_entropy and its gradient stay two kernels
module {
  train.state @scale metric : tensor<4xf32>
  train.state @dx output : tensor<4x7xf32>
  plan.program @accumulate ["x", "targets"] {
  ^bb0(%x: tensor<4x7xf32>, %targets: tensor<4xi32>):
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<4x7xf32>, tensor<4xi32> -> tensor<4xf32>
    train.write %loss, @scale : tensor<4xf32>
    %seed = train.read @scale : tensor<4xf32>
    %dx = nn.cross_entropy_grad %seed, %x, %targets, %lse : tensor<4xf32>, tensor<4x7xf32>, tensor<4xi32>
    train.write %dx, @dx : tensor<4x7xf32>
  }
}

// -----

// Another smoothing: not the same loss.
// CHECK-NOT: nn.cross_entropy_with_grad
// CHECK: nn.cross_entropy_grad
// CHECK-NOT: nn.cross_entropy_with_grad
module {
  train.state @dx output : tensor<4x7xf32>
  plan.program @accumulate ["x", "targets", "seed"] {
  ^bb0(%x: tensor<4x7xf32>, %targets: tensor<4xi32>, %seed: tensor<4xf32>):
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<4x7xf32>, tensor<4xi32> -> tensor<4xf32>
    %dx = nn.cross_entropy_grad %seed, %x, %targets, %lse {label_smoothing = 0.1 : f64} : tensor<4xf32>, tensor<4x7xf32>, tensor<4xi32>
    train.write %dx, @dx : tensor<4x7xf32>
  }
}
