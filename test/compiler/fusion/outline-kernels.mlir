// RUN: %trainc-opt %s --split-input-file --trainc-outline-kernels --trainc-verify-fusion | FileCheck %s

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

// -----

// Operations that differ in their noise stream only launch one kernel, to which
// the stream is the launch's constant. Forward and backward pass share it too.
// CHECK: plan.program @accumulate
// CHECK: plan.launch @[[DROP:dropout_4x8_0]] {{.*}} constant 3 -> tensor<4x8xf32>
// CHECK: plan.launch @[[DROP]] {{.*}} constant 2147483647 -> tensor<4x8xf32>
// CHECK: plan.launch @[[ATT:attention_[0-9x]*_0]] {{.*}} constant 5 -> tensor<1x4x1x8xf32>
// CHECK: plan.launch @[[ATT]] {{.*}} constant 6 -> tensor<1x4x1x8xf32>
// Without dropout an attention draws no numbers.
// CHECK: plan.launch @[[PLAIN:attention_[0-9x]*_1]] {{[^c]*}} -> tensor<1x4x1x8xf32>
// CHECK: plan.launch @[[DATT:attention_grad_[0-9x]*_0]] {{.*}} constant 5 -> tensor<1x4x1x8xf32>
// CHECK: plan.launch @[[DATT]] {{.*}} constant 6 -> tensor<1x4x1x8xf32>
// CHECK: plan.launch @[[NORMAL:random_4x8_0]] {{.*}} constant 11 -> tensor<4x8xf32>
// CHECK: plan.launch @[[NORMAL]] {{.*}} constant 12 -> tensor<4x8xf32>
// CHECK: plan.launch @[[UNIFORM:random_4x8_1]] {{.*}} constant 12 -> tensor<4x8xf32>
// CHECK: plan.kernel @[[DROP]] access [1, 1, 2] computes "nn.dropout"
// CHECK-NEXT: ^bb0(%{{.*}}, %{{.*}}: tensor<3xi64>, %{{.*}}: tensor<4x8xf32>, %[[STREAM:.*]]: i64):
// CHECK: arith.xori %{{.*}}, %[[STREAM]] : i64
// CHECK: plan.kernel @[[ATT]] access [1, 1, 1, 1, 2, 2]
// CHECK: plan.kernel @[[PLAIN]] access [1, 1, 1, 2, 2]
// CHECK: plan.kernel @[[DATT]] access [1, 1, 1, 1, 1, 1, 1, 2, 2, 2]
// CHECK: plan.kernel @[[NORMAL]] access [1, 2]
// CHECK: plan.kernel @[[UNIFORM]] access [1, 2]
// CHECK-NOT: plan.kernel
module {
  train.state @o1 output : tensor<4x8xf32>
  train.state @o2 output : tensor<4x8xf32>
  train.state @o3 output : tensor<4x8xf32>
  train.state @a output : tensor<1x4x1x8xf32>
  plan.program @accumulate ["x", "q", "control.random"] {
  ^bb0(%x: tensor<4x8xf32>, %q: tensor<1x4x1x8xf32>, %r: tensor<3xi64>):
    %d0 = nn.dropout %x, %r {rate = 0.1 : f64, batch_rows = 4 : i64, stream = 3 : i64} : tensor<4x8xf32>, tensor<3xi64>
    %d1 = nn.dropout %d0, %r {rate = 0.1 : f64, batch_rows = 4 : i64, stream = 2147483647 : i64} : tensor<4x8xf32>, tensor<3xi64>
    %a0, %l0 = nn.attention causal %q, %q, %q counters %r : tensor<3xi64> {scale = 1.0 : f64, dropout = 0.1 : f64, stream = 5 : i64}
        : tensor<1x4x1x8xf32>, tensor<1x4x1x8xf32> -> tensor<1x1x4xf32>
    %a1, %l1 = nn.attention causal %a0, %a0, %a0 counters %r : tensor<3xi64> {scale = 1.0 : f64, dropout = 0.1 : f64, stream = 6 : i64}
        : tensor<1x4x1x8xf32>, tensor<1x4x1x8xf32> -> tensor<1x1x4xf32>
    %a2, %l2 = nn.attention causal %a1, %a1, %a1 {scale = 1.0 : f64, stream = 7 : i64}
        : tensor<1x4x1x8xf32>, tensor<1x4x1x8xf32> -> tensor<1x1x4xf32>
    %g0, %g1, %g2 = nn.attention_grad causal %a2, %q, %q, %q, %a0, %l0 counters %r : tensor<3xi64> {scale = 1.0 : f64, dropout = 0.1 : f64, stream = 5 : i64}
        : tensor<1x4x1x8xf32>, tensor<1x4x1x8xf32>, tensor<1x1x4xf32>
    %h0, %h1, %h2 = nn.attention_grad causal %g0, %g1, %g2, %q, %a0, %l0 counters %r : tensor<3xi64> {scale = 1.0 : f64, dropout = 0.1 : f64, stream = 6 : i64}
        : tensor<1x4x1x8xf32>, tensor<1x4x1x8xf32>, tensor<1x1x4xf32>
    %n0 = nn.random normal %r {offset = 0.0 : f64, scale = 0.02 : f64, stream = 11 : i64} : tensor<3xi64> -> tensor<4x8xf32>
    %n1 = nn.random normal %r {offset = 0.0 : f64, scale = 0.02 : f64, stream = 12 : i64} : tensor<3xi64> -> tensor<4x8xf32>
    %n2 = nn.random uniform %r {offset = 0.0 : f64, scale = 0.02 : f64, stream = 12 : i64} : tensor<3xi64> -> tensor<4x8xf32>
    train.write %d1, @o1 : tensor<4x8xf32>
    train.write %h0, @a : tensor<1x4x1x8xf32>
    train.write %n0, @o1 : tensor<4x8xf32>
    train.write %n1, @o2 : tensor<4x8xf32>
    train.write %n2, @o3 : tensor<4x8xf32>
  }
}

// -----

// Whole rows of what a launch makes are a view where they begin at a multiple of
// 64 bytes; others, and those of variables, are copied.
// CHECK: plan.program @predict
// CHECK: %[[Y:.*]] = plan.launch @softmax
// CHECK-NEXT: %[[A:.*]] = tensor.extract_slice %[[Y]][8, 0] [9, 2] [1, 1] : tensor<20x2xf32> to tensor<9x2xf32>
// CHECK-NEXT: train.write %[[A]], @a
// CHECK: %[[B:.*]] = plan.launch @slice_9x2_0 ins(%[[Y]] : tensor<20x2xf32>)
// CHECK-NEXT: train.write %[[B]], @b
// CHECK: %[[C:.*]] = plan.launch @slice_9x2_1 ins(%arg0 : tensor<20x2xf32>)
// CHECK-NEXT: train.write %[[C]], @c
// CHECK: %[[D:.*]] = plan.launch @slice_9x1_0 ins(%[[Y]] : tensor<20x2xf32>)
// CHECK-NEXT: train.write %[[D]], @d
module {
  train.state @a output : tensor<9x2xf32>
  train.state @b output : tensor<9x2xf32>
  train.state @c output : tensor<9x2xf32>
  train.state @d output : tensor<9x1xf32>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<20x2xf32>):
    %y = nn.softmax %x : tensor<20x2xf32>
    %a = nn.slice %y [8, 0] : tensor<20x2xf32> -> tensor<9x2xf32>
    train.write %a, @a : tensor<9x2xf32>
    %b = nn.slice %y [7, 0] : tensor<20x2xf32> -> tensor<9x2xf32>
    train.write %b, @b : tensor<9x2xf32>
    %c = nn.slice %x [8, 0] : tensor<20x2xf32> -> tensor<9x2xf32>
    train.write %c, @c : tensor<9x2xf32>
    %d = nn.slice %y [8, 0] : tensor<20x2xf32> -> tensor<9x1xf32>
    train.write %d, @d : tensor<9x1xf32>
  }
}

// -----

// Attention reads the columns of the joint tensor, its gradient writes them:
// neither split nor concat gets a kernel.
// CHECK: plan.program @accumulate
// CHECK-NOT: plan.launch @split
// CHECK: plan.launch @[[ATT:attention_[0-9x]*_0]] ins(%arg0 : tensor<8x48xf32>)
// CHECK: plan.launch @[[GRAD:attention_grad_8x48_0]] ins(%{{.*}}, %arg0, %{{.*}}, %{{.*}} : {{.*}}) outs(%{{.*}} : tensor<8x48xf32>)
// CHECK-NEXT: train.write %{{.*}}, @joint : tensor<8x48xf32>
// CHECK-NOT: plan.launch
// CHECK: plan.kernel @[[ATT]] access [1, 2, 2]
// CHECK: tensor.expand_shape {{.*}} output_shape [2, 4, 3, 2, 8]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0, 0, 0] [2, 4, 1, 2, 8] {{.*}} to tensor<2x4x2x8xf32>
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 1, 0, 0] [2, 4, 1, 2, 8]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 2, 0, 0] [2, 4, 1, 2, 8]
// CHECK: scf.forall
// CHECK: plan.kernel @[[GRAD]] access [1, 1, 1, 1, 2]
// CHECK: scf.forall
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0, 0, 0] [2, 4, 1, 2, 8]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 1, 0, 0] [2, 4, 1, 2, 8]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 2, 0, 0] [2, 4, 1, 2, 8]
module {
  train.state @joint output : tensor<8x48xf32>
  plan.program @accumulate ["x"] {
  ^bb0(%x: tensor<8x48xf32>):
    %0, %1, %2 = nn.split %x : tensor<8x48xf32> -> tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>
    %q = nn.reshape %0 : tensor<8x16xf32> -> tensor<2x4x2x8xf32>
    %k = nn.reshape %1 : tensor<8x16xf32> -> tensor<2x4x2x8xf32>
    %v = nn.reshape %2 : tensor<8x16xf32> -> tensor<2x4x2x8xf32>
    %y, %l = nn.attention causal %q, %k, %v {scale = 1.0 : f64}
        : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
    %dq, %dk, %dv = nn.attention_grad causal %y, %q, %k, %v, %y, %l {scale = 1.0 : f64}
        : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x2x4xf32>
    %3 = nn.reshape %dq : tensor<2x4x2x8xf32> -> tensor<8x16xf32>
    %4 = nn.reshape %dk : tensor<2x4x2x8xf32> -> tensor<8x16xf32>
    %5 = nn.reshape %dv : tensor<2x4x2x8xf32> -> tensor<8x16xf32>
    %dx = nn.concat %3, %4, %5 : tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32> -> tensor<8x48xf32>
    train.write %dx, @joint : tensor<8x48xf32>
  }
}

// -----

// A softmax reads its operand as a whole, so the part is copied; a part that
// leaves the program too, and a join of something else.
// CHECK: plan.program @predict
// CHECK: %[[S:.*]]:2 = plan.launch @split_8x16_0
// CHECK: plan.launch @softmax
// CHECK: %[[T:.*]]:2 = plan.launch @split_8x16_0
// CHECK: train.write %[[T]]#1, @b
// CHECK: plan.launch @concat_8x32_0
module {
  train.state @a output : tensor<8x32xf32>
  train.state @b output : tensor<8x16xf32>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<8x32xf32>):
    %0, %1 = nn.split %x : tensor<8x32xf32> -> tensor<8x16xf32>, tensor<8x16xf32>
    %flat = nn.reshape %0 : tensor<8x16xf32> -> tensor<2x64xf32>
    %y = nn.softmax %flat : tensor<2x64xf32>
    %z = nn.reshape %y : tensor<2x64xf32> -> tensor<8x16xf32>
    %2, %3 = nn.split %x : tensor<8x32xf32> -> tensor<8x16xf32>, tensor<8x16xf32>
    train.write %3, @b : tensor<8x16xf32>
    %c = nn.concat %z, %2 : tensor<8x16xf32>, tensor<8x16xf32> -> tensor<8x32xf32>
    train.write %c, @a : tensor<8x32xf32>
  }
}
