//===- NnOps.td - all operations of the nn dialect ------------------------===//
include "dialects/nn/ElementwiseOps.td"
include "dialects/nn/ShapeOps.td"
include "dialects/nn/LayerOps.td"
include "dialects/nn/LossOps.td"
include "dialects/nn/ScanOps.td"
