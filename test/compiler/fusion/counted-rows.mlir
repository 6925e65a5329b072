// Few targets count: rows that do come first, and chunks behind them have a bound.
// RUN: %trainc-opt %s --split-input-file --trainc-chunk-vocabulary --trainc-accumulate --remarks-filter=fusion --remark-format=emitRemark 2>%t.remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t.remarks

// 16 of 40 rows: the first chunk always runs, the others have bounds; hidden
// states and targets are gathered once; gradients of the table and of the bias grow
// where they lie.
// REMARK: chunks of rows without one that counts are left out; about 7 of 40 count at most
// REMARK: the logits of @accumulate, 1120 bytes, exist for 16 of 40 rows at a time, those that count first
// CHECK: plan.program @accumulate
// CHECK: %[[ORDER:.*]], %[[SLOTS:.*]], %[[COUNTED:.*]], %[[B:.*]]:2 = nn.order_rows %arg1 {firsts = array<i64: 16, 32>} : (tensor<40xi32>)
// CHECK-NEXT: %[[H:.*]] = nn.gather_rows %arg0, %[[ORDER]] : tensor<40x5xf32>
// CHECK-NEXT: %[[H0:.*]] = nn.slice %[[H]] [0, 0] : tensor<40x5xf32> -> tensor<16x5xf32>
// CHECK-NEXT: nn.matmul %[[H0]], %{{.*}} transpose_rhs : tensor<16x5xf32>
// CHECK: %[[T:.*]] = nn.gather_rows %arg1, %[[ORDER]] : tensor<40xi32>
// CHECK-NEXT: %[[T0:.*]] = nn.slice %[[T]] [0]
// CHECK-NEXT: %[[L0:.*]], %{{.*}}, %[[D0:.*]] = nn.cross_entropy_with_grad {{.*}}, %[[T0]] : tensor<16xf32>, tensor<16x7xf32>
// CHECK-NEXT: %[[DB0:.*]] = nn.reduce_sum %[[D0]] [0] : tensor<16x7xf32>
// CHECK: %[[DW0:.*]] = nn.matmul %[[D0]], %[[H0]] transpose_lhs : tensor<16x7xf32>
// CHECK: %[[H1:.*]] = nn.slice %[[H]] [16, 0] : tensor<40x5xf32> -> tensor<16x5xf32>
// CHECK-NEXT: nn.matmul %[[H1]], %{{.*}} transpose_rhs {fusion.bound = 0 : i64}
// CHECK-NEXT: nn.broadcast %{{.*}} [1] {fusion.bound = 0 : i64} : tensor<7xf32> -> tensor<16x7xf32>
// CHECK-NEXT: nn.add {{.*}} {fusion.bound = 0 : i64} : tensor<16x7xf32>
// CHECK: %[[L1:.*]], %{{.*}}, %[[D1:.*]] = nn.cross_entropy_with_grad {{.*}} {fusion.bound = 0 : i64}
// CHECK-NEXT: %[[DB1:.*]] = nn.reduce_sum %[[D1]] [0] {fusion.bound = 0 : i64}
// CHECK-NEXT: nn.accumulate %[[DB0]], %[[DB1]] {fusion.bound = 0 : i64} : tensor<7xf32>
// CHECK: %[[DW1:.*]] = nn.matmul %[[D1]], %[[H1]] transpose_lhs {fusion.bound = 0 : i64}
// CHECK-NEXT: %[[DW01:.*]] = nn.accumulate %[[DW0]], %[[DW1]] {fusion.bound = 0 : i64} : tensor<7x5xf32>
// CHECK: %[[L2:.*]], %{{.*}}, %[[D2:.*]] = nn.cross_entropy_with_grad {{.*}} {fusion.bound = 1 : i64} : tensor<8xf32>
// CHECK: %[[DW:.*]] = nn.accumulate %[[DW01]], %{{.*}} {fusion.bound = 1 : i64} : tensor<7x5xf32>
// CHECK: %[[L:.*]] = plan.join %[[L0]], %[[L1]], %[[L2]] : tensor<16xf32>, tensor<16xf32>, tensor<8xf32> -> tensor<40xf32>
// CHECK-NEXT: %[[LOSS:.*]] = nn.gather_rows %[[L]], %[[SLOTS]] below %[[COUNTED]] : tensor<i64> : tensor<40xf32>
// CHECK: %[[DHJ:.*]] = plan.join {{.*}} -> tensor<40x5xf32>
// CHECK-NEXT: %[[DH:.*]] = nn.gather_rows %[[DHJ]], %[[SLOTS]] below %[[COUNTED]] : tensor<i64> : tensor<40x5xf32>
// CHECK: nn.reduce_sum %[[LOSS]] [0]
// CHECK: train.write %[[DW]], @dw
// CHECK: train.write %[[DH]], @dh
// CHECK: plan.bounds %[[B]]#0, %[[B]]#1 : tensor<i64>, tensor<i64>
// REMARK: the 3 terms of @dw are added where it lies
module attributes {fusion.chunk_rows = 16 : i64, train.counted_share = 0.15 : f64} {
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

// Of 4000 rows about 675 count, and 512 are worth a chunk: two chunks hold them. Of
// 1000 rows, whose logits are one chunk, about 169 count.
// REMARK: about 675 of 4000 count at most
// REMARK: the logits of @accumulate, 800000000 bytes, exist for 384 of 4000 rows at a time, those that count first
// REMARK: about 169 of 1000 count at most
// REMARK: the logits of @evaluate, 28000 bytes, exist for 192 of 1000 rows at a time, those that count first
// CHECK: plan.program @accumulate
// CHECK: nn.order_rows {{.*}} {firsts = array<i64: 384, 768, 1152, 1536, 1920, 2304, 2688, 3072, 3456, 3840>}
// CHECK: plan.program @evaluate
// CHECK: nn.order_rows {{.*}} {firsts = array<i64: 192, 384, 576, 768, 960>}
module attributes {train.counted_share = 0.15 : f64} {
  train.parameter @w normal : tensor<5x50000xf32> {external_name = "w"}
  train.parameter @v normal : tensor<5x7xf32> {external_name = "v"}
  train.state @loss output : tensor<4000xf32>
  train.state @loss2 output : tensor<1000xf32>
  plan.program @accumulate ["h", "targets"] {
  ^bb0(%h: tensor<4000x5xf32>, %targets: tensor<4000xi32>):
    %w = train.read @w : tensor<5x50000xf32>
    %x = nn.matmul %h, %w : tensor<4000x5xf32>, tensor<5x50000xf32> -> tensor<4000x50000xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<4000x50000xf32>, tensor<4000xi32> -> tensor<4000xf32>
    train.write %loss, @loss : tensor<4000xf32>
  }
  plan.program @evaluate ["h", "targets"] {
  ^bb0(%h: tensor<1000x5xf32>, %targets: tensor<1000xi32>):
    %w = train.read @v : tensor<5x7xf32>
    %x = nn.matmul %h, %w : tensor<1000x5xf32>, tensor<5x7xf32> -> tensor<1000x7xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<1000x7xf32>, tensor<1000xi32> -> tensor<1000xf32>
    train.write %loss, @loss2 : tensor<1000xf32>
  }
}

// -----

// Nobody says that few count.
// REMARK: all rows are computed: train.counted_share does not say that few count
// CHECK: plan.program @evaluate
// CHECK-NOT: nn.order_rows
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

// Too many; lse of rows that do not count is wanted; another loss counts others.
// REMARK: all rows are computed: so many are expected to count that none could be left out
// CHECK: plan.program @evaluate
// CHECK-NOT: nn.order_rows
// CHECK: train.write %{{.*}}, @loss
module attributes {fusion.chunk_rows = 16 : i64, train.counted_share = 0.5 : f64} {
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

// REMARK: all rows are computed: what nn.cross_entropy makes of rows that do not count is wanted
// REMARK: all rows are computed: nn.cross_entropy counts other rows
// CHECK: plan.program @evaluate
// CHECK-NOT: nn.order_rows
// CHECK: train.write %{{.*}}, @loss2
module attributes {fusion.chunk_rows = 16 : i64, train.counted_share = 0.1 : f64} {
  train.parameter @w normal : tensor<5x7xf32> {external_name = "w"}
  train.state @loss output : tensor<32xf32>
  train.state @loss2 output : tensor<32xf32>
  train.state @lse output : tensor<32xf32>
  plan.program @evaluate ["h", "targets"] {
  ^bb0(%h: tensor<32x5xf32>, %targets: tensor<32xi32>):
    %w = train.read @w : tensor<5x7xf32>
    %x = nn.matmul %h, %w : tensor<32x5xf32>, tensor<5x7xf32> -> tensor<32x7xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<32x7xf32>, tensor<32xi32> -> tensor<32xf32>
    train.write %loss, @loss : tensor<32xf32>
    train.write %lse, @lse : tensor<32xf32>
  }
  plan.program @predict ["h", "targets", "other_targets"] {
  ^bb0(%h: tensor<32x5xf32>, %targets: tensor<32xi32>, %others: tensor<32xi32>):
    %w = train.read @w : tensor<5x7xf32>
    %x = nn.matmul %h, %w : tensor<32x5xf32>, tensor<5x7xf32> -> tensor<32x7xf32>
    %loss, %lse = nn.cross_entropy %x, %targets : tensor<32x7xf32>, tensor<32xi32> -> tensor<32xf32>
    %loss2, %lse2 = nn.cross_entropy %x, %others : tensor<32x7xf32>, tensor<32xi32> -> tensor<32xf32>
    train.write %loss, @loss : tensor<32xf32>
    train.write %loss2, @loss2 : tensor<32xf32>
  }
}

// -----

// Zeros stay zeros through casts and products.
// REMARK: chunks of rows without one that counts are left out
// CHECK: nn.gather_rows {{.*}} below
module attributes {fusion.chunk_rows = 16 : i64, train.counted_share = 0.1 : f64} {
  train.parameter @w normal : tensor<5x7xf32> {external_name = "w"}
  train.state @dh output : tensor<32x5xf64>
  plan.program @accumulate ["h", "targets", "seed"] {
  ^bb0(%h: tensor<32x5xf32>, %targets: tensor<32xi32>, %seed: tensor<32xf32>):
    %w = train.read @w : tensor<5x7xf32>
    %x = nn.matmul %h, %w : tensor<32x5xf32>, tensor<5x7xf32> -> tensor<32x7xf32>
    %loss, %lse, %d = nn.cross_entropy_with_grad %seed, %x, %targets : tensor<32xf32>, tensor<32x7xf32>, tensor<32xi32>
    %scaled = nn.mul %d, %x : tensor<32x7xf32>
    %negative = nn.neg %scaled : tensor<32x7xf32>
    %wide = nn.cast %negative : tensor<32x7xf32> -> tensor<32x7xf64>
    %ww = nn.cast %w : tensor<5x7xf32> -> tensor<5x7xf64>
    %dh = nn.matmul %wide, %ww transpose_rhs : tensor<32x7xf64>, tensor<5x7xf64> -> tensor<32x5xf64>
    train.write %dh, @dh : tensor<32x5xf64>
  }
}
