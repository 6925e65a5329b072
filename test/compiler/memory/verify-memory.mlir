// The contract of the memory stage: each rule, broken once.
// RUN: %trainc-opt %s --split-input-file --trainc-verify-memory --verify-diagnostics

// A module that keeps it.
module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @t in @arena 64 : memref<16xf32>
  plan.buffer @u in @arena 64 : memref<8xf32>
  train.parameter @p normal : tensor<16xf32> {external_name = "p"}
  plan.program @apply [] {
    plan.copy @w to @t
    plan.copy @t to @w
  }
}

// -----

plan.kernel @neg access [1, 2] computes "nn.neg" {
^bb0(%x: tensor<8xf32>, %o: tensor<8xf32>):
  // expected-error@+1 {{expected no tensors after the memory stage}}
  plan.return %x : tensor<8xf32>
}

// -----

module {
  plan.arena @arena 64 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  // expected-error@+1 {{expected a plan.buffer for this variable, but got none}}
  train.parameter @p normal : tensor<16xf32> {external_name = "p"}
}

// -----

module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  // expected-error@+1 {{expected variable 'p' at one place, but got bytes 0 to 64 and 64 to 128}}
  plan.buffer @v in @arena 64 : memref<16xf32> {variable = "p"}
}

// -----

module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @t in @arena 0 : memref<32xf32>
  // expected-error@+1 {{expected variables to overlap nothing, but got an overlap with @t}}
  plan.buffer @w in @arena 64 : memref<16xf32> {variable = "p"}
}

// -----

// The overlapping pair is not adjacent in the order of offsets.
module {
  plan.arena @arena 512 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @long in @arena 0 : memref<64xf32>
  plan.buffer @short in @arena 64 : memref<16xf32>
  // expected-error@+1 {{expected variables to overlap nothing, but got an overlap with @long}}
  plan.buffer @w in @arena 192 : memref<16xf32> {variable = "p"}
}

// -----

module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @t in @arena 0 : memref<16xf32>
  plan.buffer @u in @arena 64 : memref<16xf32>
  plan.program @apply [] {
    // expected-error@+1 {{expected @t to be written whole before it is read}}
    plan.copy @t to @u
  }
}

// -----

// @u overwrites the second half of @t before @t is read.
module {
  plan.arena @arena 320 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @t in @arena 64 : memref<32xf32>
  plan.buffer @u in @arena 128 : memref<16xf32>
  plan.buffer @v in @arena 192 : memref<32xf32>
  plan.kernel @fill access [2] computes "fill" {
  ^bb0(%o: memref<32xf32>):
    plan.return
  }
  plan.program @apply [] {
    plan.launch @fill ins() outs() buffers [@t]
    plan.copy @w to @u
    // expected-error@+1 {{expected @t to be written whole before it is read, but it was not, or something overlapping was written after it}}
    plan.copy @t to @v
  }
}

// -----

module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  plan.kernel @neg access [1, 2] computes "neg" {
  ^bb0(%x: memref<16xf32>, %o: memref<16xf32>):
    plan.return
  }
  plan.program @apply [] {
    // expected-error@+1 {{expected @w, which is written, to overlap no other buffer of the command, but got an overlap with @w}}
    plan.launch @neg ins() outs() buffers [@w, @w]
  }
}

// -----

module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @x in @arena 0 : memref<16xf32> {variable = "inputs"}
  plan.kernel @fill access [2] computes "fill" {
  ^bb0(%o: memref<16xf32>):
    plan.return
  }
  plan.program @apply ["inputs"] {
    // expected-error@+1 {{expected only the host to write input 'inputs'}}
    plan.launch @fill ins() outs() buffers [@x]
  }
}

// -----

module {
  // expected-error@+1 {{expected no arguments after the memory stage}}
  plan.program @apply ["inputs"] {
  ^bb0(%x: memref<16xf32>):
  }
}

// -----

module {
  plan.program @apply [] {
    // expected-error@+1 {{expected launches on buffers and copies in a program}}
    %c = arith.constant 1 : index
  }
}

// -----

// A range of variables may be used beside them.
module {
  plan.arena @arena 256 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @b.p in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @b.q in @arena 64 : memref<8xf32> {variable = "q"}
  plan.buffer @both in @arena 0 : memref<32xf32> {spans = ["p", "q"]}
  plan.buffer @both.as in @arena 0 : memref<2x16xf32> {spans = ["p", "q"]}
  plan.buffer @t in @arena 128 : memref<32xf32>
  train.parameter @p normal : tensor<16xf32> {external_name = "p"}
  train.parameter @q normal : tensor<8xf32> {external_name = "q"}
  plan.program @apply [] {
    plan.copy @both to @t
    plan.copy @t to @both
  }
}

// -----

module {
  plan.arena @arena 256 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @p in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @q in @arena 64 : memref<24xf32> {variable = "q"}
  // expected-error@+1 {{expected its variables inside, in order, but 'q' is not}}
  plan.buffer @both in @arena 0 : memref<32xf32> {spans = ["p", "q"]}
}

// -----

module {
  plan.arena @arena 256 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @p in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @q in @arena 64 : memref<8xf32> {variable = "q"}
  // expected-error@+1 {{expected its variables inside, in order, but 'p' is not}}
  plan.buffer @both in @arena 0 : memref<32xf32> {spans = ["q", "p"]}
}

// -----

module {
  plan.arena @arena 256 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @p in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @both in @arena 0 : memref<32xf32> {spans = ["p"]}
  // expected-error@+1 {{expected no overlap with @both, which does not span it}}
  plan.buffer @q in @arena 64 : memref<8xf32> {variable = "q"}
}

// -----

module {
  plan.arena @arena 256 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @p in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @both in @arena 0 : memref<32xf32> {spans = ["p"]}
  // expected-error@+1 {{expected no overlap with @both, which does not span it}}
  plan.buffer @t in @arena 64 : memref<8xf32>
}

// -----

// Two halves join to @t, whose second half is read.
module {
  plan.arena @arena 384 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @t in @arena 64 : memref<32xf32>
  plan.buffer @t0 in @arena 64 : memref<16xf32>
  plan.buffer @t1 in @arena 128 : memref<16xf32>
  plan.buffer @u in @arena 192 : memref<32xf32>
  plan.buffer @u1 in @arena 256 : memref<16xf32>
  train.parameter @p normal : tensor<16xf32> {external_name = "p"}
  plan.program @apply [] {
    plan.copy @w to @t1
    plan.copy @w to @t0
    plan.copy @t to @u
    plan.copy @u1 to @w
  }
}

// -----

// Half of @t is not enough.
module {
  plan.arena @arena 320 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @t in @arena 64 : memref<32xf32>
  plan.buffer @t0 in @arena 64 : memref<16xf32>
  plan.buffer @u in @arena 192 : memref<32xf32>
  plan.program @apply [] {
    plan.copy @w to @t0
    // expected-error@+1 {{expected @t to be written whole before it is read}}
    plan.copy @t to @u
  }
}

// -----

// The bound of a launch is read: it must be there, and stay.
module {
  plan.arena @arena 256 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @t in @arena 0 : memref<16xf32>
  plan.buffer @n in @arena 64 : memref<i64>
  plan.kernel @make access [2] computes "f" {
  ^bb0(%o: memref<16xf32>):
    plan.return
  }
  plan.program @apply [] {
    // expected-error@+1 {{expected @n to be written whole before it is read}}
    plan.launch @make ins() outs() buffers [@t] bound_buffer @n
  }
}

// -----

module {
  plan.arena @arena 256 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @t in @arena 64 : memref<16xf32>
  plan.buffer @n in @arena 64 : memref<i64>
  plan.kernel @count access [2] computes "f" {
  ^bb0(%o: memref<i64>):
    plan.return
  }
  plan.kernel @make access [2] computes "f" {
  ^bb0(%o: memref<16xf32>):
    plan.return
  }
  plan.program @apply [] {
    plan.launch @count ins() outs() buffers [@n]
    // expected-error@+1 {{expected @t, which is written, to overlap no other buffer of the command, but got an overlap with @n}}
    plan.launch @make ins() outs() buffers [@t] bound_buffer @n
  }
}
