// RUN: %trainc-opt %s | %trainc-opt | FileCheck %s
// RUN: %trainc-opt %s --mlir-print-op-generic | %trainc-opt | FileCheck %s

// CHECK-LABEL: func @elementwise
func.func @elementwise(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %c: tensor<4x8xi1>,
                       %i: tensor<4x8xi32>) {
  // CHECK-NEXT: nn.neg %{{.*}} : tensor<4x8xf32>
  %0 = nn.neg %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.exp %{{.*}} : tensor<4x8xf32>
  %1 = nn.exp %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.log %{{.*}} : tensor<4x8xf32>
  %2 = nn.log %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.tanh %{{.*}} : tensor<4x8xf32>
  %3 = nn.tanh %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.sqrt %{{.*}} : tensor<4x8xf32>
  %4 = nn.sqrt %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.rsqrt %{{.*}} : tensor<4x8xf32>
  %5 = nn.rsqrt %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.cos %{{.*}} : tensor<4x8xf32>
  %6 = nn.cos %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.sin %{{.*}} : tensor<4x8xf32>
  %7 = nn.sin %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.sigmoid %{{.*}} : tensor<4x8xf32>
  %8 = nn.sigmoid %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.relu %{{.*}} : tensor<4x8xf32>
  %9 = nn.relu %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.add %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %10 = nn.add %x, %y : tensor<4x8xf32>
  // CHECK-NEXT: nn.sub %{{.*}}, %{{.*}} : tensor<4x8xi32>
  %11 = nn.sub %i, %i : tensor<4x8xi32>
  // CHECK-NEXT: nn.mul %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %12 = nn.mul %x, %y : tensor<4x8xf32>
  // CHECK-NEXT: nn.div %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %13 = nn.div %x, %y : tensor<4x8xf32>
  // CHECK-NEXT: nn.maximum %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %14 = nn.maximum %x, %y : tensor<4x8xf32>
  // CHECK-NEXT: nn.minimum %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %15 = nn.minimum %x, %y : tensor<4x8xf32>
  // CHECK-NEXT: nn.gelu tanh %{{.*}} : tensor<4x8xf32>
  %16 = nn.gelu tanh %x : tensor<4x8xf32>
  // CHECK-NEXT: nn.gelu_grad erf %{{.*}}, %{{.*}} : tensor<4x8xf32>
  %17 = nn.gelu_grad erf %x, %y : tensor<4x8xf32>
  // CHECK-NEXT: nn.compare le %{{.*}}, %{{.*}} : tensor<4x8xi32> -> tensor<4x8xi1>
  %18 = nn.compare le %i, %i : tensor<4x8xi32> -> tensor<4x8xi1>
  // CHECK-NEXT: nn.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x8xi1>, tensor<4x8xf32>
  %19 = nn.select %c, %x, %y : tensor<4x8xi1>, tensor<4x8xf32>
  // CHECK-NEXT: nn.cast %{{.*}} : tensor<4x8xf32> -> tensor<4x8xf64>
  %20 = nn.cast %x : tensor<4x8xf32> -> tensor<4x8xf64>
  // CHECK-NEXT: nn.constant dense<1.000000e+00> : tensor<4x8xf32>
  %21 = nn.constant dense<1.0> : tensor<4x8xf32>
  return
}

// CHECK-LABEL: func @shape
func.func @shape(%x: tensor<2x3x4xf32>, %m: tensor<3x8xf32>, %b: tensor<4xf32>) {
  // CHECK-NEXT: nn.reshape %{{.*}} : tensor<2x3x4xf32> -> tensor<6x4xf32>
  %0 = nn.reshape %x : tensor<2x3x4xf32> -> tensor<6x4xf32>
  // CHECK-NEXT: nn.transpose %{{.*}} [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
  %1 = nn.transpose %x [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
  // CHECK-NEXT: nn.broadcast %{{.*}} [2] : tensor<4xf32> -> tensor<2x3x4xf32>
  %2 = nn.broadcast %b [2] : tensor<4xf32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: nn.slice %{{.*}} [0, 2] : tensor<3x8xf32> -> tensor<3x4xf32>
  %3 = nn.slice %m [0, 2] : tensor<3x8xf32> -> tensor<3x4xf32>
  // CHECK-NEXT: nn.pad %{{.*}} [0, 2] : tensor<3x4xf32> -> tensor<3x8xf32>
  %4 = nn.pad %3 [0, 2] : tensor<3x4xf32> -> tensor<3x8xf32>
  // CHECK-NEXT: nn.split %{{.*}} : tensor<3x8xf32> -> tensor<3x4xf32>, tensor<3x4xf32>
  %5, %6 = nn.split %m : tensor<3x8xf32> -> tensor<3x4xf32>, tensor<3x4xf32>
  // CHECK-NEXT: nn.concat %{{.*}}, %{{.*}} : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x8xf32>
  %7 = nn.concat %5, %6 : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x8xf32>
  // CHECK-NEXT: nn.reduce_sum %{{.*}} [0, 2] : tensor<2x3x4xf32> -> tensor<3xf64>
  %8 = nn.reduce_sum %x [0, 2] : tensor<2x3x4xf32> -> tensor<3xf64>
  return
}

// CHECK-LABEL: func @layers
func.func @layers(%x: tensor<6x4xf32>, %w: tensor<4x8xf32>, %e: tensor<9x4xf32>,
                  %ids: tensor<2x3xi32>, %g: tensor<4xf32>, %s: tensor<6xf32>,
                  %dy: tensor<2x3x4xf32>) {
  // CHECK-NEXT: nn.matmul %{{.*}}, %{{.*}} : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<6x8xf32>
  %0 = nn.matmul %x, %w : tensor<6x4xf32>, tensor<4x8xf32> -> tensor<6x8xf32>
  // CHECK-NEXT: nn.matmul %{{.*}}, %{{.*}} transpose_rhs : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  %1 = nn.matmul %x, %e transpose_rhs : tensor<6x4xf32>, tensor<9x4xf32> -> tensor<6x9xf32>
  // CHECK-NEXT: nn.matmul %{{.*}}, %{{.*}} transpose_lhs transpose_rhs : tensor<4x8xf32>, tensor<9x4xf32> -> tensor<8x9xf64>
  %2 = nn.matmul %w, %e transpose_lhs transpose_rhs : tensor<4x8xf32>, tensor<9x4xf32> -> tensor<8x9xf64>
  // CHECK-NEXT: nn.embedding %{{.*}}, %{{.*}} : tensor<9x4xf32>, tensor<2x3xi32> -> tensor<2x3x4xf32>
  %3 = nn.embedding %e, %ids : tensor<9x4xf32>, tensor<2x3xi32> -> tensor<2x3x4xf32>
  // CHECK-NEXT: nn.embedding_grad %{{.*}}, %{{.*}} : tensor<2x3x4xf32>, tensor<2x3xi32> -> tensor<9x4xf32>
  %4 = nn.embedding_grad %dy, %ids : tensor<2x3x4xf32>, tensor<2x3xi32> -> tensor<9x4xf32>
  // CHECK-NEXT: nn.embedding_grad %{{.*}}, %{{.*}} onto %{{.*}} : tensor<9x4xf32> : tensor<2x3x4xf32>, tensor<2x3xi32> -> tensor<9x4xf32>
  %sum = nn.embedding_grad %dy, %ids onto %4 : tensor<9x4xf32> : tensor<2x3x4xf32>, tensor<2x3xi32> -> tensor<9x4xf32>
  // CHECK-NEXT: nn.layer_norm %{{.*}}, %{{.*}}, %{{.*}} {epsilon = 1.000000e-05 : f64} : tensor<6x4xf32>, tensor<4xf32> -> tensor<6xf32>
  %5, %mean, %rstd = nn.layer_norm %x, %g, %g {epsilon = 1.0e-5 : f64} : tensor<6x4xf32>, tensor<4xf32> -> tensor<6xf32>
  // CHECK-NEXT: nn.layer_norm_grad_input %{{.*}} : tensor<6x4xf32>, tensor<4xf32>, tensor<6xf32>
  %6 = nn.layer_norm_grad_input %x, %x, %g, %s, %s : tensor<6x4xf32>, tensor<4xf32>, tensor<6xf32>
  // CHECK-NEXT: nn.layer_norm_grad %{{.*}} : tensor<6x4xf32>, tensor<4xf32>, tensor<6xf32> -> tensor<2x4xf32>
  %7, %8, %9 = nn.layer_norm_grad %x, %x, %g, %s, %s : tensor<6x4xf32>, tensor<4xf32>, tensor<6xf32> -> tensor<2x4xf32>
  return
}

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<2x4x2x8xf32>, %k: tensor<2x4x2x8xf32>, %l: tensor<2xi32>,
                     %r: tensor<2x7xf32>, %c: tensor<3xi64>) {
  // CHECK-NEXT: nn.attention causal %{{.*}}, %{{.*}}, %{{.*}} {scale = 1.250000e-01 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  %o, %lse = nn.attention causal %q, %k, %k {scale = 0.125 : f64}
      : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  // CHECK-NEXT: nn.attention none {{.*}} lengths %{{.*}} : tensor<2xi32> relative_bias %{{.*}} : tensor<2x7xf32> counters %{{.*}} : tensor<3xi64> {dropout = 1.000000e-01 : f64, scale = 1.250000e-01 : f64, stream = 3 : i64}
  %1, %2 = nn.attention none %q, %k, %k lengths %l : tensor<2xi32> relative_bias %r : tensor<2x7xf32>
      counters %c : tensor<3xi64> {scale = 0.125 : f64, dropout = 0.1 : f64, stream = 3 : i64}
      : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  // CHECK-NEXT: nn.attention window {{.*}} window = 2 : i64
  %3, %4 = nn.attention window %q, %k, %k {scale = 0.125 : f64, window = 2 : i64}
      : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32> -> tensor<2x2x4xf32>
  // CHECK-NEXT: nn.attention_grad causal %{{.*}} {scale = 1.250000e-01 : f64} : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x2x4xf32>
  %dq, %dk, %dv = nn.attention_grad causal %o, %q, %k, %k, %o, %lse {scale = 0.125 : f64}
      : tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x2x4xf32>
  return
}

// CHECK-LABEL: func @losses
func.func @losses(%x: tensor<6x50xf32>, %t: tensor<6xi32>, %c: tensor<3xi64>) {
  // CHECK-NEXT: nn.softmax %{{.*}} : tensor<6x50xf32>
  %0 = nn.softmax %x : tensor<6x50xf32>
  // CHECK-NEXT: nn.cross_entropy %{{.*}}, %{{.*}} {label_smoothing = 1.000000e-01 : f64, z_loss = 1.000000e-04 : f64} : tensor<6x50xf32>, tensor<6xi32> -> tensor<6xf32>
  %loss, %lse = nn.cross_entropy %x, %t {label_smoothing = 0.1 : f64, z_loss = 0.0001 : f64}
      : tensor<6x50xf32>, tensor<6xi32> -> tensor<6xf32>
  // CHECK-NEXT: nn.cross_entropy_grad %{{.*}} {ignore_index = -1 : i64} : tensor<6xf32>, tensor<6x50xf32>, tensor<6xi32>
  %1 = nn.cross_entropy_grad %loss, %x, %t, %lse {ignore_index = -1 : i64}
      : tensor<6xf32>, tensor<6x50xf32>, tensor<6xi32>
  // CHECK-NEXT: nn.cross_entropy_with_grad %{{.*}}, %{{.*}}, %{{.*}} {z_loss = 1.000000e-04 : f64} : tensor<6xf32>, tensor<6x50xf32>, tensor<6xi32>
  %loss2, %lse2, %dx = nn.cross_entropy_with_grad %loss, %x, %t {z_loss = 0.0001 : f64} : tensor<6xf32>, tensor<6x50xf32>, tensor<6xi32>
  // CHECK-NEXT: nn.accumulate %{{.*}}, %{{.*}} : tensor<6xf32>
  %a = nn.accumulate %loss, %lse : tensor<6xf32>
  %first = nn.constant dense<true> : tensor<i1>
  // CHECK: nn.accumulate %{{.*}}, %{{.*}} first %{{.*}} : tensor<i1> : tensor<6xf32>
  %b = nn.accumulate %a, %lse first %first : tensor<i1> : tensor<6xf32>
  // CHECK-NEXT: %[[ORDER:.*]], %[[SLOTS:.*]], %[[COUNTED:.*]], %{{.*}}:2 = nn.order_rows %{{.*}} {firsts = array<i64: 2, 4>, ignore_index = -1 : i64} : (tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<i64>, tensor<i64>, tensor<i64>)
  %order, %slots, %counted, %b2, %b4 = nn.order_rows %t {firsts = array<i64: 2, 4>, ignore_index = -1 : i64}
      : (tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<i64>, tensor<i64>, tensor<i64>)
  // CHECK-NEXT: nn.gather_rows %{{.*}}, %[[ORDER]] : tensor<6x50xf32>, tensor<6xi32>
  %g = nn.gather_rows %x, %order : tensor<6x50xf32>, tensor<6xi32>
  // CHECK-NEXT: nn.gather_rows %{{.*}}, %[[SLOTS]] below %[[COUNTED]] : tensor<i64> : tensor<6xf32>, tensor<6xi32>
  %s = nn.gather_rows %loss, %slots below %counted : tensor<i64> : tensor<6xf32>, tensor<6xi32>
  // CHECK-NEXT: nn.dropout %{{.*}}, %{{.*}} {batch_rows = 6 : i64, rate = 1.000000e-01 : f64, stream = 3 : i64} : tensor<6x50xf32>, tensor<3xi64>
  %2 = nn.dropout %x, %c {rate = 0.1 : f64, batch_rows = 6 : i64, stream = 3 : i64} : tensor<6x50xf32>, tensor<3xi64>
  // CHECK-NEXT: nn.random normal %{{.*}} {offset = 0.000000e+00 : f64, scale = 2.000000e-02 : f64, stream = 7 : i64} : tensor<3xi64> -> tensor<8x8xf32>
  %3 = nn.random normal %c {offset = 0.0 : f64, scale = 0.02 : f64, stream = 7 : i64} : tensor<3xi64> -> tensor<8x8xf32>
  return
}
