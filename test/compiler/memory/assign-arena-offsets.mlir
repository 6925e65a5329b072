// Transient buffers whose lifetimes do not meet share memory.
// RUN: %trainc-opt %s --split-input-file --trainc-assign-arena-offsets --trainc-verify-memory | FileCheck %s

// Four values in a chain, of 64, 128, 64 and 128 bytes: two are alive at a time,
// so the largest pair, 192 bytes, is enough. Buffers of a variable stay.
// CHECK: plan.arena @arena 256
// CHECK-SAME: segment_offsets = array<i64: 0, 64>, segment_sizes = array<i64: 64, 192>
// CHECK-DAG: plan.buffer @buffer.w in @arena 0 :
// CHECK-DAG: plan.buffer @a in @arena 192 :
// CHECK-DAG: plan.buffer @b in @arena 64 :
// CHECK-DAG: plan.buffer @b.as in @arena 64 :
// CHECK-DAG: plan.buffer @c in @arena 192 :
// CHECK-DAG: plan.buffer @d in @arena 64 :
// The other program starts at the segment's beginning, too.
// CHECK-DAG: plan.buffer @e in @arena 64 :
module {
  plan.arena @arena 704 {alignment_bytes = 4096 : i64, segment_names = ["parameters", "transient"], segment_offsets = array<i64: 0, 64>, segment_sizes = array<i64: 64, 640>}
  plan.buffer @buffer.w in @arena 0 : memref<16xf32> {variable = "w"}
  plan.buffer @a in @arena 64 : memref<16xf32>
  plan.buffer @b in @arena 128 : memref<32xf32>
  plan.buffer @b.as in @arena 128 : memref<2x16xf32>
  plan.buffer @c in @arena 256 : memref<16xf32>
  plan.buffer @d in @arena 320 : memref<32xf32>
  plan.buffer @e in @arena 448 : memref<16xf32>
  train.parameter @w normal : tensor<16xf32> {external_name = "w"}

  plan.kernel @same access [1, 2] computes "f" {
  ^bb0(%x: memref<16xf32>, %o: memref<16xf32>):
    plan.return
  }
  plan.kernel @grow access [1, 2] computes "f" {
  ^bb0(%x: memref<16xf32>, %o: memref<32xf32>):
    plan.return
  }
  plan.kernel @shrink access [1, 2] computes "f" {
  ^bb0(%x: memref<2x16xf32>, %o: memref<16xf32>):
    plan.return
  }
  plan.program @accumulate [] {
    plan.launch @same ins() outs() buffers [@buffer.w, @a]
    plan.launch @grow ins() outs() buffers [@a, @b]
    plan.launch @shrink ins() outs() buffers [@b.as, @c]
    plan.launch @grow ins() outs() buffers [@c, @d]
  }
  plan.program @apply [] {
    plan.copy @buffer.w to @e
    plan.copy @e to @buffer.w
  }
}

// -----

// Best fit: the late value takes the smaller of the two gaps that fit it, not the
// first one.
// CHECK: plan.arena @arena 800
// CHECK-DAG: plan.buffer @keep in @arena 0 :
// CHECK-DAG: plan.buffer @gap192 in @arena 256 :
// CHECK-DAG: plan.buffer @keep2 in @arena 448 :
// CHECK-DAG: plan.buffer @gap128 in @arena 576 :
// CHECK-DAG: plan.buffer @keep3 in @arena 704 :
// CHECK-DAG: plan.buffer @late in @arena 576 :
module {
  plan.arena @arena 1088 {alignment_bytes = 64 : i64, segment_names = ["transient"], segment_offsets = array<i64: 0>, segment_sizes = array<i64: 1088>}
  plan.buffer @keep in @arena 0 : memref<64xf32>
  plan.buffer @gap192 in @arena 256 : memref<48xf32>
  plan.buffer @keep2 in @arena 448 : memref<32xf32>
  plan.buffer @gap128 in @arena 640 : memref<32xf32>
  plan.buffer @keep3 in @arena 768 : memref<24xf32>
  plan.buffer @late in @arena 896 : memref<16xf32>

  plan.kernel @start access [2, 2, 2, 2, 2] computes "f" {
  ^bb0(%o: memref<64xf32>, %p: memref<48xf32>, %q: memref<32xf32>, %r: memref<32xf32>, %s: memref<24xf32>):
    plan.return
  }
  plan.kernel @later access [1, 1, 1, 2] computes "f" {
  ^bb0(%x: memref<64xf32>, %y: memref<32xf32>, %z: memref<24xf32>, %o: memref<16xf32>):
    plan.return
  }
  plan.program @accumulate [] {
    plan.launch @start ins() outs() buffers [@keep, @gap192, @keep2, @gap128, @keep3]
    plan.launch @later ins() outs() buffers [@keep, @keep2, @keep3, @late]
  }
}

// -----

// Outputs lie among the transients: alive to the end of the programs that write
// them, so @predict may put @logits where @evaluate computes, but neither may put
// anything over @hidden, which both write, in one place. @unused has a place, too.
// CHECK: plan.arena @arena 832
// CHECK-SAME: segment_offsets = array<i64: 0, 64>, segment_sizes = array<i64: 64, 768>
// CHECK-DAG: plan.buffer @buffer.w in @arena 0 :
// CHECK-DAG: plan.buffer @buffer.logits in @arena 64 :
// CHECK-DAG: plan.buffer @evaluate.big in @arena 64 :
// CHECK-DAG: plan.buffer @buffer.hidden in @arena 576 :
// CHECK-DAG: plan.buffer @predict.early in @arena 64 :
// CHECK-DAG: plan.buffer @evaluate.late in @arena 704 :
// CHECK-DAG: plan.buffer @buffer.unused in @arena 64 :
module {
  plan.arena @arena 2176 {alignment_bytes = 64 : i64, segment_names = ["parameters", "transient"], segment_offsets = array<i64: 0, 64>, segment_sizes = array<i64: 64, 2112>}
  plan.buffer @buffer.w in @arena 0 : memref<16xf32> {variable = "w"}
  plan.buffer @buffer.hidden in @arena 64 : memref<32xf32> {variable = "hidden"}
  plan.buffer @buffer.logits in @arena 192 : memref<64xf32> {variable = "logits"}
  plan.buffer @buffer.unused in @arena 448 : memref<64xf32> {variable = "unused"}
  plan.buffer @predict.early in @arena 704 : memref<32xf32>
  plan.buffer @evaluate.big in @arena 832 : memref<128xf32>
  plan.buffer @evaluate.late in @arena 1344 : memref<32xf32>
  train.parameter @w normal : tensor<16xf32> {external_name = "w"}
  train.state @hidden output : tensor<32xf32>
  train.state @logits output : tensor<64xf32>
  train.state @unused output : tensor<64xf32>

  plan.kernel @first access [1, 2] computes "f" {
  ^bb0(%x: memref<16xf32>, %o: memref<32xf32>):
    plan.return
  }
  plan.kernel @same access [1, 2] computes "f" {
  ^bb0(%x: memref<32xf32>, %o: memref<32xf32>):
    plan.return
  }
  plan.kernel @head access [1, 2] computes "f" {
  ^bb0(%x: memref<32xf32>, %o: memref<64xf32>):
    plan.return
  }
  plan.kernel @spread access [1, 2] computes "f" {
  ^bb0(%x: memref<16xf32>, %o: memref<128xf32>):
    plan.return
  }
  plan.kernel @gather access [1, 2, 2] computes "f" {
  ^bb0(%x: memref<128xf32>, %o: memref<32xf32>, %p: memref<32xf32>):
    plan.return
  }
  plan.program @predict [] {
    plan.launch @first ins() outs() buffers [@buffer.w, @predict.early]
    plan.launch @same ins() outs() buffers [@predict.early, @buffer.hidden]
    plan.launch @head ins() outs() buffers [@buffer.hidden, @buffer.logits]
  }
  plan.program @evaluate [] {
    plan.launch @spread ins() outs() buffers [@buffer.w, @evaluate.big]
    plan.launch @gather ins() outs() buffers [@evaluate.big, @buffer.hidden, @evaluate.late]
  }
}

// -----

// Buffers that overlap are one storage: they keep their places in it, and live
// from the first touch of one to the last of another. @whole is alive while @late
// is made of its second half; @before is not.
// CHECK: plan.arena @arena 192
// CHECK-DAG: plan.buffer @before in @arena 128 :
// CHECK-DAG: plan.buffer @part0 in @arena 0 :
// CHECK-DAG: plan.buffer @part1 in @arena 64 :
// CHECK-DAG: plan.buffer @whole in @arena 0 :
// CHECK-DAG: plan.buffer @late in @arena 128 :
module {
  plan.arena @arena 256 {alignment_bytes = 4096 : i64, segment_names = ["transient"], segment_offsets = array<i64: 0>, segment_sizes = array<i64: 256>}
  plan.buffer @before in @arena 0 : memref<16xf32>
  plan.buffer @part0 in @arena 64 : memref<16xf32>
  plan.buffer @part1 in @arena 128 : memref<16xf32>
  plan.buffer @whole in @arena 64 : memref<32xf32>
  plan.buffer @late in @arena 192 : memref<16xf32>
  plan.kernel @make access [2] computes "f" {
  ^bb0(%o: memref<16xf32>):
    plan.return
  }
  plan.kernel @same access [1, 2] computes "f" {
  ^bb0(%x: memref<16xf32>, %o: memref<16xf32>):
    plan.return
  }
  plan.kernel @read access [1] computes "f" {
  ^bb0(%x: memref<32xf32>):
    plan.return
  }
  plan.program @accumulate [] {
    plan.launch @make ins() outs() buffers [@before]
    plan.launch @same ins() outs() buffers [@before, @part1]
    plan.launch @make ins() outs() buffers [@part0]
    plan.launch @read ins() outs() buffers [@whole]
    plan.launch @same ins() outs() buffers [@part1, @late]
  }
}

// -----

// A bound is alive until the last launch that it bounds: @late may not take its
// place, @last may.
// CHECK: plan.arena @arena 96 {
// CHECK-DAG: plan.buffer @n in @arena 64 :
// CHECK-DAG: plan.buffer @late in @arena 0 :
// CHECK-DAG: plan.buffer @last in @arena 64 :
module {
  plan.arena @arena 192 {alignment_bytes = 4096 : i64, segment_names = ["transient"], segment_offsets = array<i64: 0>, segment_sizes = array<i64: 192>}
  plan.buffer @n in @arena 0 : memref<i64>
  plan.buffer @late in @arena 64 : memref<16xf32>
  plan.buffer @last in @arena 128 : memref<8xf32>
  plan.kernel @count access [2] computes "f" {
  ^bb0(%o: memref<i64>):
    plan.return
  }
  plan.kernel @make access [2] computes "f" {
  ^bb0(%o: memref<16xf32>):
    plan.return
  }
  plan.kernel @half access [1, 2] computes "f" {
  ^bb0(%x: memref<16xf32>, %o: memref<8xf32>):
    plan.return
  }
  plan.program @accumulate [] {
    plan.launch @count ins() outs() buffers [@n]
    plan.launch @make ins() outs() buffers [@late]
    plan.launch @make ins() outs() buffers [@late] bound_buffer @n
    plan.launch @half ins() outs() buffers [@late, @last]
  }
}
