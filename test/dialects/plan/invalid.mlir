// RUN: %trainc-opt %s -split-input-file -verify-diagnostics
// Every constraint (Cn) of dialects/plan/PlanOps.td, in its order.

// program C1
// expected-error @below {{expected 1 distinct input names, but got []}}
plan.program @evaluate [] {
^bb0(%x: tensor<4xi32>):
}

// -----
// kernel C1
// expected-error @below {{expected one access per argument, read before the others (none for an i64 at the end), but got [2, 1] for 2 arguments}}
plan.kernel @k access [2, 1] computes "x" {
^bb0(%out: tensor<8xf32>, %x: tensor<8xf32>):
  plan.return %x : tensor<8xf32>
}

// -----
// expected-error @below {{expected one access per argument, read before the others (none for an i64 at the end), but got [2] for 2 arguments}}
plan.kernel @k access [2] computes "x" {
^bb0(%out: tensor<8xf32>, %c: i32):
  plan.return %out : tensor<8xf32>
}

// -----
// expected-error @below {{expected one access per argument, read before the others (none for an i64 at the end), but got [2] for 3 arguments}}
plan.kernel @k access [2] computes "x" {
^bb0(%out: tensor<8xf32>, %c: i64, %d: i64):
  plan.return %out : tensor<8xf32>
}

// -----
// kernel C2
// expected-error @below {{expected plan.return of the destinations' types, but got 'tensor<4xf32>'}}
plan.kernel @k access [1, 2] computes "x" {
^bb0(%x: tensor<4xf32>, %out: tensor<8xf32>):
  plan.return %x : tensor<4xf32>
}

// -----
// expected-error @below {{expected plan.return of the destinations' types, but got 'memref<4xf32>'}}
plan.kernel @k access [2] computes "x" {
^bb0(%out: memref<4xf32>):
  plan.return %out : memref<4xf32>
}

// -----
// launch C1
plan.program @a ["x"] {
^bb0(%x: tensor<8xf32>):
  // expected-error @below {{expected @k to be a plan.kernel, but it is not}}
  %r = plan.launch @k ins(%x : tensor<8xf32>) outs(%x : tensor<8xf32>) -> tensor<8xf32>
}

// -----
plan.kernel @k access [1, 2] computes "x" {
^bb0(%x: tensor<8xf32>, %out: tensor<8xf32>):
  plan.return %x : tensor<8xf32>
}
plan.program @a ["x"] {
^bb0(%x: tensor<4xf32>):
  // expected-error @below {{expected operands of types 'tensor<8xf32>', 'tensor<8xf32>' and one result per destination}}
  %r = plan.launch @k ins(%x : tensor<4xf32>) outs(%x : tensor<4xf32>) -> tensor<4xf32>
}

// -----
// launch C2
plan.kernel @k access [1, 2] computes "x" {
^bb0(%x: memref<8xf32>, %out: memref<8xf32>):
  plan.return
}
plan.program @a [] {
  // expected-error @below {{expected 2 buffers, but got 1}}
  plan.launch @k ins() outs() buffers [@b]
}

// -----
plan.arena @cpu 64 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
plan.buffer @b in @cpu 0 : memref<4xf32>
plan.kernel @k access [2] computes "x" {
^bb0(%out: memref<8xf32>):
  plan.return
}
plan.program @a [] {
  // expected-error @below {{expected @b to be a buffer of type 'memref<8xf32>', but it is not}}
  plan.launch @k ins() outs() buffers [@b]
}

// -----
plan.program @a ["x"] {
^bb0(%x: tensor<8xf32>):
  // expected-error @below {{expected no operands and results beside buffers}}
  plan.launch @k ins(%x : tensor<8xf32>) outs() buffers [@b]
}

// -----
// arena C1
// expected-error @below {{expected an alignment that is a power of two, but got 48}}
plan.arena @cpu 64 {alignment_bytes = 48 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}

// -----
// arena C2
// expected-error @below {{expected ordered, disjoint segments inside 128 bytes}}
plan.arena @cpu 128 {alignment_bytes = 64 : i64, segment_names = ["a", "b"], segment_offsets = array<i64: 0, 32>, segment_sizes = array<i64: 64, 64>}

// -----
// expected-error @below {{expected ordered, disjoint segments inside 128 bytes}}
plan.arena @cpu 128 {alignment_bytes = 64 : i64, segment_names = ["a"], segment_offsets = array<i64: 64>, segment_sizes = array<i64: 128>}

// -----
// buffer C1
plan.arena @cpu 128 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
// expected-error @below {{expected an offset that is a multiple of 64, but got 32}}
plan.buffer @b in @cpu 32 : memref<4xf32>

// -----
plan.arena @cpu 128 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
// expected-error @below {{expected the buffer inside 128 bytes, but it ends at 192}}
plan.buffer @b in @cpu 64 : memref<32xf32>

// -----
// expected-error @below {{expected @cpu to be a plan.arena, but it is not}}
plan.buffer @b in @cpu 64 : memref<32xf32>

// -----
// buffer C2
plan.arena @cpu 128 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
// expected-error @below {{expected a static memref type with identity layout}}
plan.buffer @b in @cpu 0 : memref<4xf32, strided<[2]>>

// -----
// buffer C3
plan.arena @cpu 128 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
// expected-error @below {{expected one variable or a range of them, but got both}}
plan.buffer @b in @cpu 0 : memref<4xf32> {variable = "p", spans = ["p"]}

// -----
// copy C1
plan.arena @cpu 128 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
plan.buffer @a in @cpu 0 : memref<4xf32>
plan.buffer @b in @cpu 64 : memref<8xf32>
plan.program @p [] {
  // expected-error @below {{expected two buffers of one type, but got @a and @b}}
  plan.copy @a to @b
}

// -----
// launch C3
plan.kernel @k access [2] computes "x" {
^bb0(%out: tensor<8xf32>, %c: i64):
  plan.return %out : tensor<8xf32>
}
plan.program @a ["x"] {
^bb0(%x: tensor<8xf32>):
  // expected-error @below {{expected a constant for @k, but got none}}
  %r = plan.launch @k ins() outs(%x : tensor<8xf32>) -> tensor<8xf32>
}

// -----
plan.kernel @k access [2] computes "x" {
^bb0(%out: tensor<8xf32>):
  plan.return %out : tensor<8xf32>
}
plan.program @a ["x"] {
^bb0(%x: tensor<8xf32>):
  // expected-error @below {{expected no constant for @k, but got one}}
  %r = plan.launch @k ins() outs(%x : tensor<8xf32>) constant 3 -> tensor<8xf32>
}

// -----
// launch C4
plan.kernel @k access [2] computes "x" {
^bb0(%out: tensor<8xf32>):
  plan.return %out : tensor<8xf32>
}
plan.program @a ["x", "n"] {
^bb0(%x: tensor<8xf32>, %n: tensor<1xi64>):
  // expected-error @below {{expected a bound of type tensor<i64>, but got 'tensor<1xi64>'}}
  %r = plan.launch @k ins() outs(%x : tensor<8xf32>) bound %n : tensor<1xi64> -> tensor<8xf32>
}

// -----
plan.kernel @k access [2] computes "x" {
^bb0(%out: tensor<8xf32>):
  plan.return %out : tensor<8xf32>
}
plan.program @a ["x"] {
^bb0(%x: tensor<8xf32>):
  // expected-error @below {{expected a buffer as the bound only beside buffers, but got @n}}
  %r = plan.launch @k ins() outs(%x : tensor<8xf32>) bound_buffer @n -> tensor<8xf32>
}

// -----
plan.arena @cpu 128 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
plan.buffer @b in @cpu 0 : memref<8xf32>
plan.buffer @n in @cpu 64 : memref<i32>
plan.kernel @k access [2] computes "x" {
^bb0(%out: memref<8xf32>):
  plan.return
}
plan.program @a [] {
  // expected-error @below {{expected @n to be a buffer of type memref<i64>, but it is not}}
  plan.launch @k ins() outs() buffers [@b] bound_buffer @n
}

// -----
// bounds C1
plan.program @a ["n"] {
^bb0(%n: tensor<i32>):
  // expected-error @below {{expected bounds of type tensor<i64>, but got 'tensor<i32>'}}
  plan.bounds %n : tensor<i32>
}

// -----
// join C1
plan.program @p ["x"] {
^bb0(%x: tensor<16x2xf32>):
  // expected-error @below {{expected parts of whole rows that add up to 'tensor<30x2xf32>', but got 'tensor<16x2xf32>', 'tensor<16x2xf32>'}}
  %j = plan.join %x, %x : tensor<16x2xf32>, tensor<16x2xf32> -> tensor<30x2xf32>
}

// -----
plan.program @p ["x", "y"] {
^bb0(%x: tensor<16x2xf32>, %y: tensor<16x3xf32>):
  // expected-error @below {{expected parts of whole rows that add up to 'tensor<32x2xf32>'}}
  %j = plan.join %x, %y : tensor<16x2xf32>, tensor<16x3xf32> -> tensor<32x2xf32>
}

// -----
plan.program @p ["x"] {
^bb0(%x: tensor<16xf32>):
  // expected-error @below {{expected parts of whole rows that add up to 'tensor<16xi32>'}}
  %j = plan.join %x : tensor<16xf32> -> tensor<16xi32>
}

// -----
// join C2
plan.program @p ["x", "y"] {
^bb0(%x: tensor<4x2xf32>, %y: tensor<16x2xf32>):
  // expected-error @below {{expected every part to begin at a multiple of 64 bytes, but got one at 32}}
  %j = plan.join %x, %y : tensor<4x2xf32>, tensor<16x2xf32> -> tensor<20x2xf32>
}
