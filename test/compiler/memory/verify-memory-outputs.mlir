// The contract of the memory stage for outputs: each rule, kept and broken once.
// RUN: %trainc-opt %s --split-input-file --trainc-verify-memory --verify-diagnostics

// Outputs may lie over transients and over each other, in turn.
module {
  plan.arena @arena 256 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @l in @arena 64 : memref<16xf32> {variable = "logits"}
  plan.buffer @h in @arena 64 : memref<32xf32> {variable = "hidden"}
  plan.buffer @t in @arena 128 : memref<16xf32>
  train.parameter @p normal : tensor<16xf32> {external_name = "p"}
  train.state @logits output : tensor<16xf32>
  train.state @hidden output : tensor<32xf32>
  plan.kernel @fill access [2] computes "fill" {
  ^bb0(%o: memref<32xf32>):
    plan.return
  }
  plan.program @predict [] {
    plan.copy @w to @t
    plan.copy @t to @l
  }
  plan.program @evaluate [] {
    plan.launch @fill ins() outs() buffers [@h]
  }
}

// -----

module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  // expected-error@+1 {{expected variables to overlap nothing, but got an overlap with @w}}
  plan.buffer @l in @arena 0 : memref<16xf32> {variable = "logits"}
  train.state @logits output : tensor<16xf32>
}

// -----

// The same bytes, written as something else afterwards.
module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @w in @arena 0 : memref<16xf32> {variable = "p"}
  plan.buffer @l in @arena 64 : memref<16xf32> {variable = "logits"}
  plan.buffer @t in @arena 64 : memref<16xf32>
  train.state @logits output : tensor<16xf32>
  // expected-error@+1 {{expected output 'logits' to be whole at the end, but something overlapping was written after it}}
  plan.program @predict [] {
    plan.copy @w to @l
    plan.copy @w to @t
  }
}

// -----

module {
  plan.arena @arena 192 {alignment_bytes = 64 : i64, segment_names = [], segment_offsets = array<i64>, segment_sizes = array<i64>}
  plan.buffer @l in @arena 64 : memref<16xf32> {variable = "logits"}
  plan.buffer @t in @arena 128 : memref<16xf32>
  train.state @logits output : tensor<16xf32>
  plan.program @predict [] {
    // expected-error@+1 {{expected @l to be written whole before it is read}}
    plan.copy @l to @t
  }
}
