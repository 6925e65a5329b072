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
