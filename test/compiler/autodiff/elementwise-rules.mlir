// RUN: %trainc-opt %s -split-input-file --trainc-expand-gradient --canonicalize --cse | FileCheck %s
// Derivatives of elementwise operations.

// CHECK-LABEL: plan.program @neg
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.neg %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D3:.*]] = nn.neg %[[G]] : tensor<2x3xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @neg [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.neg %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @exp
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.exp %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D3:.*]] = nn.mul %[[G]], %[[Y]] : tensor<2x3xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @exp [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.exp %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @log
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.log %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D3:.*]] = nn.div %[[G]], %[[X]] : tensor<2x3xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @log [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.log %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @tanh
// CHECK: %[[C0:.*]] = nn.constant dense<1.000000e+00> : tensor<2x3xf32>
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.tanh %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.mul %[[Y]], %[[Y]] : tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.sub %[[C0]], %[[D4]] : tensor<2x3xf32>
// CHECK: %[[D6:.*]] = nn.mul %[[G]], %[[D5]] : tensor<2x3xf32>
// CHECK: train.write %[[D6]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @tanh [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.tanh %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @sqrt
// CHECK: %[[C0:.*]] = nn.constant dense<5.000000e-01> : tensor<2x3xf32>
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.sqrt %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.mul %[[G]], %[[C0]] : tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.div %[[D4]], %[[Y]] : tensor<2x3xf32>
// CHECK: train.write %[[D5]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @sqrt [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.sqrt %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @rsqrt
// CHECK: %[[C0:.*]] = nn.constant dense<-5.000000e-01> : tensor<2x3xf32>
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.rsqrt %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.mul %[[Y]], %[[Y]] : tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.mul %[[D4]], %[[Y]] : tensor<2x3xf32>
// CHECK: %[[D6:.*]] = nn.mul %[[G]], %[[C0]] : tensor<2x3xf32>
// CHECK: %[[D7:.*]] = nn.mul %[[D6]], %[[D5]] : tensor<2x3xf32>
// CHECK: train.write %[[D7]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @rsqrt [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.rsqrt %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @cos
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.cos %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D3:.*]] = nn.sin %[[X]] : tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.mul %[[G]], %[[D3]] : tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.neg %[[D4]] : tensor<2x3xf32>
// CHECK: train.write %[[D5]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @cos [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.cos %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @sin
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.sin %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D3:.*]] = nn.cos %[[X]] : tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.mul %[[G]], %[[D3]] : tensor<2x3xf32>
// CHECK: train.write %[[D4]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @sin [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.sin %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @sigmoid
// CHECK: %[[C0:.*]] = nn.constant dense<1.000000e+00> : tensor<2x3xf32>
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.sigmoid %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.sub %[[C0]], %[[Y]] : tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.mul %[[Y]], %[[D4]] : tensor<2x3xf32>
// CHECK: %[[D6:.*]] = nn.mul %[[G]], %[[D5]] : tensor<2x3xf32>
// CHECK: train.write %[[D6]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @sigmoid [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.sigmoid %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @relu
// CHECK: %[[C0:.*]] = nn.constant dense<0.000000e+00> : tensor<2x3xf32>
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.relu %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.compare  gt %[[X]], %[[C0]] : tensor<2x3xf32> -> tensor<2x3xi1>
// CHECK: %[[D5:.*]] = nn.select %[[D4]], %[[G]], %[[C0]] : tensor<2x3xi1>, tensor<2x3xf32>
// CHECK: train.write %[[D5]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @relu [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.relu %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @gelu
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.gelu  erf %[[X]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D3:.*]] = nn.gelu_grad  erf %[[G]], %[[X]] : tensor<2x3xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @gelu [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.gelu erf %x : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @add
// CHECK: %[[A:.*]] = train.read @a : tensor<2x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.add %[[A]], %[[B]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: train.write %[[G]], @grad.a : tensor<2x3xf32>
// CHECK: train.write %[[G]], @grad.b : tensor<2x3xf32>
train.parameter @a normal : tensor<2x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<2x3xf32> {external_name = "b"}
plan.program @add [] {
  %a = train.read @a : tensor<2x3xf32>
  %b = train.read @b : tensor<2x3xf32>
  %y = nn.add %a, %b : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @sub
// CHECK: %[[A:.*]] = train.read @a : tensor<2x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.sub %[[A]], %[[B]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.neg %[[G]] : tensor<2x3xf32>
// CHECK: train.write %[[G]], @grad.a : tensor<2x3xf32>
// CHECK: train.write %[[D4]], @grad.b : tensor<2x3xf32>
train.parameter @a normal : tensor<2x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<2x3xf32> {external_name = "b"}
plan.program @sub [] {
  %a = train.read @a : tensor<2x3xf32>
  %b = train.read @b : tensor<2x3xf32>
  %y = nn.sub %a, %b : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @mul
// CHECK: %[[A:.*]] = train.read @a : tensor<2x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.mul %[[A]], %[[B]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.mul %[[G]], %[[B]] : tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.mul %[[G]], %[[A]] : tensor<2x3xf32>
// CHECK: train.write %[[D4]], @grad.a : tensor<2x3xf32>
// CHECK: train.write %[[D5]], @grad.b : tensor<2x3xf32>
train.parameter @a normal : tensor<2x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<2x3xf32> {external_name = "b"}
plan.program @mul [] {
  %a = train.read @a : tensor<2x3xf32>
  %b = train.read @b : tensor<2x3xf32>
  %y = nn.mul %a, %b : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @div
// CHECK: %[[A:.*]] = train.read @a : tensor<2x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.div %[[A]], %[[B]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D4:.*]] = nn.div %[[G]], %[[B]] : tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.mul %[[D4]], %[[Y]] : tensor<2x3xf32>
// CHECK: %[[D6:.*]] = nn.neg %[[D5]] : tensor<2x3xf32>
// CHECK: train.write %[[D4]], @grad.a : tensor<2x3xf32>
// CHECK: train.write %[[D6]], @grad.b : tensor<2x3xf32>
train.parameter @a normal : tensor<2x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<2x3xf32> {external_name = "b"}
plan.program @div [] {
  %a = train.read @a : tensor<2x3xf32>
  %b = train.read @b : tensor<2x3xf32>
  %y = nn.div %a, %b : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @maximum
// CHECK: %[[C0:.*]] = nn.constant dense<0.000000e+00> : tensor<2x3xf32>
// CHECK: %[[A:.*]] = train.read @a : tensor<2x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.maximum %[[A]], %[[B]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.compare  ge %[[A]], %[[B]] : tensor<2x3xf32> -> tensor<2x3xi1>
// CHECK: %[[D6:.*]] = nn.select %[[D5]], %[[G]], %[[C0]] : tensor<2x3xi1>, tensor<2x3xf32>
// CHECK: %[[D7:.*]] = nn.select %[[D5]], %[[C0]], %[[G]] : tensor<2x3xi1>, tensor<2x3xf32>
// CHECK: train.write %[[D6]], @grad.a : tensor<2x3xf32>
// CHECK: train.write %[[D7]], @grad.b : tensor<2x3xf32>
train.parameter @a normal : tensor<2x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<2x3xf32> {external_name = "b"}
plan.program @maximum [] {
  %a = train.read @a : tensor<2x3xf32>
  %b = train.read @b : tensor<2x3xf32>
  %y = nn.maximum %a, %b : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @minimum
// CHECK: %[[C0:.*]] = nn.constant dense<0.000000e+00> : tensor<2x3xf32>
// CHECK: %[[A:.*]] = train.read @a : tensor<2x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.minimum %[[A]], %[[B]] : tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.compare  le %[[A]], %[[B]] : tensor<2x3xf32> -> tensor<2x3xi1>
// CHECK: %[[D6:.*]] = nn.select %[[D5]], %[[G]], %[[C0]] : tensor<2x3xi1>, tensor<2x3xf32>
// CHECK: %[[D7:.*]] = nn.select %[[D5]], %[[C0]], %[[G]] : tensor<2x3xi1>, tensor<2x3xf32>
// CHECK: train.write %[[D6]], @grad.a : tensor<2x3xf32>
// CHECK: train.write %[[D7]], @grad.b : tensor<2x3xf32>
train.parameter @a normal : tensor<2x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<2x3xf32> {external_name = "b"}
plan.program @minimum [] {
  %a = train.read @a : tensor<2x3xf32>
  %b = train.read @b : tensor<2x3xf32>
  %y = nn.minimum %a, %b : tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @select
// CHECK: %[[C0:.*]] = nn.constant dense<0.000000e+00> : tensor<2x3xf32>
// CHECK: %[[A:.*]] = train.read @a : tensor<2x3xf32>
// CHECK: %[[B:.*]] = train.read @b : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.select %{{.*}}, %[[A]], %[[B]] : tensor<2x3xi1>, tensor<2x3xf32>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f32> -> tensor<2x3xf32>
// CHECK: %[[D5:.*]] = nn.select %{{.*}}, %[[G]], %[[C0]] : tensor<2x3xi1>, tensor<2x3xf32>
// CHECK: %[[D6:.*]] = nn.select %{{.*}}, %[[C0]], %[[G]] : tensor<2x3xi1>, tensor<2x3xf32>
// CHECK: train.write %[[D5]], @grad.a : tensor<2x3xf32>
// CHECK: train.write %[[D6]], @grad.b : tensor<2x3xf32>
train.parameter @a normal : tensor<2x3xf32> {external_name = "a"}
train.parameter @b normal : tensor<2x3xf32> {external_name = "b"}
plan.program @select ["c"] {
^bb0(%c: tensor<2x3xi1>):
  %a = train.read @a : tensor<2x3xf32>
  %b = train.read @b : tensor<2x3xf32>
  %y = nn.select %c, %a, %b : tensor<2x3xi1>, tensor<2x3xf32>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf32> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}

// -----
// CHECK-LABEL: plan.program @cast
// CHECK: %[[X:.*]] = train.read @x : tensor<2x3xf32>
// CHECK: %[[Y:.*]] = nn.cast %[[X]] : tensor<2x3xf32> -> tensor<2x3xf64>
// CHECK: %[[G:.*]] = nn.broadcast %{{.*}} [] : tensor<f64> -> tensor<2x3xf64>
// CHECK: %[[D3:.*]] = nn.cast %[[G]] : tensor<2x3xf64> -> tensor<2x3xf32>
// CHECK: train.write %[[D3]], @grad.x : tensor<2x3xf32>
train.parameter @x normal : tensor<2x3xf32> {external_name = "x"}
plan.program @cast [] {
  %x = train.read @x : tensor<2x3xf32>
  %y = nn.cast %x : tensor<2x3xf32> -> tensor<2x3xf64>
  %sum = nn.reduce_sum %y [0, 1] : tensor<2x3xf64> -> tensor<f64>
  %one = nn.constant dense<1.0> : tensor<f64>
  train.loss "l" %sum, %one : tensor<f64>
  train.gradient
}
