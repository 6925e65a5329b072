// RUN: %trainc-opt --trainc-outline-kernels %s | FileCheck %s

// A sweep is one kernel: a workgroup per matrix and block of rows, a loop over the
// rows of its parts (here 2), one of each at a time, and one over those left; first all sums in one loop over the
// columns, in f32 where terms come from it, then what is written.
// CHECK-DAG: #[[PART:.*]] = affine_map<(d0) -> (d0 floordiv 2)>
// CHECK-DAG: #[[SECOND:.*]] = affine_map<(d0, d1) -> (d0 * 60 + (d1 floordiv 2) * 60)>
// CHECK-LABEL: plan.program @update
// CHECK: %[[W:.*]] = train.read @w : tensor<384xf32>
// The variable that the result goes to is updated where it lies.
// CHECK: %[[R:.*]]:3 = plan.launch @sweep_384_0 ins(%{{.*}}, %{{.*}} : tensor<384xf32>, tensor<2xf32>) outs(%[[W]], %{{.*}}, %{{.*}} :
// CHECK: train.write %[[R]]#0, @w
// Not where the old value is still needed.
// CHECK: %[[V:.*]] = train.read @v : tensor<384xf32>
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<384xf32>
// CHECK: plan.launch @sweep_384_1 ins(%[[V]] : tensor<384xf32>) outs(%[[EMPTY]] :
// CHECK: train.write %[[V]], @w
// CHECK: plan.kernel @sweep_384_0 access [1, 1, 3, 2, 2]
// CHECK: ^bb0(%[[G:.*]]: tensor<384xf32>, %[[A:.*]]: tensor<2xf32>, %[[OUT:.*]]: tensor<384xf32>, %[[COLUMN:.*]]: tensor<2x2x60xf64>, %[[ALL:.*]]: tensor<2x2xf64>):
// CHECK: scf.forall (%[[K:.*]], %[[BLOCK:.*]]) in (2, 2) shared_outs(
// CHECK:   %[[SOME:.*]] = affine.min
// CHECK:   linalg.fill {{.*}} tensor<60xf64>
// CHECK:   %[[LENGTH:.*]] = affine.apply #[[PART]](%[[SOME]])
// CHECK:   scf.for %[[ROW:.*]] = %c0{{.*}} to %[[LENGTH]] step %c1
// CHECK:     affine.apply #[[SECOND]](%[[ROW]], %[[SOME]])
// CHECK:     %[[SUMS:.*]]:2 = linalg.generic {{.*}}iterator_types = ["reduction"]{{.*}} outs(%{{.*}}, %{{.*}} : tensor<60xf64>, tensor<f32>)
// CHECK:       arith.addf %{{.*}} : f32
// CHECK:       arith.extf %{{.*}} : f32 to f64
// CHECK:     linalg.generic {{.*}}iterator_types = []} ins(%[[SUMS]]#1 : tensor<f32>) outs(%{{.*}} : tensor<f64>)
// CHECK:     linalg.generic {{.*}}iterator_types = ["parallel"]{{.*}} outs(%{{.*}} : tensor<60xf32>)
// CHECK:     linalg.generic {{.*}}iterator_types = ["parallel"]{{.*}} outs(%{{.*}} : tensor<60xf32>)
// CHECK:   scf.for %{{.*}} to %[[SOME]] step %c1
// CHECK: scf.forall.in_parallel
train.state @w metric : tensor<384xf32>
train.state @v metric : tensor<384xf32>
train.state @c output : tensor<2x2x60xf64>
train.state @s output : tensor<2x2xf64>
plan.program @update ["g", "a"] {
^bb0(%g: tensor<384xf32>, %a: tensor<2xf32>):
  %w = train.read @w : tensor<384xf32>
  %new:3 = train.sweep 2, 3, 60 by 2 elements(%w, %g : tensor<384xf32>, tensor<384xf32>) tensors(%a : tensor<2xf32>) {
  ^bb0(%e: tensor<f32>, %h: tensor<f32>, %f: tensor<f32>):
    %y = nn.mul %h, %f : tensor<f32>
    %z = nn.sub %e, %y : tensor<f32>
    %t = nn.cast %e : tensor<f32> -> tensor<f64>
    %u = nn.cast %y : tensor<f32> -> tensor<f64>
    train.yield %z, %t, %u : tensor<f32>, tensor<f64>, tensor<f64>
  } -> elements(tensor<384xf32>) column_sums(tensor<2x2x60xf64>) sums(tensor<2x2xf64>)
  train.write %new#0, @w : tensor<384xf32>
  train.write %new#1, @c : tensor<2x2x60xf64>
  train.write %new#2, @s : tensor<2x2xf64>
  %v = train.read @v : tensor<384xf32>
  %other = train.sweep 2, 3, 60 by 3 elements(%v : tensor<384xf32>) {
  ^bb0(%e: tensor<f32>):
    %y = nn.neg %e : tensor<f32>
    train.yield %y : tensor<f32>
  } -> elements(tensor<384xf32>)
  train.write %v, @w : tensor<384xf32>
  train.write %other, @v : tensor<384xf32>
}
