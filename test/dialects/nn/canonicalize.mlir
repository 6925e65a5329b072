// RUN: %trainc-opt %s --canonicalize | FileCheck %s
// Folders of dialects/nn: what stages may rely on having disappeared.

// CHECK-LABEL: func @cast_same
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @cast_same(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.cast %x : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// A widening and narrowing pair rounds in between in general: it stays.
// CHECK-LABEL: func @cast_pair_stays
// CHECK-COUNT-2: nn.cast
func.func @cast_pair_stays(%x: tensor<4xf64>) -> tensor<4xf64> {
  %0 = nn.cast %x : tensor<4xf64> -> tensor<4xf32>
  %1 = nn.cast %0 : tensor<4xf32> -> tensor<4xf64>
  return %1 : tensor<4xf64>
}

// CHECK-LABEL: func @reshape_chain
// CHECK-SAME: (%[[X:.*]]: tensor<2x6xf32>)
// CHECK-NEXT: %[[Y:.*]] = nn.reshape %[[X]] : tensor<2x6xf32> -> tensor<4x3xf32>
// CHECK-NEXT: return %[[Y]]
func.func @reshape_chain(%x: tensor<2x6xf32>) -> tensor<4x3xf32> {
  %0 = nn.reshape %x : tensor<2x6xf32> -> tensor<12xf32>
  %1 = nn.reshape %0 : tensor<12xf32> -> tensor<4x3xf32>
  return %1 : tensor<4x3xf32>
}

// CHECK-LABEL: func @reshape_back
// CHECK-SAME: (%[[X:.*]]: tensor<2x6xf32>)
// CHECK-NEXT: return %[[X]]
func.func @reshape_back(%x: tensor<2x6xf32>) -> tensor<2x6xf32> {
  %0 = nn.reshape %x : tensor<2x6xf32> -> tensor<12xf32>
  %1 = nn.reshape %0 : tensor<12xf32> -> tensor<2x6xf32>
  return %1 : tensor<2x6xf32>
}

// CHECK-LABEL: func @broadcast_constant
// CHECK-NEXT: %[[C:.*]] = nn.constant dense<2.000000e+00> : tensor<3x4xf32>
// CHECK-NEXT: return %[[C]]
func.func @broadcast_constant() -> tensor<3x4xf32> {
  %0 = nn.constant dense<2.0> : tensor<f32>
  %1 = nn.broadcast %0 [] : tensor<f32> -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// CHECK-LABEL: func @broadcast_same
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @broadcast_same(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.broadcast %x [0] : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func @slice_all
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @slice_all(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.slice %x [0] : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// A constant is rounded once: 0.1 to the nearest f32.
// CHECK-LABEL: func @cast_constant
// CHECK-NEXT: %[[C:.*]] = nn.constant dense<1.000000e-01> : tensor<f32>
// CHECK-NEXT: return %[[C]]
func.func @cast_constant() -> tensor<f32> {
  %0 = nn.constant dense<0.1> : tensor<f64>
  %1 = nn.cast %0 : tensor<f64> -> tensor<f32>
  return %1 : tensor<f32>
}

// CHECK-LABEL: func @transpose_back
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>)
// CHECK-NEXT: return %[[X]], %[[X]]
func.func @transpose_back(%x: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  %0 = nn.transpose %x [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>
  %1 = nn.transpose %0 [1, 2, 0] : tensor<4x2x3xf32> -> tensor<2x3x4xf32>
  %2 = nn.transpose %x [0, 1, 2] : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  return %1, %2 : tensor<2x3x4xf32>, tensor<2x3x4xf32>
}

// Not its own inverse: stays.
// CHECK-LABEL: func @transpose_twice
// CHECK-COUNT-2: nn.transpose
func.func @transpose_twice(%x: tensor<2x2x2xf32>) -> tensor<2x2x2xf32> {
  %0 = nn.transpose %x [2, 0, 1] : tensor<2x2x2xf32> -> tensor<2x2x2xf32>
  %1 = nn.transpose %0 [2, 0, 1] : tensor<2x2x2xf32> -> tensor<2x2x2xf32>
  return %1 : tensor<2x2x2xf32>
}

// CHECK-LABEL: func @pad_and_sum_nothing
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @pad_and_sum_nothing(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.pad %x [0] : tensor<4xf32> -> tensor<4xf32>
  %1 = nn.reduce_sum %0 [] : tensor<4xf32> -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// Summing nothing into a wider type converts: stays.
// CHECK-LABEL: func @sum_widens
// CHECK: nn.reduce_sum
func.func @sum_widens(%x: tensor<4xf32>) -> tensor<4xf64> {
  %1 = nn.reduce_sum %x [] : tensor<4xf32> -> tensor<4xf64>
  return %1 : tensor<4xf64>
}
