// RUN: %trainc-opt %s | %trainc-opt | FileCheck %s
// RUN: %trainc-opt %s --mlir-print-op-generic | %trainc-opt | FileCheck %s

// CHECK: train.parameter @transformer.wte.weight normal : tensor<50x8xf32> {external_name = "transformer.wte.weight", scale = 2.000000e-02 : f64}
train.parameter @transformer.wte.weight normal : tensor<50x8xf32> {scale = 0.02 : f64, decay = true, trainable = true, external_name = "transformer.wte.weight"}
// CHECK: train.parameter @b constant : tensor<8xf32> {decay = false, external_name = "b", offset = 1.000000e+00 : f64, trainable = false}
train.parameter @b constant : tensor<8xf32> {offset = 1.0 : f64, decay = false, trainable = false, external_name = "b"}
// CHECK: train.parameter @u uniform : tensor<f32>
train.parameter @u uniform : tensor<f32> {offset = -1.0 : f64, scale = 2.0 : f64, external_name = "u"}
// CHECK: train.state @m optimizer : tensor<8xf32> {external_name = "b.m", parameter = @b}
train.state @m optimizer : tensor<8xf32> {parameter = @b, external_name = "b.m"}
// CHECK: train.state @grad.b gradient : tensor<8xf32> {parameter = @b}
train.state @grad.b gradient : tensor<8xf32> {parameter = @b}
// CHECK: train.state @loss metric : tensor<f64> {value = 2.000000e+00 : f64}
train.state @loss metric : tensor<f64> {value = 2.0 : f64}
// CHECK: train.state @logits output : tensor<2x4x50xf32>
train.state @logits output : tensor<2x4x50xf32>
// CHECK: train.group @both [@u, @b] : tensor<130xf32>
train.group @both [@u, @b] : tensor<130xf32>

// CHECK: train.scale_loss 6.553600e+04 dynamic {floor = 1.000000e+00 : f64, hysteresis = 2 : i64}
train.scale_loss 65536.0 dynamic {hysteresis = 2 : i64, floor = 1.0 : f64}

// CHECK: train.step @step ["inputs", "control.random"] {
train.step @step ["inputs", "control.random"] {
^bb0(%ids: tensor<2x4xi32>, %random: tensor<3xi64>):
  // CHECK: train.read @b : tensor<8xf32>
  %b = train.read @b : tensor<8xf32>
  // CHECK: train.write %{{.*}}, @b : tensor<8xf32>
  train.write %b, @b : tensor<8xf32>
  // CHECK: train.read @both : tensor<130xf32>
  %both = train.read @both : tensor<130xf32>
  // CHECK: train.sum_squares [@both, @m] : tensor<f64>
  %squares = train.sum_squares [@both, @m] : tensor<f64>
  // CHECK: train.write %{{.*}}, @both : tensor<130xf32>
  train.write %both, @both : tensor<130xf32>
  %sum = nn.reduce_sum %b [0] : tensor<8xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  // CHECK: train.loss "causal_lm" %{{.*}}, %{{.*}} : tensor<f64>
  train.loss "causal_lm" %sum, %one {weight = 1.0 : f64, normalize = "tokens"} : tensor<f64>
  // CHECK: train.loss "second" %{{.*}}, %{{.*}} {normalize = "sequences", weight = 5.000000e+01 : f64} : tensor<f64>
  train.loss "second" %sum, %one {weight = 50.0 : f64, normalize = "sequences"} : tensor<f64>
  // CHECK: train.output "hidden_states" %{{.*}} : tensor<8xf32>
  train.output "hidden_states" %b : tensor<8xf32>
  // CHECK: train.gradient
  train.gradient
  // CHECK: train.update "adam" states ["m", "v"] scalars ["beta1_power"] values [1.000000e+00] schedule {
  train.update "adam" states ["m", "v"] scalars ["beta1_power"] values [1.0] schedule {
  ^bb0(%t: tensor<f64>):
    %lr = nn.constant dense<0.1> : tensor<f64>
    // CHECK: train.yield %{{.*}} : tensor<f64>
    train.yield %lr : tensor<f64>
  // CHECK: } step {
  } step {
  ^bb0(%lr: tensor<f64>, %power: tensor<f64>):
    // CHECK: train.yield %{{.*}}, %{{.*}} : tensor<f64>, tensor<f64>
    train.yield %power, %lr : tensor<f64>, tensor<f64>
  // CHECK: } element {
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %m: tensor<f32>, %v: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
    %d = nn.mul %lr, %g : tensor<f32>
    %new = nn.sub %theta, %d : tensor<f32>
    train.yield %new, %m, %v : tensor<f32>, tensor<f32>, tensor<f32>
  // CHECK: } {clip_norm = 1.000000e+00 : f64, weight_decay = 1.000000e-01 : f64}
  } {clip_norm = 1.0 : f64, weight_decay = 0.1 : f64}
}

// Means, states by row and column, and what it all becomes.
// CHECK: plan.program @apply
plan.program @apply [] {
  // CHECK: train.update "factored" states ["v"]
  train.update "factored" states ["v"] scalars [] values [] schedule {
  ^bb0(%t: tensor<f64>):
    train.yield %t : tensor<f64>
  } step {
  ^bb0(%lr: tensor<f64>):
    train.yield
  } element {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %v: tensor<f32>, %decay: tensor<f32>):
    // CHECK: train.mean tensor %{{.*}} : tensor<f32>
    %m = train.mean tensor %g : tensor<f32>
    %d = nn.mul %m, %v : tensor<f32>
    train.yield %theta, %d : tensor<f32>, tensor<f32>
  // CHECK: } matrix states [row "v_row", column "v_col", element "m"] {
  } matrix states [row "v_row", column "v_col", element "m"] {
  ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %r: tensor<f32>, %c: tensor<f32>, %m: tensor<f32>, %decay: tensor<f32>):
    // CHECK: train.mean row %{{.*}} : tensor<f32>
    %x = train.mean row %g : tensor<f32>
    // CHECK: train.mean column %{{.*}} : tensor<f32>
    %y = train.mean column %g : tensor<f32>
    // CHECK: train.mean tensor %{{.*}} : tensor<f32>
    %z = train.mean tensor %x : tensor<f32>
    %u = nn.mul %z, %x : tensor<f32>
    // CHECK: train.orthogonalize largest %{{.*}} {steps = 3 : i64} : tensor<f32>
    %o = train.orthogonalize largest %g {steps = 3 : i64} : tensor<f32>
    train.yield %theta, %u, %y, %m : tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>
  // CHECK: } {matrix_minimum = 128 : i64}
  } {matrix_minimum = 128 : i64}
}

// CHECK-LABEL: plan.program @sweeps
plan.program @sweeps ["x", "r", "c", "t", "s"] {
^bb0(%x: tensor<384xf32>, %r: tensor<2x3xf64>, %c: tensor<2x64xf32>, %t: tensor<2xf32>, %s: tensor<f32>):
  // CHECK: train.sweep 2, 3, 64 by 2 elements(%{{.*}} : tensor<384xf32>) rows(%{{.*}} : tensor<2x3xf64>) columns(%{{.*}} : tensor<2x64xf32>) tensors(%{{.*}} : tensor<2xf32>) shared(%{{.*}} : tensor<f32>) {
  %y:4 = train.sweep 2, 3, 64 by 2 elements(%x : tensor<384xf32>) rows(%r : tensor<2x3xf64>) columns(%c : tensor<2x64xf32>) tensors(%t : tensor<2xf32>) shared(%s : tensor<f32>) {
  ^bb0(%a: tensor<f32>, %b: tensor<f64>, %d: tensor<f32>, %e: tensor<f32>, %f: tensor<f32>):
    %w = nn.cast %d : tensor<f32> -> tensor<f64>
    train.yield %e, %b, %b, %w : tensor<f32>, tensor<f64>, tensor<f64>, tensor<f64>
  // CHECK: } -> elements(tensor<384xf32>) row_sums(tensor<2x3xf64>) column_sums(tensor<2x2x64xf64>) sums(tensor<2x2xf64>)
  } -> elements(tensor<384xf32>) row_sums(tensor<2x3xf64>) column_sums(tensor<2x2x64xf64>) sums(tensor<2x2xf64>)
  %r2 = nn.constant dense<1.0> : tensor<1x3xf32>
  // CHECK: train.sweep 1, 1, 3 by 1 elements(
  %z = train.sweep 1, 1, 3 by 1 elements(%r2 : tensor<1x3xf32>) {
  ^bb0(%a: tensor<f32>):
    %w = nn.cast %a : tensor<f32> -> tensor<f64>
    train.yield %w : tensor<f64>
  } -> sums(tensor<1x1xf64>)
}
