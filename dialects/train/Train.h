//===- Train.h - the train dialect --------------------------------*- C++
//-*-===//
//
// Parameters, states, losses, gradients and updates; see TrainDialect.td.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_DIALECTS_TRAIN_TRAIN_H
#define TRAINC_DIALECTS_TRAIN_TRAIN_H

#include "dialects/nn/Nn.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"

#include "dialects/train/TrainDialect.h.inc"
#include "dialects/train/TrainEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/train/TrainAttributes.h.inc"
#define GET_OP_CLASSES
#include "dialects/train/TrainOps.h.inc"

namespace trainc::train {

/// Names of control inputs, written by the step loop.
inline constexpr llvm::StringLiteral kControlRandom = "control.random";
inline constexpr llvm::StringLiteral kControlMicroBatch = "control.micro_batch";
inline constexpr llvm::StringLiteral kControlTokens = "control.tokens";
inline constexpr llvm::StringLiteral kControlPosition = "control.position";

/// The scale of the loss: what moves with train.scale_loss, and what a step
/// used.
inline constexpr llvm::StringLiteral kLossScale = "optimizer.loss_scale";
inline constexpr llvm::StringLiteral kUsedLossScale = "metric.loss_scale";

/// The train.parameter, train.state or train.group of that name around `from`;
/// its type, or null where there is none.
mlir::RankedTensorType lookupVariableType(mlir::SymbolTableCollection &tables,
                                          mlir::Operation *from,
                                          mlir::FlatSymbolRefAttr symbol);

/// The extent of what is computed from both.
Extent join(Extent a, Extent b);

/// How much each value of region `element` or `matrix` varies.
using Extents = llvm::DenseMap<mlir::Value, Extent>;
Extents inferExtents(UpdateOp op, mlir::Region &region);

} // namespace trainc::train

#endif // TRAINC_DIALECTS_TRAIN_TRAIN_H
