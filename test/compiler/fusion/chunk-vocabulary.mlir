// Logits are computed for some rows at a time: here 16 of 40, so two chunks and a
// tail.
// RUN: %trainc-opt %s --split-input-file --trainc-chunk-vocabulary --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// Rows of the hidden states and targets are slices, free operations are repeated,
// the losses join, the table's and the bias's gradients add up in order.
// REMARK: the logits of @accumulate, 1120 bytes, exist for 16 of 40 rows at a time
// CHECK: plan.program @accumulate
// CHECK: %[[W:.*]] = train.read @w
// CHECK: %[[BIAS:.*]] = train.read @bias
// What the chunks need is made before them.
// CHECK: %[[SCALE:.*]] = train.read @scale
// CHECK: %[[H0:.*]] = nn.slice %arg0 [0, 0] : tensor<40x5xf32> -> tensor<16x5xf32>
// CHECK-NEXT: %[[P0:.*]] = nn.matmul %[[H0]], %[[W]] transpose_rhs : tensor<16x5xf32>, tensor<7x5xf32> -> tensor<16x7xf32>
// CHECK: %[[X0:.*]] = nn.add %[[P0]], %{{.*}} : tensor<16x7xf32>
// CHECK: %[[T0:.*]] = nn.slice %arg1 [0] : tensor<40xi32> -> tensor<16xi32>
// CHECK-NEXT: %[[L0:.*]], %{{.*}}, %[[D0:.*]] = nn.cross_entropy_with_grad %{{.*}}, %[[X0]], %[[T0]] : tensor<16xf32>, tensor<16x7xf32>, tensor<16xi32>
// CHECK-NEXT: %[[B0:.*]] = nn.reduce_sum %[[D0]] [0] : tensor<16x7xf32> -> tensor<7xf32>
// CHECK-NEXT: %[[DH0:.*]] = nn.matmul %[[D0]], %[[W]] : tensor<16x7xf32>, tensor<7x5xf32> -> tensor<16x5xf32>
// CHECK-NEXT: %[[DW0:.*]] = nn.matmul %[[D0]], %[[H0]] transpose_lhs : tensor<16x7xf32>, tensor<16x5xf32> -> tensor<7x5xf32>
// CHECK: nn.slice %arg0 [16, 0] : tensor<40x5xf32> -> tensor<16x5xf32>
// CHECK: %[[L1:.*]], %{{.*}}, %[[D1:.*]] = nn.cross_entropy_with_grad {{.*}} : tensor<16xf32>, tensor<16x7xf32>
// CHECK-NEXT: %[[B1:.*]] = nn.reduce_sum %[[D1]]
// CHECK-NEXT: %[[B01:.*]] = nn.add %[[B0]], %[[B1]]
// CHECK: %[[DW1:.*]] = nn.matmul %[[D1]], %{{.*}} transpose_lhs
// CHECK-NEXT: %[[DW01:.*]] = nn.add %[[DW0]], %[[DW1]]
// CHECK: nn.slice %arg0 [32, 0] : tensor<40x5xf32> -> tensor<8x5xf32>
// CHECK: %[[L2:.*]], %{{.*}}, %[[D2:.*]] = nn.cross_entropy_with_grad {{.*}} : tensor<8xf32>, tensor<8x7xf32>
// CHECK: %[[DH2:.*]] = nn.matmul %[[D2]], %[[W]] : tensor<8x7xf32>
// CHECK: %[[DW:.*]] = nn.add %[[DW01]], %{{.*}} : tensor<7x5xf32>
// CHECK: %[[L:.*]] = plan.join %[[L0]], %[[L1]], %[[L2]] : tensor<16xf32>, tensor<16xf32>, tensor<8xf32> -> tensor<40xf32>
// CHECK: plan.join %[[DH0]], %{{.*}}, %[[DH2]] : tensor<16x5xf32>, tensor<16x5xf32>, tensor<8x5xf32> -> tensor<40x5xf32>
// CHECK: nn.reduce_sum %[[L]] [0]
// CHECK: train.write %[[DW]], @dw
// CHECK-NOT: tensor<40x7xf32>
module attributes {fusion.chunk_rows = 16 : i64} {
  train.parameter @w normal : tensor<7x5xf32> {external_name = "w"}
  train.parameter @bias normal : tensor<7xf32> {external_name = "bias"}
  train.state @scale metric : tensor<f32>
  train.state @loss metric : tensor<f64>
  train.state @dw gradient : tensor<7x5xf32> {parameter = @w}
  train.state @db gradient : tensor<7xf32> {parameter = @bias}
  train.state @dh output : tensor<40x5xf32>
  plan.program @accumulate ["h", "targets"] {
  ^bb0(%h: tensor<40x5xf32>, %targets: tensor<40xi32>):
    %w = train.read @w : tensor<7x5xf32>
    %bias = train.read @bias : tensor<7xf32>
    %p = nn.matmul %h, %w transpose_rhs : tensor<40x5xf32>, tensor<7x5xf32> -> tensor<40x7xf32>
    %b = nn.broadcast %bias [1] : tensor<7xf32> -> tensor<40x7xf32>
    %x = nn.add %p, %b : tensor<40x7xf32>
    %scale = train.read @scale : tensor<f32>
    %seed = nn.broadcast %scale [] : tensor<f32> -> tensor<40xf32>
    %loss, %lse, %d = nn.cross_entropy_with_grad %seed, %x, %targets : tensor<40xf32>, tensor<40x7xf32>, tensor<40xi32>
    %sum = nn.reduce_sum %loss [0] : tensor<40xf32> -> tensor<f64>
    train.write %sum, @loss : tensor<f64>
    %db = nn.reduce_sum %d [0] : tensor<40x7xf32> -> tensor<7xf32>
    %dh = nn.matmul %d, %w : tensor<40x7xf32>, tensor<7x5xf32> -> tensor<40x5xf32>
    %dw = nn.matmul %d, %h transpose_lhs : tensor<40x7xf32>, tensor<40x5xf32> -> tensor<7x5xf32>
    train.write %dw, @dw : tensor<7x5xf32>
    train.write %db, @db : tensor<7xf32>
    train.write %dh, @dh : tensor<40x5xf32>
  }
}

// -----

// Without a gradient, and rows that 16 divides.
// REMARK: the logits of @evaluate, 896 bytes, exist for 16 of 32 rows at a time
// CHECK-COUNT-2: nn.cross_entropy %{{.*}} : tensor<16x7xf32>
// CHECK-NOT: tensor<32x7xf32>
// CHECK: train.write %{{.*}}, @loss
module attributes {fusion.chunk_rows = 16 : i64} {
  train.parameter @w normal : tensor<5x7xf32> {external_name = "w"}
  train.state @loss output : tensor<32xf32>
  plan.program @evaluate ["h", "targets"] {
  ^bb0(%h: tensor<32x5xf32>, %targets: tensor<32xi32>):
    %w = train.read @w : tensor<5x7xf32>
    %x = nn.matmul %h, %w : tensor<32x5xf32>, tensor<5x7xf32> -> tensor<32x7xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<32x7xf32>, tensor<32xi32> -> tensor<32xf32>
    train.write %loss, @loss : tensor<32xf32>
  }
}

// -----

// Two losses of one kind of logits, a narrow operation on the way from one to
// the other: all of it is by rows.
// REMARK: the logits of @accumulate, 896 bytes, exist for 16 of 32 rows at a time
// CHECK-COUNT-2: nn.mul %{{.*}}, %{{.*}} : tensor<16xf32>
// CHECK-NOT: tensor<32x7xf32>
// CHECK: train.write %{{.*}}, @dh
module attributes {fusion.chunk_rows = 16 : i64} {
  train.parameter @w normal : tensor<5x7xf32> {external_name = "w"}
  train.state @dh output : tensor<32x5xf32>
  plan.program @accumulate ["h", "targets", "seed"] {
  ^bb0(%h: tensor<32x5xf32>, %targets: tensor<32xi32>, %seed: tensor<32xf32>):
    %w = train.read @w : tensor<5x7xf32>
    %x = nn.matmul %h, %w : tensor<32x5xf32>, tensor<5x7xf32> -> tensor<32x7xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<32x7xf32>, tensor<32xi32> -> tensor<32xf32>
    %factor = nn.mul %lse, %seed : tensor<32xf32>
    %d = nn.cross_entropy_grad %factor, %x, %targets, %lse : tensor<32xf32>, tensor<32x7xf32>, tensor<32xi32>
    %dh = nn.matmul %d, %w transpose_rhs : tensor<32x7xf32>, tensor<5x7xf32> -> tensor<32x5xf32>
    train.write %dh, @dh : tensor<32x5xf32>
  }
}

// -----

// Logits that leave the program exist whole.
// REMARK: the logits of @evaluate, 896 bytes, exist whole: train.write needs all rows at once
// CHECK: nn.cross_entropy %{{.*}} : tensor<32x7xf32>
module attributes {fusion.chunk_rows = 16 : i64} {
  train.parameter @w normal : tensor<5x7xf32> {external_name = "w"}
  train.state @loss output : tensor<32xf32>
  train.state @logits output : tensor<32x7xf32>
  plan.program @evaluate ["h", "targets"] {
  ^bb0(%h: tensor<32x5xf32>, %targets: tensor<32xi32>):
    %w = train.read @w : tensor<5x7xf32>
    %x = nn.matmul %h, %w : tensor<32x5xf32>, tensor<5x7xf32> -> tensor<32x7xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<32x7xf32>, tensor<32xi32> -> tensor<32xf32>
    train.write %loss, @loss : tensor<32xf32>
    train.write %x, @logits : tensor<32x7xf32>
  }
}

// -----

// A softmax over everything that has been seen so far: a sum over all rows feeds
// back.
// REMARK: the logits of @evaluate, 896 bytes, exist whole: nn.broadcast needs the result of nn.reduce_sum for all rows
module attributes {fusion.chunk_rows = 16 : i64} {
  train.parameter @w normal : tensor<5x7xf32> {external_name = "w"}
  train.state @loss output : tensor<32xf32>
  plan.program @evaluate ["h", "targets"] {
  ^bb0(%h: tensor<32x5xf32>, %targets: tensor<32xi32>):
    %w = train.read @w : tensor<5x7xf32>
    %p = nn.matmul %h, %w : tensor<32x5xf32>, tensor<5x7xf32> -> tensor<32x7xf32>
    %total = nn.reduce_sum %p [0] : tensor<32x7xf32> -> tensor<7xf32>
    %all = nn.broadcast %total [1] : tensor<7xf32> -> tensor<32x7xf32>
    %x = nn.sub %p, %all : tensor<32x7xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<32x7xf32>, tensor<32xi32> -> tensor<32xf32>
    train.write %loss, @loss : tensor<32xf32>
  }
}

// -----

// The program's own tensor is there anyway.
// REMARK: the logits of @evaluate, 896 bytes, exist whole: the program gets them whole
module attributes {fusion.chunk_rows = 16 : i64} {
  train.state @loss output : tensor<32xf32>
  plan.program @evaluate ["x", "targets"] {
  ^bb0(%x: tensor<32x7xf32>, %targets: tensor<32xi32>):
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<32x7xf32>, tensor<32xi32> -> tensor<32xf32>
    train.write %loss, @loss : tensor<32xf32>
  }
}

// -----

// Without the attribute: 64 MiB of logits are one chunk; of more than that, chunks
// have about 64 MiB if that makes 512 rows, otherwise about 512 rows, and are even.
// REMARK: the logits of @evaluate, 64000000 bytes, are one chunk
// REMARK: the logits of @accumulate, 120000000 bytes, exist for 1536 of 3000 rows at a time
// REMARK: the logits of @predict, 192000000 bytes, exist for 448 of 800 rows at a time
// CHECK: plan.program @accumulate
// CHECK: nn.cross_entropy {{.*}} : tensor<1536x10000xf32>
// CHECK: nn.cross_entropy {{.*}} : tensor<1464x10000xf32>
// CHECK: plan.program @predict
// CHECK-NOT: tensor<800x60000xf32>
module {
  train.parameter @w normal : tensor<5x10000xf32> {external_name = "w"}
  train.parameter @wide normal : tensor<5x60000xf32> {external_name = "wide"}
  train.state @loss output : tensor<1600xf32>
  train.state @loss2 output : tensor<3000xf32>
  train.state @loss3 output : tensor<800xf32>
  plan.program @evaluate ["h", "targets"] {
  ^bb0(%h: tensor<1600x5xf32>, %targets: tensor<1600xi32>):
    %w = train.read @w : tensor<5x10000xf32>
    %x = nn.matmul %h, %w : tensor<1600x5xf32>, tensor<5x10000xf32> -> tensor<1600x10000xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<1600x10000xf32>, tensor<1600xi32> -> tensor<1600xf32>
    train.write %loss, @loss : tensor<1600xf32>
  }
  plan.program @accumulate ["h", "targets"] {
  ^bb0(%h: tensor<3000x5xf32>, %targets: tensor<3000xi32>):
    %w = train.read @w : tensor<5x10000xf32>
    %x = nn.matmul %h, %w : tensor<3000x5xf32>, tensor<5x10000xf32> -> tensor<3000x10000xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<3000x10000xf32>, tensor<3000xi32> -> tensor<3000xf32>
    train.write %loss, @loss2 : tensor<3000xf32>
  }
  plan.program @predict ["h", "targets"] {
  ^bb0(%h: tensor<800x5xf32>, %targets: tensor<800xi32>):
    %w = train.read @wide : tensor<5x60000xf32>
    %x = nn.matmul %h, %w : tensor<800x5xf32>, tensor<5x60000xf32> -> tensor<800x60000xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<800x60000xf32>, tensor<800xi32> -> tensor<800xf32>
    train.write %loss, @loss3 : tensor<800xf32>
  }
}
