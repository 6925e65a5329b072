// RUN: %trainc-opt %s --split-input-file --trainc-accumulate --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// A table that is read in two places, in later micro-batches too: what it held, the
// products and the embedding's gradient are added in the order in which they are
// made.
// REMARK: the 3 terms of @dw are added where it lies
// CHECK: plan.program @accumulate
// CHECK: %[[P:.*]] = nn.matmul %arg0, %arg1 transpose_lhs
// CHECK-NEXT: %[[OLD:.*]] = train.read @dw
// CHECK-NEXT: %[[ZERO:.*]] = nn.constant dense<0>
// CHECK-NEXT: %[[FIRST:.*]] = nn.compare
// CHECK-NEXT: %[[A:.*]] = nn.accumulate %[[OLD]], %[[P]] first %[[FIRST]] : tensor<i1> : tensor<7x5xf32>
// CHECK: %[[Q:.*]] = nn.matmul %arg0, %arg2 transpose_lhs
// CHECK-NEXT: %[[B:.*]] = nn.accumulate %[[A]], %[[Q]] : tensor<7x5xf32>
// CHECK-NEXT: %[[C:.*]] = nn.embedding_grad %arg1, %arg3 onto %[[B]] : tensor<7x5xf32> : tensor<9x5xf32>
// CHECK-NEXT: train.write %[[C]], @dw
module {
  train.parameter @w normal : tensor<7x5xf32> {external_name = "w"}
  train.state @dw gradient : tensor<7x5xf32> {parameter = @w}
  train.state @o output : tensor<9x7xf32>
  plan.program @accumulate ["d", "x", "y", "ids", "control.micro_batch"] {
  ^bb0(%d: tensor<9x7xf32>, %x: tensor<9x5xf32>, %y: tensor<9x5xf32>, %ids: tensor<9xi32>, %m: tensor<i64>):
    %p = nn.matmul %d, %x transpose_lhs : tensor<9x7xf32>, tensor<9x5xf32> -> tensor<7x5xf32>
    train.write %d, @o : tensor<9x7xf32>
    %q = nn.matmul %d, %y transpose_lhs : tensor<9x7xf32>, tensor<9x5xf32> -> tensor<7x5xf32>
    %e = nn.embedding_grad %x, %ids : tensor<9x5xf32>, tensor<9xi32> -> tensor<7x5xf32>
    %pe = nn.add %p, %e : tensor<7x5xf32>
    %sum = nn.add %q, %pe : tensor<7x5xf32>
    %zero = nn.constant dense<0> : tensor<i64>
    %first = nn.compare eq %m, %zero : tensor<i64> -> tensor<i1>
    %old = train.read @dw : tensor<7x5xf32>
    %new = nn.accumulate %old, %sum first %first : tensor<i1> : tensor<7x5xf32>
    train.write %new, @dw : tensor<7x5xf32>
  }
}

// -----

// A single micro-batch: the first term begins.
// REMARK: the 2 terms of @dw are added where it lies
// CHECK: %[[P:.*]] = nn.matmul
// CHECK-NEXT: %[[C:.*]] = nn.embedding_grad %arg1, %arg2 onto %[[P]]
// CHECK-NEXT: train.write %[[C]], @dw
module {
  train.parameter @w normal : tensor<7x5xf32> {external_name = "w"}
  train.state @dw gradient : tensor<7x5xf32> {parameter = @w}
  plan.program @accumulate ["d", "x", "ids"] {
  ^bb0(%d: tensor<9x7xf32>, %x: tensor<9x5xf32>, %ids: tensor<9xi32>):
    %p = nn.matmul %d, %x transpose_lhs : tensor<9x7xf32>, tensor<9x5xf32> -> tensor<7x5xf32>
    %e = nn.embedding_grad %x, %ids : tensor<9x5xf32>, tensor<9xi32> -> tensor<7x5xf32>
    %sum = nn.add %p, %e : tensor<7x5xf32>
    train.write %sum, @dw : tensor<7x5xf32>
  }
}

// -----

// Left as they are: elementwise terms; one term; a term that is read elsewhere too;
// what was written after the first term is made.
// CHECK: plan.program @accumulate
// CHECK-NOT: nn.accumulate %{{[0-9]+}}, %{{[0-9]+}} :
// CHECK-NOT: onto
module {
  train.parameter @w normal : tensor<7x5xf32> {external_name = "w"}
  train.state @a gradient : tensor<7x5xf32> {parameter = @w}
  train.state @b output : tensor<7x5xf32>
  train.state @c output : tensor<7x5xf32>
  train.state @d output : tensor<7x5xf32>
  train.state @m metric : tensor<i1>
  plan.program @accumulate ["d", "x", "u", "ids", "one"] {
  ^bb0(%d: tensor<9x7xf32>, %x: tensor<9x5xf32>, %u: tensor<7x5xf32>, %ids: tensor<9xi32>, %one: tensor<i1>):
    %n = nn.neg %u : tensor<7x5xf32>
    %s = nn.sqrt %u : tensor<7x5xf32>
    %ns = nn.add %n, %s : tensor<7x5xf32>
    train.write %ns, @a : tensor<7x5xf32>

    %p = nn.matmul %d, %x transpose_lhs : tensor<9x7xf32>, tensor<9x5xf32> -> tensor<7x5xf32>
    %oldb = train.read @b : tensor<7x5xf32>
    %newb = nn.accumulate %oldb, %p first %one : tensor<i1> : tensor<7x5xf32>
    train.write %newb, @b : tensor<7x5xf32>

    %q = nn.matmul %d, %x transpose_lhs : tensor<9x7xf32>, tensor<9x5xf32> -> tensor<7x5xf32>
    %e = nn.embedding_grad %x, %ids : tensor<9x5xf32>, tensor<9xi32> -> tensor<7x5xf32>
    %qe = nn.add %q, %e : tensor<7x5xf32>
    train.write %qe, @c : tensor<7x5xf32>
    %nq = nn.neg %q : tensor<7x5xf32>
    train.write %nq, @a : tensor<7x5xf32>

    %r = nn.matmul %d, %x transpose_lhs : tensor<9x7xf32>, tensor<9x5xf32> -> tensor<7x5xf32>
    %f = nn.embedding_grad %x, %ids : tensor<9x5xf32>, tensor<9xi32> -> tensor<7x5xf32>
    train.write %u, @d : tensor<7x5xf32>
    %rf = nn.add %r, %f : tensor<7x5xf32>
    %oldd = train.read @d : tensor<7x5xf32>
    %newd = nn.accumulate %oldd, %rf first %one : tensor<i1> : tensor<7x5xf32>
    train.write %newd, @d : tensor<7x5xf32>
  }
}
