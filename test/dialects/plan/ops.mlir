// RUN: %trainc-opt %s | %trainc-opt | FileCheck %s
// RUN: %trainc-opt %s --mlir-print-op-generic | %trainc-opt | FileCheck %s

// CHECK: plan.arena @cpu 4096 {alignment_bytes = 64 : i64, segment_names = ["parameters", "transient"], segment_offsets = array<i64: 0, 1024>, segment_sizes = array<i64: 1024, 3072>}
plan.arena @cpu 4096 {alignment_bytes = 64 : i64, segment_names = ["parameters", "transient"],
                      segment_offsets = array<i64: 0, 1024>, segment_sizes = array<i64: 1024, 3072>}
// CHECK: plan.buffer @a in @cpu 0 : memref<8xf32> {variable = "wte"}
plan.buffer @a in @cpu 0 : memref<8xf32> {variable = "wte"}
// CHECK: plan.buffer @b in @cpu 128 : memref<8xf32>
plan.buffer @b in @cpu 128 : memref<8xf32>

// CHECK: plan.buffer @n in @cpu 192 : memref<i64>
plan.buffer @n in @cpu 192 : memref<i64>

// CHECK: plan.kernel @neg access [1, 2] computes "nn.neg" {
plan.kernel @neg access [1, 2] computes "nn.neg" {
^bb0(%x: tensor<8xf32>, %out: tensor<8xf32>):
  %r = linalg.negf ins(%x : tensor<8xf32>) outs(%out : tensor<8xf32>) -> tensor<8xf32>
  // CHECK: plan.return %{{.*}} : tensor<8xf32>
  plan.return %r : tensor<8xf32>
// CHECK: } {bytes = 6.400000e+01 : f64, flops = 8.000000e+00 : f64}
} {flops = 8.0 : f64, bytes = 64.0 : f64}

// CHECK: plan.kernel @neg.buffers
plan.kernel @neg.buffers access [1, 2] computes "nn.neg" {
^bb0(%x: memref<8xf32>, %out: memref<8xf32>):
  linalg.negf ins(%x : memref<8xf32>) outs(%out : memref<8xf32>)
  // CHECK: plan.return
  plan.return
}

// CHECK: plan.kernel @shift access [2] computes "x" {
// CHECK-NEXT: ^bb0(%{{.*}}: memref<8xf32>, %{{.*}}: i64):
plan.kernel @shift access [2] computes "x" {
^bb0(%out: memref<8xf32>, %c: i64):
  plan.return
}

// CHECK: plan.program @predict ["x"] {
plan.program @predict ["x"] {
^bb0(%x: tensor<8xf32>):
  %e = tensor.empty() : tensor<8xf32>
  // CHECK: plan.launch @neg ins(%{{.*}} : tensor<8xf32>) outs(%{{.*}} : tensor<8xf32>) {layer = "h.0"} -> tensor<8xf32>
  %r = plan.launch @neg ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) {layer = "h.0"} -> tensor<8xf32>
  %n = tensor.empty() : tensor<i64>
  // CHECK: plan.bounds %{{.*}} : tensor<i64>
  plan.bounds %n : tensor<i64>
  // CHECK: plan.launch @neg ins(%{{.*}} : tensor<8xf32>) outs(%{{.*}} : tensor<8xf32>) bound %{{.*}} : tensor<i64> {layer = "h.0"} -> tensor<8xf32>
  %s = plan.launch @neg ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) bound %n : tensor<i64> {layer = "h.0"} -> tensor<8xf32>
  %half = tensor.empty() : tensor<16xf32>
  // CHECK: plan.join %{{.*}}, %{{.*}} : tensor<16xf32>, tensor<8xf32> -> tensor<24xf32>
  %j = plan.join %half, %r : tensor<16xf32>, tensor<8xf32> -> tensor<24xf32>
}

// CHECK: plan.program @evaluate ["x"] {
plan.program @evaluate ["x"] {
  // CHECK: plan.launch @neg.buffers ins() outs() buffers [@a, @b]
  plan.launch @neg.buffers ins() outs() buffers [@a, @b]
  // CHECK: plan.launch @shift ins() outs() buffers [@a] constant -7 {layer = "h.1"}
  plan.launch @shift ins() outs() buffers [@a] constant -7 {layer = "h.1"}
  // CHECK: plan.launch @shift ins() outs() buffers [@a] constant 1 bound_buffer @n
  plan.launch @shift ins() outs() buffers [@a] constant 1 bound_buffer @n
  // CHECK: plan.copy @b to @a
  plan.copy @b to @a
}

// CHECK: plan.code @cpu.image target "cpu:znver4" triple "x86_64-unknown-linux-gnu" features ["avx512f"] image dense<0> : tensor<16xi8>
plan.code @cpu.image target "cpu:znver4" triple "x86_64-unknown-linux-gnu" features ["avx512f"] image dense<0> : tensor<16xi8>
