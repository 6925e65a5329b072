// RUN: %trainc-opt %s --trainc-outline-kernels --trainc-verify-fusion | FileCheck %s

// Equal operations launch one kernel; reshapes are views; tiles of the product are
// the workgroups.
// CHECK: plan.program @predict
// CHECK: %[[V:.*]] = tensor.collapse_shape %{{.*}} {{\[}}[0, 1, 2]] : tensor<2x256x8xf32> into tensor<4096xf32>
// CHECK: %[[X:.*]] = tensor.expand_shape %[[V]] {{.*}} : tensor<4096xf32> into tensor<512x8xf32>
// CHECK: plan.launch @[[K:matmul_512x512_0]] ins(%[[X]],
// CHECK: plan.launch @[[K]] ins(%[[X]],
// CHECK: plan.kernel @[[K]] access [1, 1, 2] computes "nn.matmul"
// CHECK: scf.forall (%[[I:.*]], %[[J:.*]]) = (0, 0) to (512, 512) step
// CHECK: linalg.fill
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: tensor.parallel_insert_slice
// CHECK: flops = 0x4150000000000000
// CHECK-NOT: plan.kernel
module {
  train.parameter @w normal : tensor<8x512xf32> {external_name = "w"}
  train.state @out output : tensor<512x512xf32>
  train.state @out2 output : tensor<512x512xf32>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<2x256x8xf32>):
    %w = train.read @w : tensor<8x512xf32>
    %flat = nn.reshape %x : tensor<2x256x8xf32> -> tensor<512x8xf32>
    %y = nn.matmul %flat, %w : tensor<512x8xf32>, tensor<8x512xf32> -> tensor<512x512xf32>
    %z = nn.matmul %flat, %w : tensor<512x8xf32>, tensor<8x512xf32> -> tensor<512x512xf32>
    train.write %y, @out : tensor<512x512xf32>
    train.write %z, @out2 : tensor<512x512xf32>
  }
}
