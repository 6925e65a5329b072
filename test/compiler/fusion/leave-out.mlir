// Work for values that are not written after all gets a bound, and its launches lie where the old
// values do.
// RUN: %trainc-opt %s --split-input-file --trainc-leave-out | FileCheck %s
// RUN: %trainc-opt %s --split-input-file --trainc-leave-out --trainc-fuse-elementwise --trainc-outline-kernels --trainc-verify-fusion --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s --check-prefix=KERNELS
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// Both variables of one condition share its bound, with all that only they need; the scalar that
// spreads stays without one, and so does the metric.
// CHECK-LABEL: plan.program @apply
// CHECK: %[[ALL:.*]] = nn.constant dense<9223372036854775807> : tensor<i64>
// CHECK: %[[NONE:.*]] = nn.constant dense<0> : tensor<i64>
// CHECK: %[[BOUND:.*]] = nn.select %{{.*}}, %[[ALL]], %[[NONE]] : tensor<i1>, tensor<i64>
// CHECK: %[[RATE:.*]] = nn.neg %{{.*}} : tensor<f32>
// CHECK: nn.broadcast %[[RATE]] [] {fusion.bound = 0 : i64}
// CHECK: nn.mul %{{.*}} {fusion.bound = 0 : i64} : tensor<96xf32>
// CHECK: nn.add %{{.*}} {fusion.bound = 0 : i64} : tensor<96xf32>
// CHECK: nn.select %{{.*}} {fusion.bound = 0 : i64} : tensor<96xi1>, tensor<96xf32>
// CHECK: nn.select %{{.*}} {fusion.bound = 0 : i64} : tensor<96xi1>, tensor<96xf32>
// CHECK: nn.select %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}} : tensor<i1>, tensor<f64>
// CHECK: plan.bounds %[[BOUND]] : tensor<i64>
// REMARK: operation(s) for new values of variables do not run where the old ones are kept
// KERNELS-LABEL: plan.program @apply
// KERNELS-DAG: %[[W:.*]] = train.read @w
// KERNELS-DAG: %[[M:.*]] = train.read @m
// KERNELS: plan.launch @{{.*}} outs(%[[M]], %[[W]] : tensor<96xf32>, tensor<96xf32>) bound %{{.*}} : tensor<i64> -> tensor<96xf32>, tensor<96xf32>
module {
  train.parameter @w normal : tensor<96xf32> {external_name = "w"}
  train.state @m optimizer : tensor<96xf32> {external_name = "m"}
  train.state @t optimizer : tensor<f64> {external_name = "t"}
  train.state @g metric : tensor<96xf32>
  plan.program @apply ["norm", "lr"] {
  ^bb0(%norm: tensor<f64>, %lr: tensor<f32>):
    %largest = nn.constant dense<1.0e30> : tensor<f64>
    %ok = nn.compare le %norm, %largest : tensor<f64> -> tensor<i1>
    %rate = nn.neg %lr : tensor<f32>
    %rates = nn.broadcast %rate [] : tensor<f32> -> tensor<96xf32>
    %g = train.read @g : tensor<96xf32>
    %w = train.read @w : tensor<96xf32>
    %m = train.read @m : tensor<96xf32>
    %t = train.read @t : tensor<f64>
    %step = nn.mul %rates, %g : tensor<96xf32>
    %m2 = nn.add %m, %step : tensor<96xf32>
    %w2 = nn.add %w, %m2 : tensor<96xf32>
    %everywhere = nn.broadcast %ok [] : tensor<i1> -> tensor<96xi1>
    %m3 = nn.select %everywhere, %m2, %m : tensor<96xi1>, tensor<96xf32>
    %w3 = nn.select %everywhere, %w2, %w : tensor<96xi1>, tensor<96xf32>
    %t2 = nn.add %t, %norm : tensor<f64>
    %t3 = nn.select %ok, %t2, %t : tensor<i1>, tensor<f64>
    train.write %m3, @m : tensor<96xf32>
    train.write %w3, @w : tensor<96xf32>
    train.write %t3, @t : tensor<f64>
  }
}

// -----

// A statistic of the old value is taken before: the update is made where it lies all the same. What
// comes of tensors with a bound has one, scalars too.
// CHECK-LABEL: plan.program @apply
// CHECK: nn.mul %{{.*}} {fusion.bound = 0 : i64} : tensor<96xf32>
// CHECK: nn.reduce_sum %{{.*}} {fusion.bound = 0 : i64} : tensor<96xf32> -> tensor<f32>
// CHECK: nn.sqrt %{{.*}} {fusion.bound = 0 : i64} : tensor<f32>
// KERNELS-LABEL: plan.program @apply
// KERNELS: %[[W:.*]] = train.read @w
// KERNELS: plan.launch @{{.*}} ins(%[[W]] : tensor<96xf32>) outs(%{{.*}}) bound %{{.*}} -> tensor<f32>
// KERNELS: plan.launch @{{.*}} outs(%[[W]] : tensor<96xf32>) bound %{{.*}} -> tensor<96xf32>
module {
  train.parameter @w normal : tensor<96xf32> {external_name = "w"}
  plan.program @apply ["norm"] {
  ^bb0(%norm: tensor<f64>):
    %largest = nn.constant dense<1.0e30> : tensor<f64>
    %ok = nn.compare le %norm, %largest : tensor<f64> -> tensor<i1>
    %w = train.read @w : tensor<96xf32>
    %squares = nn.mul %w, %w : tensor<96xf32>
    %sum = nn.reduce_sum %squares [0] : tensor<96xf32> -> tensor<f32>
    %root = nn.sqrt %sum : tensor<f32>
    %roots = nn.broadcast %root [] : tensor<f32> -> tensor<96xf32>
    %w2 = nn.div %w, %roots : tensor<96xf32>
    %everywhere = nn.broadcast %ok [] : tensor<i1> -> tensor<96xi1>
    %w3 = nn.select %everywhere, %w2, %w : tensor<96xi1>, tensor<96xf32>
    train.write %w3, @w : tensor<96xf32>
  }
}

// -----

// Not where another value is kept than the variable's own, where the new one is read by others, or where
// elements differ in what they keep.
// CHECK-LABEL: plan.program @apply
// CHECK-NOT: fusion.bound
// CHECK-NOT: plan.bounds
// KERNELS-LABEL: plan.program @apply
// KERNELS-NOT: bound
module {
  train.parameter @a normal : tensor<8xf32> {external_name = "a"}
  train.parameter @b normal : tensor<8xf32> {external_name = "b"}
  train.parameter @c normal : tensor<8xf32> {external_name = "c"}
  train.state @copy metric : tensor<8xf32>
  plan.program @apply ["ok", "each"] {
  ^bb0(%ok: tensor<i1>, %each: tensor<8xi1>):
    %a = train.read @a : tensor<8xf32>
    %b = train.read @b : tensor<8xf32>
    %c = train.read @c : tensor<8xf32>
    %everywhere = nn.broadcast %ok [] : tensor<i1> -> tensor<8xi1>
    %n = nn.neg %a : tensor<8xf32>
    %a2 = nn.select %everywhere, %n, %b : tensor<8xi1>, tensor<8xf32>
    %b2 = nn.select %everywhere, %n, %b : tensor<8xi1>, tensor<8xf32>
    %c2 = nn.select %each, %n, %c : tensor<8xi1>, tensor<8xf32>
    train.write %a2, @a : tensor<8xf32>
    train.write %b2, @b : tensor<8xf32>
    train.write %b2, @copy : tensor<8xf32>
    train.write %c2, @c : tensor<8xf32>
  }
}

// -----

// A copy in another type keeps its own old value, too: one kernel makes both where they lie, or does not run.
// CHECK-LABEL: plan.program @apply
// CHECK: nn.neg %{{.*}} {fusion.bound = 0 : i64} : tensor<96xf32>
// CHECK: nn.cast %{{.*}} {fusion.bound = 0 : i64} : tensor<96xf32> -> tensor<96xbf16>
// CHECK: nn.select %{{.*}} {fusion.bound = 0 : i64} : tensor<96xi1>, tensor<96xbf16>
// CHECK: plan.bounds %{{.*}} : tensor<i64>
// KERNELS-LABEL: plan.program @apply
// KERNELS-DAG: %[[A:.*]] = train.read @a
// KERNELS-DAG: %[[COPY:.*]] = train.read @copy
// KERNELS: plan.launch @{{.*}} outs(%[[A]], %[[COPY]] : tensor<96xf32>, tensor<96xbf16>) bound %{{.*}} : tensor<i64>
// The kernel reads @a and the scalar and writes both: nothing of the old copy.
// KERNELS: plan.kernel @{{.*}} access [1, 3, 3]
// KERNELS: {bytes = 9.610000e+02 : f64,
module {
  train.parameter @a normal : tensor<96xf32> {external_name = "a"}
  train.state @copy copy : tensor<96xbf16> {parameter = @a}
  plan.program @apply ["ok"] {
  ^bb0(%ok: tensor<i1>):
    %a = train.read @a : tensor<96xf32>
    %everywhere = nn.broadcast %ok [] : tensor<i1> -> tensor<96xi1>
    %n = nn.neg %a : tensor<96xf32>
    %a2 = nn.select %everywhere, %n, %a : tensor<96xi1>, tensor<96xf32>
    %narrow = nn.cast %n : tensor<96xf32> -> tensor<96xbf16>
    %copy = train.read @copy : tensor<96xbf16>
    %copy2 = nn.select %everywhere, %narrow, %copy : tensor<96xi1>, tensor<96xbf16>
    train.write %a2, @a : tensor<96xf32>
    train.write %copy2, @copy : tensor<96xbf16>
  }
}

// -----

// Sweeps that choose inside: all passes that only these writes need, with what is between them; what scales by a
// scalar of no tensor, and the metric, run.
// CHECK-LABEL: plan.program @apply
// CHECK: nn.neg %{{.*}} : tensor<f32>
// CHECK: train.sweep 2, 3, 60 by 3
// CHECK: } {fusion.bound = 0 : i64} -> sums(tensor<2x1xf64>)
// CHECK: nn.reduce_sum %{{.*}} {fusion.bound = 0 : i64} : tensor<2x1xf64> -> tensor<2xf64>
// CHECK: train.sweep 2, 3, 60 by 3
// CHECK: } {fusion.bound = 0 : i64} -> elements(tensor<384xf32>, tensor<384xbf16>)
// CHECK: plan.bounds %{{.*}} : tensor<i64>
// KERNELS-LABEL: plan.program @apply
// KERNELS: %[[W:.*]] = train.read @w
// KERNELS: plan.launch @sweep_{{.*}} ins(%[[W]] : tensor<384xf32>) outs(%{{.*}} : tensor<2x1xf64>) bound %
// KERNELS: plan.launch @reduce_sum_{{.*}} bound %
// KERNELS: %[[COPY:.*]] = train.read @copy
// KERNELS: plan.launch @sweep_{{.*}} outs(%[[W]], %[[COPY]] : tensor<384xf32>, tensor<384xbf16>) bound %
// KERNELS: plan.kernel @sweep_384_0 access [1, 1, 1, 3, 3]
// KERNELS: {bytes = 3.861000e+03 : f64,
module {
  train.parameter @w normal : tensor<384xf32> {external_name = "w"}
  train.state @copy copy : tensor<384xbf16> {parameter = @w}
  train.state @rate metric : tensor<f32>
  plan.program @apply ["ok", "lr"] {
  ^bb0(%ok: tensor<i1>, %lr: tensor<f32>):
    %w = train.read @w : tensor<384xf32>
    %rate = nn.neg %lr : tensor<f32>
    train.write %rate, @rate : tensor<f32>
    %s = train.sweep 2, 3, 60 by 3 elements(%w : tensor<384xf32>) {
    ^bb0(%e: tensor<f32>):
      %square = nn.mul %e, %e : tensor<f32>
      %wide = nn.cast %square : tensor<f32> -> tensor<f64>
      train.yield %wide : tensor<f64>
    } -> sums(tensor<2x1xf64>)
    %sums = nn.reduce_sum %s [1] : tensor<2x1xf64> -> tensor<2xf64>
    %copy = train.read @copy : tensor<384xbf16>
    %new:2 = train.sweep 2, 3, 60 by 3 elements(%w, %copy : tensor<384xf32>, tensor<384xbf16>) tensors(%sums : tensor<2xf64>) shared(%rate, %ok : tensor<f32>, tensor<i1>) {
    ^bb0(%e: tensor<f32>, %c: tensor<bf16>, %sum: tensor<f64>, %r: tensor<f32>, %change: tensor<i1>):
      %narrow = nn.cast %sum : tensor<f64> -> tensor<f32>
      %scaled = nn.mul %narrow, %r : tensor<f32>
      %y = nn.add %e, %scaled : tensor<f32>
      %rounded = nn.cast %y : tensor<f32> -> tensor<bf16>
      %e2 = nn.select %change, %y, %e : tensor<i1>, tensor<f32>
      %c2 = nn.select %change, %rounded, %c : tensor<i1>, tensor<bf16>
      train.yield %e2, %c2 : tensor<f32>, tensor<bf16>
    } -> elements(tensor<384xf32>, tensor<384xbf16>)
    train.write %new#0, @w : tensor<384xf32>
    train.write %new#1, @copy : tensor<384xbf16>
  }
}

// -----

// Not a sweep with a result that goes elsewhere, or one that is written another variable's old value, or one whose old
// value is read afterwards: it could not be made where that lies.
// CHECK-LABEL: plan.program @apply
// CHECK-NOT: fusion.bound
// CHECK-NOT: plan.bounds
// KERNELS-LABEL: plan.program @apply
// KERNELS-NOT: bound %
module {
  train.parameter @a normal : tensor<64xf32> {external_name = "a"}
  train.parameter @b normal : tensor<64xf32> {external_name = "b"}
  train.parameter @c normal : tensor<64xf32> {external_name = "c"}
  train.parameter @d normal : tensor<64xf32> {external_name = "d"}
  train.state @sum metric : tensor<1x1xf64>
  train.state @last metric : tensor<64xf32>
  plan.program @apply ["ok"] {
  ^bb0(%ok: tensor<i1>):
    %a = train.read @a : tensor<64xf32>
    %b = train.read @b : tensor<64xf32>
    %c = train.read @c : tensor<64xf32>
    %d = train.read @d : tensor<64xf32>
    %a2, %s = train.sweep 1, 1, 64 by 1 elements(%a : tensor<64xf32>) shared(%ok : tensor<i1>) {
    ^bb0(%e: tensor<f32>, %change: tensor<i1>):
      %n = nn.neg %e : tensor<f32>
      %e2 = nn.select %change, %n, %e : tensor<i1>, tensor<f32>
      %wide = nn.cast %n : tensor<f32> -> tensor<f64>
      train.yield %e2, %wide : tensor<f32>, tensor<f64>
    } -> elements(tensor<64xf32>) sums(tensor<1x1xf64>)
    %b2 = train.sweep 1, 1, 64 by 1 elements(%b, %c : tensor<64xf32>, tensor<64xf32>) shared(%ok : tensor<i1>) {
    ^bb0(%e: tensor<f32>, %o: tensor<f32>, %change: tensor<i1>):
      %n = nn.neg %e : tensor<f32>
      %e2 = nn.select %change, %n, %o : tensor<i1>, tensor<f32>
      train.yield %e2 : tensor<f32>
    } -> elements(tensor<64xf32>)
    %d2 = train.sweep 1, 1, 64 by 1 elements(%d : tensor<64xf32>) shared(%ok : tensor<i1>) {
    ^bb0(%e: tensor<f32>, %change: tensor<i1>):
      %n = nn.neg %e : tensor<f32>
      %e2 = nn.select %change, %n, %e : tensor<i1>, tensor<f32>
      train.yield %e2 : tensor<f32>
    } -> elements(tensor<64xf32>)
    train.write %a2, @a : tensor<64xf32>
    train.write %s, @sum : tensor<1x1xf64>
    train.write %b2, @b : tensor<64xf32>
    train.write %d2, @d : tensor<64xf32>
    %abs = nn.neg %d : tensor<64xf32>
    train.write %abs, @last : tensor<64xf32>
  }
}

// -----

// A copy of the new value is wanted in any case: one kernel makes both, always.
// CHECK-LABEL: plan.program @apply
// CHECK-NOT: fusion.bound
// CHECK-NOT: plan.bounds
// REMARK: new values of variables are computed where the old ones are kept, too: others read them
// KERNELS-LABEL: plan.program @apply
// KERNELS: plan.launch @{{.*}} outs(%{{.*}}) -> tensor<96xf32>, tensor<96xf64>
// KERNELS-NOT: plan.launch
module {
  train.parameter @a normal : tensor<96xf32> {external_name = "a"}
  train.state @copy metric : tensor<96xf64>
  plan.program @apply ["ok"] {
  ^bb0(%ok: tensor<i1>):
    %a = train.read @a : tensor<96xf32>
    %everywhere = nn.broadcast %ok [] : tensor<i1> -> tensor<96xi1>
    %n = nn.neg %a : tensor<96xf32>
    %a2 = nn.select %everywhere, %n, %a : tensor<96xi1>, tensor<96xf32>
    %wide = nn.cast %n : tensor<96xf32> -> tensor<96xf64>
    train.write %a2, @a : tensor<96xf32>
    train.write %wide, @copy : tensor<96xf64>
  }
}
