// RUN: %trainc-opt %s --trainc-bfloat16-as-integers | FileCheck %s

// Bits move in integer registers: loads, choices, shuffles, constants.
// CHECK-LABEL: llvm.func @moves(%{{.*}}: !llvm.ptr, %{{.*}}: i1)
// CHECK-DAG: llvm.mlir.constant(16256 : i16) : i16
// CHECK-DAG: llvm.mlir.constant(dense<0> : vector<2xi16>) : vector<2xi16>
// CHECK-DAG: llvm.load %{{.*}} : !llvm.ptr -> i16
// CHECK: llvm.select %{{.*}}, %{{.*}}, %{{.*}} : i1, i16
// CHECK: llvm.shufflevector %{{.*}}, %{{.*}} [0, 2] : vector<2xi16>
// CHECK-NOT: bf16
llvm.func @moves(%p: !llvm.ptr, %c: i1) {
  %one = llvm.mlir.constant(1.0 : bf16) : bf16
  %zeros = llvm.mlir.constant(dense<0.0> : vector<2xbf16>) : vector<2xbf16>
  %x = llvm.load %p : !llvm.ptr -> bf16
  %y = llvm.select %c, %x, %one : i1, bf16
  llvm.store %y, %p : bf16, !llvm.ptr
  %v = llvm.load %p : !llvm.ptr -> vector<2xbf16>
  %w = llvm.shufflevector %v, %zeros [0, 2] : vector<2xbf16>
  llvm.store %w, %p : vector<2xbf16>, !llvm.ptr
  llvm.return
}

// The instruction for pairs takes what it is defined on.
// CHECK-LABEL: llvm.func @pairs
// CHECK: %[[A:.*]] = llvm.load %{{.*}} : !llvm.ptr -> vector<32xi16>
// CHECK: %[[B:.*]] = llvm.bitcast %[[A]] : vector<32xi16> to vector<32xbf16>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%{{.*}}, %[[B]], %{{.*}}) : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>
llvm.func @pairs(%p: !llvm.ptr, %sum: vector<16xf32>) -> vector<16xf32> {
  %a = llvm.load %p : !llvm.ptr -> vector<32xbf16>
  %r = llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%sum, %a, %a) : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>
  llvm.return %r : vector<16xf32>
}
