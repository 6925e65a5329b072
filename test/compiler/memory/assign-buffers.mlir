// Every value of a program gets a buffer; results go directly into variables
// where their old value is not needed.
// RUN: %trainc-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(plan.kernel(trainc-bufferize-kernels),trainc-assign-buffers,trainc-verify-memory)' | FileCheck %s

// Segments in order, 64-byte aligned, exact sizes; inputs described for the host.
// CHECK: module attributes
// CHECK-SAME: train.inputs = [
// CHECK-SAME: {limit = 50 : i64, name = "inputs", source = "data", type = tensor<2x4xi32>}
// CHECK-SAME: {ignore = -100 : i64, limit = 50 : i64, name = "targets", source = "data", type = tensor<2x4xi32>}
// CHECK-SAME: {limit = 0 : i64, name = "control.micro_batch", source = "control", type = tensor<i64>}
// CHECK-SAME: {limit = 50 : i64, name = "prefill.inputs", source = "data", type = tensor<1x4xi32>}
// CHECK: plan.arena @arena 992 {alignment_bytes = 4096 : i64,
// CHECK-SAME: segment_names = ["parameters", "copies", "gradients", "optimizer", "metrics", "inputs", "transient"]
// CHECK-SAME: segment_offsets = array<i64: 0, 64, 64, 128, 192, 256, 512>
// CHECK-SAME: segment_sizes = array<i64: 32, 0, 32, 32, 8, 208, 480>}
// CHECK-DAG: plan.buffer @buffer.wte in @arena 0 : memref<8xf32> {variable = "wte"}
// CHECK-DAG: plan.buffer @buffer.grad.wte in @arena 64 : memref<8xf32> {variable = "grad.wte"}
// CHECK-DAG: plan.buffer @buffer.wte.m in @arena 128 : memref<8xf32> {variable = "wte.m"}
// CHECK-DAG: plan.buffer @buffer.loss.sum in @arena 192 : memref<f64> {variable = "loss.sum"}
// CHECK-DAG: plan.buffer @buffer.inputs in @arena 256 : memref<2x4xi32> {variable = "inputs"}
// CHECK-DAG: plan.buffer @buffer.inputs.as_8 in @arena 256 : memref<8xi32> {variable = "inputs"}
module attributes {train.input_limits = {inputs = {limit = 50 : i64}, targets = {ignore = -100 : i64, limit = 50 : i64}}} {
  train.parameter @wte normal : tensor<8xf32> {external_name = "wte"}
  train.state @grad.wte gradient : tensor<8xf32> {parameter = @wte}
  train.state @wte.m optimizer : tensor<8xf32> {parameter = @wte, external_name = "wte.m"}
  train.state @loss.sum metric : tensor<f64>
  train.state @logits output : tensor<8xf32>

  plan.kernel @gather access [1, 1, 2] computes "nn.embedding" {
  ^bb0(%i: tensor<8xi32>, %w: tensor<8xf32>, %o: tensor<8xf32>):
    plan.return %w : tensor<8xf32>
  }
  plan.kernel @neg access [1, 2] computes "nn.neg" {
  ^bb0(%x: tensor<8xf32>, %o: tensor<8xf32>):
    %r = linalg.negf ins(%x : tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
    plan.return %r : tensor<8xf32>
  }
  plan.kernel @neg2 access [1, 2] computes "nn.neg" {
  ^bb0(%x: tensor<2x4xf32>, %o: tensor<2x4xf32>):
    %r = linalg.negf ins(%x : tensor<2x4xf32>) outs(%o : tensor<2x4xf32>) -> tensor<2x4xf32>
    plan.return %r : tensor<2x4xf32>
  }
  plan.kernel @accumulate_into access [1, 3] computes "add" {
  ^bb0(%x: tensor<8xf32>, %o: tensor<8xf32>):
    %r = linalg.add ins(%x, %o : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
    plan.return %r : tensor<8xf32>
  }

  // The input is seen as 8 ids; the gradient is made where it stays, seen with
  // another shape by the launch that makes it.
  // CHECK: plan.program @accumulate ["inputs", "targets", "control.micro_batch"] {
  // CHECK-NEXT: plan.launch @gather ins() outs() buffers [@buffer.inputs.as_8, @buffer.wte, @accumulate.0.gather] {layer = "gpt2.wte"}
  // CHECK-NEXT: plan.launch @neg2 ins() outs() buffers [@accumulate.0.gather.as_2_4, @buffer.grad.wte.as_2_4]
  // CHECK-NEXT: }
  plan.program @accumulate ["inputs", "targets", "control.micro_batch"] {
  ^bb0(%x: tensor<2x4xi32>, %y: tensor<2x4xi32>, %m: tensor<i64>):
    %flat = tensor.collapse_shape %x [[0, 1]] : tensor<2x4xi32> into tensor<8xi32>
    %w = train.read @wte : tensor<8xf32>
    %e = tensor.empty() : tensor<8xf32>
    %h = plan.launch @gather ins(%flat, %w : tensor<8xi32>, tensor<8xf32>) outs(%e : tensor<8xf32>) {layer = "gpt2.wte"} -> tensor<8xf32>
    %h2 = tensor.expand_shape %h [[0, 1]] output_shape [2, 4] : tensor<8xf32> into tensor<2x4xf32>
    %e2 = tensor.empty() : tensor<2x4xf32>
    %g = plan.launch @neg2 ins(%h2 : tensor<2x4xf32>) outs(%e2 : tensor<2x4xf32>) -> tensor<2x4xf32>
    %g1 = tensor.collapse_shape %g [[0, 1]] : tensor<2x4xf32> into tensor<8xf32>
    train.write %g1, @grad.wte : tensor<8xf32>
  }

  // In place where the rule reads what it writes; the state is made directly
  // although its old value was read before.
  // CHECK: plan.program @apply [] {
  // CHECK-NEXT: plan.launch @neg ins() outs() buffers [@buffer.wte.m, @apply.0.neg]
  // CHECK-NEXT: plan.launch @neg ins() outs() buffers [@apply.0.neg, @buffer.wte.m]
  // CHECK-NEXT: plan.launch @accumulate_into ins() outs() buffers [@buffer.wte.m, @buffer.wte]
  // CHECK-NEXT: }
  plan.program @apply [] {
    %m = train.read @wte.m : tensor<8xf32>
    %e = tensor.empty() : tensor<8xf32>
    %t = plan.launch @neg ins(%m : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    %m2 = plan.launch @neg ins(%t : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    %p = train.read @wte : tensor<8xf32>
    %p2 = plan.launch @accumulate_into ins(%m2 : tensor<8xf32>) outs(%p : tensor<8xf32>) -> tensor<8xf32>
    train.write %m2, @wte.m : tensor<8xf32>
    train.write %p2, @wte : tensor<8xf32>
  }

  // Copies where the meaning asks for them:
  // CHECK: plan.program @copies [] {
  plan.program @copies [] {
    %p = train.read @wte : tensor<8xf32>
    %e = tensor.empty() : tensor<8xf32>
    // The kernel reads what its result replaces, and may not do so in place.
    // CHECK-NEXT: plan.launch @neg ins() outs() buffers [@buffer.wte, @copies.0.neg]
    // CHECK-NEXT: plan.copy @copies.0.neg to @buffer.wte
    %n = plan.launch @neg ins(%p : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    train.write %n, @wte : tensor<8xf32>
    // A read of the new value, updated in place elsewhere: the parameter stays.
    // CHECK-NEXT: plan.copy @buffer.wte to @copies.2.accumulate_into
    // CHECK-NEXT: plan.launch @accumulate_into ins() outs() buffers [@copies.0.neg, @copies.2.accumulate_into]
    %q = train.read @wte : tensor<8xf32>
    %u = plan.launch @accumulate_into ins(%n : tensor<8xf32>) outs(%q : tensor<8xf32>) -> tensor<8xf32>
    // The old gradient is used after the write: it is kept.
    // CHECK-NEXT: plan.copy @buffer.grad.wte to @copies.4.old.grad.wte
    // CHECK-NEXT: plan.copy @copies.2.accumulate_into to @buffer.grad.wte
    // CHECK-NEXT: plan.launch @neg ins() outs() buffers [@copies.4.old.grad.wte, @buffer.logits]
    // CHECK-NEXT: }
    %old = train.read @grad.wte : tensor<8xf32>
    train.write %u, @grad.wte : tensor<8xf32>
    %l = plan.launch @neg ins(%old : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    train.write %l, @logits : tensor<8xf32>
  }

  // A transient is updated in place when it is not used again, and in a copy when
  // it is; the sum goes to a variable as soon as its chain starts.
  // CHECK: plan.program @chain [] {
  // CHECK-NEXT: plan.launch @neg ins() outs() buffers [@buffer.wte, @buffer.grad.wte]
  // CHECK-NEXT: plan.launch @accumulate_into ins() outs() buffers [@buffer.wte, @buffer.grad.wte]
  // CHECK-NEXT: plan.launch @neg ins() outs() buffers [@buffer.wte, @chain.2.neg]
  // CHECK-NEXT: plan.copy @chain.2.neg to @chain.3.accumulate_into
  // CHECK-NEXT: plan.launch @accumulate_into ins() outs() buffers [@chain.2.neg, @chain.3.accumulate_into]
  // CHECK-NEXT: }
  plan.program @chain [] {
    %p = train.read @wte : tensor<8xf32>
    %e = tensor.empty() : tensor<8xf32>
    %a = plan.launch @neg ins(%p : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    %b = plan.launch @accumulate_into ins(%p : tensor<8xf32>) outs(%a : tensor<8xf32>) -> tensor<8xf32>
    train.write %b, @grad.wte : tensor<8xf32>
    %c = plan.launch @neg ins(%p : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    %d = plan.launch @accumulate_into ins(%c : tensor<8xf32>) outs(%c : tensor<8xf32>) -> tensor<8xf32>
  }

  // The same input with another shape is another input.
  // CHECK: plan.program @prefill ["prefill.inputs"] {
  plan.program @prefill ["inputs"] {
  ^bb0(%x: tensor<1x4xi32>):
  }
}

// -----

module {
  plan.program @accumulate [] {
    // expected-error@+1 {{expected only launches, views, reads and writes of variables in a program, but got this; run the fusion stage}}
    %c = nn.constant dense<0.1> : tensor<f64>
  }
}

// -----

module {
  plan.kernel @neg access [1, 2] computes "nn.neg" {
  ^bb0(%x: tensor<8xf32>, %o: tensor<8xf32>):
    plan.return %x : tensor<8xf32>
  }
  plan.program @accumulate [] {
    %e = tensor.empty() : tensor<8xf32>
    // expected-error@+1 {{expected operands that a launch, a read or an input defines, but got contents of a tensor.empty}}
    %r = plan.launch @neg ins(%e : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  }
}

// -----

// Members of groups come first in their segments, each at the next multiple of 64
// elements, whatever order the module has them in; what is in no group follows. A
// program that uses a group gets one buffer for all its members.
// CHECK-LABEL: plan.arena @arena 2944
// CHECK-SAME: segment_offsets = array<i64: 0, 1088, 1088, 1408, 2944,
// CHECK-SAME: segment_sizes = array<i64: 1044, 0, 308, 1536, 0,
// CHECK-DAG: plan.buffer @buffer.frozen in @arena 1024 : memref<5xf32> {variable = "frozen"}
// CHECK-DAG: plan.buffer @buffer.b in @arena 512 : memref<3xf32> {variable = "b"}
// CHECK-DAG: plan.buffer @buffer.a in @arena 0 : memref<7x11xf32> {variable = "a"}
// CHECK-DAG: plan.buffer @buffer.both in @arena 0 : memref<256xf32> {spans = ["a", "b"]}
// CHECK-DAG: plan.buffer @buffer.a.m in @arena 1408 : memref<7x11xf64> {variable = "a.m"}
// CHECK-DAG: plan.buffer @buffer.b.m in @arena 2432 : memref<3xf64> {variable = "b.m"}
// CHECK-DAG: plan.buffer @buffer.both.m in @arena 1408 : memref<192xf64> {spans = ["a.m", "b.m"]}
// CHECK: plan.program @initialize
// CHECK-NEXT: plan.launch @ones ins() outs() buffers [@buffer.b]
// CHECK-NEXT: plan.launch @zeros ins() outs() buffers [@buffer.both.m]
// CHECK: plan.program @apply
// CHECK-NEXT: plan.launch @scale ins() outs() buffers [@buffer.both]
// No other buffer for members that are used in their group only.
// CHECK-NOT: plan.buffer
module {
  train.parameter @frozen normal : tensor<5xf32> {trainable = false, external_name = "frozen"}
  train.parameter @b normal : tensor<3xf32> {external_name = "b"}
  train.parameter @a normal : tensor<7x11xf32> {external_name = "a"}
  train.state @b.m optimizer : tensor<3xf64> {parameter = @b, external_name = "b.m"}
  train.state @a.m optimizer : tensor<7x11xf64> {parameter = @a, external_name = "a.m"}
  train.state @a.g gradient : tensor<7x11xf32> {parameter = @a}
  train.group @both [@a, @b] : tensor<256xf32>
  train.group @both.m [@a.m, @b.m] : tensor<192xf64>
  plan.kernel @ones access [2] computes "nn.constant" {
  ^bb0(%o: tensor<3xf32>):
    %c = arith.constant 1.0 : f32
    %r = linalg.fill ins(%c : f32) outs(%o : tensor<3xf32>) -> tensor<3xf32>
    plan.return %r : tensor<3xf32>
  }
  plan.kernel @zeros access [2] computes "nn.constant" {
  ^bb0(%o: tensor<192xf64>):
    %c = arith.constant 0.0 : f64
    %r = linalg.fill ins(%c : f64) outs(%o : tensor<192xf64>) -> tensor<192xf64>
    plan.return %r : tensor<192xf64>
  }
  plan.kernel @scale access [3] computes "nn.add" {
  ^bb0(%o: tensor<256xf32>):
    %r = linalg.add ins(%o, %o : tensor<256xf32>, tensor<256xf32>) outs(%o : tensor<256xf32>) -> tensor<256xf32>
    plan.return %r : tensor<256xf32>
  }
  plan.program @initialize [] {
    %e = tensor.empty() : tensor<3xf32>
    %one = plan.launch @ones ins() outs(%e : tensor<3xf32>) -> tensor<3xf32>
    train.write %one, @b : tensor<3xf32>
    %f = tensor.empty() : tensor<192xf64>
    %zero = plan.launch @zeros ins() outs(%f : tensor<192xf64>) -> tensor<192xf64>
    train.write %zero, @both.m : tensor<192xf64>
  }
  plan.program @apply [] {
    %w = train.read @both : tensor<256xf32>
    %r = plan.launch @scale ins() outs(%w : tensor<256xf32>) -> tensor<256xf32>
    train.write %r, @both : tensor<256xf32>
  }
}

// -----

module {
  train.parameter @a normal : tensor<8xf32> {external_name = "a"}
  train.group @all [@a] : tensor<64xf32>
  plan.program @apply [] {
    %a = train.read @a : tensor<8xf32>
    // Reading both is fine.
    %w = train.read @all : tensor<64xf32>
    // expected-error@+1 {{expected a program that writes a group or members of it to use either only, but got both for @all}}
    train.write %w, @all : tensor<64xf32>
  }
}

// -----

// Parts of a join are made where they belong, slices read where they are; what is
// not made by a launch of its own (the second part) is copied there.
// CHECK-LABEL: plan.arena @arena
// CHECK: plan.buffer @accumulate.0.join in @arena {{[0-9]+}} : memref<32x2xf32>
// CHECK: plan.program @accumulate
// CHECK-NEXT: plan.launch @make ins() outs() buffers [@buffer.x, @accumulate.0.join.as_16_2]
// CHECK-NEXT: plan.copy @accumulate.0.join.as_16_2 to @accumulate.0.join.at_128.as_16_2
// CHECK-NEXT: plan.launch @take ins() outs() buffers [@accumulate.0.join, @accumulate.0.join.at_64.as_16_2, @accumulate.2.take]
// CHECK-NEXT: plan.copy @accumulate.2.take to @buffer.v
// CHECK-NEXT: plan.launch @update ins() outs() buffers [@accumulate.2.take.at_64.as_8_2]
// CHECK-NEXT: }
module {
  train.state @v metric : tensor<16x2xf32>
  plan.kernel @make access [1, 2] computes "f" {
  ^bb0(%a: memref<16x2xf32>, %o: memref<16x2xf32>):
    plan.return
  }
  plan.kernel @take access [1, 1, 2] computes "f" {
  ^bb0(%a: memref<32x2xf32>, %b: memref<16x2xf32>, %o: memref<16x2xf32>):
    plan.return
  }
  plan.kernel @update access [3] computes "f" {
  ^bb0(%a: memref<8x2xf32>):
    plan.return
  }
  plan.program @accumulate ["x"] {
  ^bb0(%x: tensor<16x2xf32>):
    %e = tensor.empty() : tensor<16x2xf32>
    %a = plan.launch @make ins(%x : tensor<16x2xf32>) outs(%e : tensor<16x2xf32>) -> tensor<16x2xf32>
    %j = plan.join %a, %a : tensor<16x2xf32>, tensor<16x2xf32> -> tensor<32x2xf32>
    %s = tensor.extract_slice %j[8, 0] [16, 2] [1, 1] : tensor<32x2xf32> to tensor<16x2xf32>
    %b = plan.launch @take ins(%j, %s : tensor<32x2xf32>, tensor<16x2xf32>) outs(%e : tensor<16x2xf32>) -> tensor<16x2xf32>
    // A variable has no slices: what is sliced lives elsewhere.
    %t = tensor.extract_slice %b[8, 0] [8, 2] [1, 1] : tensor<16x2xf32> to tensor<8x2xf32>
    train.write %b, @v : tensor<16x2xf32>
    %u = plan.launch @update ins() outs(%t : tensor<8x2xf32>) -> tensor<8x2xf32>
  }
}

// -----

module {
  plan.program @accumulate ["x"] {
  ^bb0(%x: tensor<16x2xf32>):
    // expected-error @below {{expected a slice of whole rows from a multiple of 64 bytes}}
    %s = tensor.extract_slice %x[4, 0] [8, 2] [1, 1] : tensor<16x2xf32> to tensor<8x2xf32>
  }
}

// -----

module {
  plan.kernel @update access [3] computes "f" {
  ^bb0(%a: memref<8x2xf32>):
    plan.return
  }
  plan.program @accumulate ["x"] {
  ^bb0(%x: tensor<16x2xf32>):
    %s = tensor.extract_slice %x[8, 0] [8, 2] [1, 1] : tensor<16x2xf32> to tensor<8x2xf32>
    // expected-error @below {{expected slices of what launches make, but got one of 'x'}}
    %u = plan.launch @update ins() outs(%s : tensor<8x2xf32>) -> tensor<8x2xf32>
  }
}

// -----

// A bound has a place of its own, which lives until the last launch that it bounds.
// CHECK-LABEL: plan.arena @arena
// CHECK: plan.buffer @[[N:.*]] in @arena {{[0-9]+}} : memref<i64>
// CHECK: plan.program @accumulate
// CHECK-NEXT: plan.launch @count ins() outs() buffers [@buffer.x, @[[N]]]
// CHECK-NEXT: plan.launch @make ins() outs() buffers [@buffer.x, @[[A:.*]]]
// CHECK-NEXT: plan.launch @grow ins() outs() buffers [@buffer.x, @[[A]]] bound_buffer @[[N]]
// CHECK-NEXT: plan.launch @make ins() outs() buffers [@buffer.x, @accumulate.3.make]
// CHECK-NEXT: plan.launch @grow ins() outs() buffers [@accumulate.3.make, @[[A]]] bound_buffer @[[N]]
module {
  train.state @v metric : tensor<16xf32>
  plan.kernel @count access [1, 2] computes "f" {
  ^bb0(%a: memref<16xf32>, %o: memref<i64>):
    plan.return
  }
  plan.kernel @make access [1, 2] computes "f" {
  ^bb0(%a: memref<16xf32>, %o: memref<16xf32>):
    plan.return
  }
  plan.kernel @grow access [1, 3] computes "f" {
  ^bb0(%a: memref<16xf32>, %o: memref<16xf32>):
    plan.return
  }
  plan.program @accumulate ["x"] {
  ^bb0(%x: tensor<16xf32>):
    %s = tensor.empty() : tensor<i64>
    %n = plan.launch @count ins(%x : tensor<16xf32>) outs(%s : tensor<i64>) -> tensor<i64>
    %e = tensor.empty() : tensor<16xf32>
    %a = plan.launch @make ins(%x : tensor<16xf32>) outs(%e : tensor<16xf32>) -> tensor<16xf32>
    %b = plan.launch @grow ins(%x : tensor<16xf32>) outs(%a : tensor<16xf32>) bound %n : tensor<i64> -> tensor<16xf32>
    %c = plan.launch @make ins(%x : tensor<16xf32>) outs(%e : tensor<16xf32>) -> tensor<16xf32>
    %d = plan.launch @grow ins(%c : tensor<16xf32>) outs(%b : tensor<16xf32>) bound %n : tensor<i64> -> tensor<16xf32>
    train.write %d, @v : tensor<16xf32>
  }
}
