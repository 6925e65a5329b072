// RUN: %trainc-opt %s -split-input-file -verify-diagnostics --trainc-verify-fusion

module {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4xf32>):
    // expected-error @below {{expected no nn operations after fusion, but got 'nn.neg'}}
    %y = nn.neg %x : tensor<4xf32>
  }
}

// -----

module {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<4xf32>):
    // expected-error @below {{expected a flat list of reads, views, launches and writes after fusion, but got 'arith.constant'}}
    %c = arith.constant 1.0 : f32
  }
}

// -----

// Rows from a multiple of 64 bytes are a view.
module {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<40x2xf32>):
    %a = tensor.extract_slice %x[8, 0] [5, 2] [1, 1] : tensor<40x2xf32> to tensor<5x2xf32>
    %b = tensor.extract_slice %x[0, 0] [8, 2] [1, 1] : tensor<40x2xf32> to tensor<8x2xf32>
    %j = plan.join %b, %a : tensor<8x2xf32>, tensor<5x2xf32> -> tensor<13x2xf32>
  }
}

// -----

module {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<40x2xf32>):
    // expected-error @below {{expected slices of whole rows from a multiple of 64 bytes, but got another}}
    %a = tensor.extract_slice %x[4, 0] [8, 2] [1, 1] : tensor<40x2xf32> to tensor<8x2xf32>
  }
}

// -----

module {
  plan.program @predict ["x"] {
  ^bb0(%x: tensor<40x2xf32>):
    // expected-error @below {{expected slices of whole rows from a multiple of 64 bytes, but got another}}
    %a = tensor.extract_slice %x[0, 0] [40, 1] [1, 1] : tensor<40x2xf32> to tensor<40x1xf32>
  }
}

// -----

// What a bounded launch makes anew: launches of its bound and joins read it, also
// through views; what it turns something into, everybody.
module {
  train.state @z output : tensor<16xf32>
  plan.kernel @make access [1, 2] computes "f" {
  ^bb0(%a: tensor<16xf32>, %o: tensor<16xf32>):
    plan.return %a : tensor<16xf32>
  }
  plan.kernel @grow access [1, 3] computes "f" {
  ^bb0(%a: tensor<16xf32>, %o: tensor<16xf32>):
    plan.return %o : tensor<16xf32>
  }
  plan.program @predict ["x", "n"] {
  ^bb0(%x: tensor<16xf32>, %n: tensor<i64>):
    %e = tensor.empty() : tensor<16xf32>
    %a = plan.launch @make ins(%x : tensor<16xf32>) outs(%e : tensor<16xf32>) -> tensor<16xf32>
    %b = plan.launch @make ins(%x : tensor<16xf32>) outs(%e : tensor<16xf32>) bound %n : tensor<i64> -> tensor<16xf32>
    %v = tensor.expand_shape %b [[0, 1]] output_shape [4, 4] : tensor<16xf32> into tensor<4x4xf32>
    %w = tensor.collapse_shape %v [[0, 1]] : tensor<4x4xf32> into tensor<16xf32>
    %c = plan.launch @grow ins(%w : tensor<16xf32>) outs(%a : tensor<16xf32>) bound %n : tensor<i64> -> tensor<16xf32>
    train.write %c, @z : tensor<16xf32>
    %j = plan.join %b, %c : tensor<16xf32>, tensor<16xf32> -> tensor<32xf32>
  }
}

// -----

module {
  plan.kernel @make access [1, 2] computes "f" {
  ^bb0(%a: tensor<16xf32>, %o: tensor<16xf32>):
    plan.return %a : tensor<16xf32>
  }
  plan.program @predict ["x", "n"] {
  ^bb0(%x: tensor<16xf32>, %n: tensor<i64>):
    %e = tensor.empty() : tensor<16xf32>
    %b = plan.launch @make ins(%x : tensor<16xf32>) outs(%e : tensor<16xf32>) bound %n : tensor<i64> -> tensor<16xf32>
    // expected-error @below {{expected operands that are there whenever this runs, but got one of a launch with another bound; add to what is there, or join}}
    %c = plan.launch @make ins(%b : tensor<16xf32>) outs(%e : tensor<16xf32>) -> tensor<16xf32>
  }
}

// -----

// A sum that grows from nothing is nothing.
module {
  train.state @z output : tensor<16xf32>
  plan.kernel @make access [1, 2] computes "f" {
  ^bb0(%a: tensor<16xf32>, %o: tensor<16xf32>):
    plan.return %a : tensor<16xf32>
  }
  plan.kernel @grow access [1, 3] computes "f" {
  ^bb0(%a: tensor<16xf32>, %o: tensor<16xf32>):
    plan.return %o : tensor<16xf32>
  }
  plan.program @predict ["x", "n"] {
  ^bb0(%x: tensor<16xf32>, %n: tensor<i64>):
    %e = tensor.empty() : tensor<16xf32>
    %b = plan.launch @make ins(%x : tensor<16xf32>) outs(%e : tensor<16xf32>) bound %n : tensor<i64> -> tensor<16xf32>
    %c = plan.launch @grow ins(%x : tensor<16xf32>) outs(%b : tensor<16xf32>) bound %n : tensor<i64> -> tensor<16xf32>
    // expected-error @below {{expected operands that are there whenever this runs}}
    train.write %c, @z : tensor<16xf32>
  }
}
