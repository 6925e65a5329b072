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
