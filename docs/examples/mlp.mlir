// A classifier of one's own, whole: x [B, 2] → 32 tanh units → 3 classes.
// docs/OwnModels.md goes through it line by line.

module attributes {train.sequences = 32 : i64, train.total_steps = 200 : i64, train.seed = 1 : i64} {
  train.parameter @hidden.weight normal : tensor<2x32xf32> {external_name = "hidden.weight", scale = 0.7}
  train.parameter @hidden.bias constant : tensor<32xf32> {external_name = "hidden.bias", decay = false}
  train.parameter @classes.weight normal : tensor<32x3xf32> {external_name = "classes.weight", scale = 0.2}
  train.parameter @classes.bias constant : tensor<3xf32> {external_name = "classes.bias", decay = false}

  train.step @step ["x", "labels"] {
  ^bb0(%x: tensor<32x2xf32>, %labels: tensor<32xi32>):
    %w1 = train.read @hidden.weight : tensor<2x32xf32>
    %b1 = train.read @hidden.bias : tensor<32xf32>
    %w2 = train.read @classes.weight : tensor<32x3xf32>
    %b2 = train.read @classes.bias : tensor<3xf32>
    %product = nn.matmul %x, %w1 : tensor<32x2xf32>, tensor<2x32xf32> -> tensor<32x32xf32>
    %bias1 = nn.broadcast %b1 [1] : tensor<32xf32> -> tensor<32x32xf32>
    %sum = nn.add %product, %bias1 : tensor<32x32xf32>
    %hidden = nn.tanh %sum : tensor<32x32xf32>
    %scores = nn.matmul %hidden, %w2 : tensor<32x32xf32>, tensor<32x3xf32> -> tensor<32x3xf32>
    %bias2 = nn.broadcast %b2 [1] : tensor<3xf32> -> tensor<32x3xf32>
    %logits = nn.add %scores, %bias2 : tensor<32x3xf32>

    // The loss is a sum and a count. Labels of -1 are examples that do not count: what fills up a last batch.
    %losses, %lse = nn.cross_entropy %logits, %labels {ignore_index = -1 : i64}
        : tensor<32x3xf32>, tensor<32xi32> -> tensor<32xf32>
    %total = nn.reduce_sum %losses [0] : tensor<32xf32> -> tensor<f64>
    %none = nn.constant dense<-1> : tensor<32xi32>
    %counts = nn.compare ne %labels, %none : tensor<32xi32> -> tensor<32xi1>
    %ones = nn.cast %counts : tensor<32xi1> -> tensor<32xf64>
    %count = nn.reduce_sum %ones [0] : tensor<32xf64> -> tensor<f64>
    train.loss "classes" %total, %count : tensor<f64>
    train.output "logits" %logits : tensor<32x3xf32>

    train.gradient
    // Stochastic gradient descent with momentum 0.9 at a rate of 0.05.
    train.update "momentum" states ["velocity"] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      %rate = nn.constant dense<0.05> : tensor<f64>
      train.yield %rate : tensor<f64>
    } step {
    ^bb0(%rate: tensor<f64>):
      train.yield %rate : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %velocity: tensor<f32>, %decay: tensor<f32>, %rate: tensor<f32>):
      %keep = nn.constant dense<0.9> : tensor<f32>
      %kept = nn.mul %keep, %velocity : tensor<f32>
      %next = nn.add %kept, %g : tensor<f32>
      %move = nn.mul %rate, %next : tensor<f32>
      %new = nn.sub %theta, %move : tensor<f32>
      train.yield %new, %next : tensor<f32>, tensor<f32>
    } {clip_norm = 1.0 : f64}
  }
}
