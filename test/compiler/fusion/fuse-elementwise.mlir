// RUN: %trainc-opt %s -split-input-file --trainc-fuse-elementwise | FileCheck %s

// A chain is one kernel; the broadcast is an index map of it, the constant a scalar.
// CHECK-LABEL: module @chain
// CHECK: plan.program @predict
// CHECK-NOT: nn.
// CHECK: %[[B:.*]] = train.read @b
// CHECK: %[[E:.*]] = tensor.empty() : tensor<4x6xf32>
// CHECK: %[[R:.*]] = plan.launch @[[K:.*]] ins(%[[B]], %{{.*}} : tensor<6xf32>, tensor<4x6xf32>) outs(%[[E]] : tensor<4x6xf32>)
// CHECK: train.write %[[R]], @out
// CHECK: plan.kernel @[[K]] access [1, 1, 2]
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "parallel"]
// CHECK: arith.addf
// CHECK: arith.mulf
// CHECK: math.tanh
// CHECK: linalg.yield
module @chain {
  train.parameter @b constant : tensor<6xf32> {external_name = "b"}
  train.state @out output : tensor<4x6xf32>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4x6xf32>):
    %b = train.read @b : tensor<6xf32>
    %bb = nn.broadcast %b [1] : tensor<6xf32> -> tensor<4x6xf32>
    %two = nn.constant dense<2.0> : tensor<4x6xf32>
    %y = nn.add %x, %bb : tensor<4x6xf32>
    %z = nn.mul %y, %two : tensor<4x6xf32>
    %t = nn.tanh %z : tensor<4x6xf32>
    train.write %t, @out : tensor<4x6xf32>
  }
}

// -----

// %a and %d have one shape and %a feeds %d, but the matmul between them depends on
// %a: together they would wait for each other.
// CHECK-LABEL: module @cycle
// CHECK: plan.program @predict
// CHECK: %[[A:.*]] = plan.launch @neg
// CHECK: plan.launch @matmul_add_{{.*}} ins(%[[A]], %[[A]], %[[A]]
module @cycle {
  train.state @out output : tensor<4x4xf32>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4x4xf32>):
    %a = nn.neg %x : tensor<4x4xf32>
    %m = nn.matmul %a, %a : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
    %d = nn.add %m, %a : tensor<4x4xf32>
    train.write %d, @out : tensor<4x4xf32>
  }
}

// -----

// An update reads and writes its variable in place: the destination is the old value.
// CHECK-LABEL: module @update
// CHECK: plan.program @apply
// CHECK-DAG: %[[W:.*]] = train.read @w
// CHECK-DAG: %[[G:.*]] = train.read @grad.w
// CHECK: %[[R:.*]] = plan.launch @{{.*}} ins(%[[G]] : tensor<8xf32>) outs(%[[W]] : tensor<8xf32>)
// CHECK: train.write %[[R]], @w
// CHECK: plan.kernel @{{.*}} access [1, 3]
module @update {
  train.parameter @w normal : tensor<8xf32> {external_name = "w"}
  train.state @grad.w gradient : tensor<8xf32> {parameter = @w}
  plan.program @apply [] {
    %w = train.read @w : tensor<8xf32>
    %g = train.read @grad.w : tensor<8xf32>
    %r = nn.sub %w, %g : tensor<8xf32>
    train.write %r, @w : tensor<8xf32>
  }
}

// -----

// Not in place where the old value is read elsewhere too.
// CHECK-LABEL: module @shared
// CHECK: plan.kernel @sub_8_0 access [1, 1, 2]
module @shared {
  train.parameter @w normal : tensor<8xf32> {external_name = "w"}
  train.state @old output : tensor<8xf32>
  plan.program @apply ["g"] {
  ^bb0(%g: tensor<8xf32>):
    %w = train.read @w : tensor<8xf32>
    %r = nn.sub %w, %g : tensor<8xf32>
    train.write %r, @w : tensor<8xf32>
    train.write %w, @old : tensor<8xf32>
  }
}

// -----

// Updates that read one variable are one sweep of it, though neither feeds the other
// (Lion); not through a value of another shape in between.
// CHECK-LABEL: module @siblings
// CHECK-DAG: %[[W:.*]] = train.read @w
// CHECK-DAG: %[[M:.*]] = train.read @m
// CHECK-DAG: %[[G:.*]] = train.read @g
// CHECK: %[[R:.*]]:2 = plan.launch @{{.*}} ins(%[[G]] : tensor<8xf32>) outs(%{{.*}}, %{{.*}} : tensor<8xf32>, tensor<8xf32>)
// CHECK-NOT: plan.launch
// CHECK: plan.program @waits
// CHECK-COUNT-3: plan.launch
// CHECK-DAG: plan.kernel @{{.*}} access [1, 3, 3]
module @siblings {
  train.parameter @w normal : tensor<8xf32> {external_name = "w"}
  train.parameter @m normal : tensor<8xf32> {external_name = "m"}
  train.state @g gradient : tensor<8xf32> {parameter = @w}
  plan.program @apply [] {
    %w = train.read @w : tensor<8xf32>
    %m = train.read @m : tensor<8xf32>
    %g = train.read @g : tensor<8xf32>
    %u = nn.add %m, %g : tensor<8xf32>
    %w2 = nn.sub %w, %u : tensor<8xf32>
    train.write %w2, @w : tensor<8xf32>
    %m2 = nn.mul %m, %g : tensor<8xf32>
    train.write %m2, @m : tensor<8xf32>
  }
  plan.program @waits [] {
    %w = train.read @w : tensor<8xf32>
    %g = train.read @g : tensor<8xf32>
    %w2 = nn.sub %w, %g : tensor<8xf32>
    train.write %w2, @w : tensor<8xf32>
    %sum = nn.reduce_sum %w2 [0] : tensor<8xf32> -> tensor<f32>
    %wide = nn.broadcast %sum [] : tensor<f32> -> tensor<8xf32>
    %m2 = nn.mul %g, %wide : tensor<8xf32>
    train.write %m2, @m : tensor<8xf32>
  }
}

// -----

// A sum absorbs the producers that only it uses, and equal kernels are one.
// CHECK-LABEL: module @sums
// CHECK-COUNT-2: plan.launch @[[K:fused_reduce_sum_0]] ins(%{{.*}} : tensor<8xf32>)
// CHECK: plan.kernel @[[K]]
// CHECK: linalg.generic {{.*}}iterator_types = ["reduction"]
// CHECK: arith.mulf
// CHECK: arith.extf
// CHECK: arith.addf
// CHECK-NOT: plan.kernel
module @sums {
  train.state @s metric : tensor<f64>
  train.state @t metric : tensor<f64>
  plan.program @norm ["x", "y"] {
  ^bb0(%x: tensor<8xf32>, %y: tensor<8xf32>):
    %xx = nn.mul %x, %x : tensor<8xf32>
    %s = nn.reduce_sum %xx [0] : tensor<8xf32> -> tensor<f64>
    train.write %s, @s : tensor<f64>
    %yy = nn.mul %y, %y : tensor<8xf32>
    %t = nn.reduce_sum %yy [0] : tensor<8xf32> -> tensor<f64>
    train.write %t, @t : tensor<f64>
  }
}

// -----

// A group waits for its last operand, and what it writes with it: who reads that
// variable, or a group with it, stays behind.
// CHECK-LABEL: module @variables
// CHECK: %[[L:.*]]:2 = plan.launch @matmul_add
// CHECK: train.write %[[L]]#0, @b
// CHECK: %[[NEW:.*]] = train.read @b
// CHECK: plan.launch @exp{{.*}} ins(%[[NEW]]
// CHECK: %[[GROUP:.*]] = train.read @bs
// CHECK: train.write %[[GROUP]], @copy
module @variables {
  train.state @b metric : tensor<4x4xf32>
  train.state @seen output : tensor<4x4xf32>
  train.state @sum output : tensor<4x4xf32>
  train.state @copy output : tensor<64xf32>
  train.group @bs [@b] : tensor<64xf32>
  plan.program @predict ["x", "l", "r"] {
  ^bb0(%x: tensor<4x4xf32>, %l: tensor<4x4xf32>, %r: tensor<4x4xf32>):
    %n = nn.neg %x : tensor<4x4xf32>
    train.write %n, @b : tensor<4x4xf32>
    %new = train.read @b : tensor<4x4xf32>
    %e = nn.exp %new : tensor<4x4xf32>
    train.write %e, @seen : tensor<4x4xf32>
    %group = train.read @bs : tensor<64xf32>
    train.write %group, @copy : tensor<64xf32>
    %m = nn.matmul %l, %r : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
    %s = nn.add %n, %m : tensor<4x4xf32>
    train.write %s, @sum : tensor<4x4xf32>
  }
}

// -----

// The way from the negation to the sum leads through a variable, too: no group, or
// it would wait for itself. Nothing is written before its old value is read.
// CHECK-LABEL: module @through_variable
// CHECK: %[[OLD:.*]] = train.read @b
// CHECK: train.write %[[OLD]], @old
// CHECK: %[[N:.*]] = plan.launch @neg
// CHECK: train.write %[[N]], @b
// CHECK: %[[NEW:.*]] = train.read @b
// CHECK: plan.launch @{{.*}}add{{.*}} ins(%{{.*}}, %{{.*}} :
// CHECK: train.write %{{.*}}, @sum
module @through_variable {
  train.state @b metric : tensor<4x4xf32>
  train.state @old output : tensor<4x4xf32>
  train.state @sum output : tensor<4x4xf32>
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4x4xf32>):
    %old = train.read @b : tensor<4x4xf32>
    train.write %old, @old : tensor<4x4xf32>
    %n = nn.neg %x : tensor<4x4xf32>
    train.write %n, @b : tensor<4x4xf32>
    %new = train.read @b : tensor<4x4xf32>
    %e = nn.exp %new : tensor<4x4xf32>
    %s = nn.add %n, %e : tensor<4x4xf32>
    train.write %s, @sum : tensor<4x4xf32>
  }
}
