// RUN: %trainc-opt %s --verify-diagnostics --trainc-chunk-vocabulary

// expected-error @below {{expected 'fusion.chunk_rows' to be at least 1, but got 0 : i64}}
module attributes {fusion.chunk_rows = 0 : i64} {
  train.state @loss output : tensor<32xf32>
}
