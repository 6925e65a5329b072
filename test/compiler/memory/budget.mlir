// An arena larger than memory.budget is an error that says what it is made of.
// RUN: %trainc-opt %s --split-input-file --trainc-assign-arena-offsets --verify-diagnostics

// Exactly as large as the budget.
module attributes {train.memory_budget_bytes = 128 : i64} {
  plan.arena @arena 128 {alignment_bytes = 4096 : i64, segment_names = ["parameters", "transient"], segment_offsets = array<i64: 0, 64>, segment_sizes = array<i64: 64, 64>}
  plan.buffer @a in @arena 64 : memref<16xf32>
}

// -----

// expected-error @below {{expected an arena within memory.budget, 127 bytes, but got 128 (parameters 64, transient 64); cut the batch}}
module attributes {train.memory_budget_bytes = 127 : i64} {
  plan.arena @arena 128 {alignment_bytes = 4096 : i64, segment_names = ["parameters", "transient"], segment_offsets = array<i64: 0, 64>, segment_sizes = array<i64: 64, 64>}
  plan.buffer @a in @arena 64 : memref<16xf32>
}
