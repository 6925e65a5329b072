//===- TokenLimits.h - ids stay inside their tables --------------*- C++
//-*-===//
#ifndef TRAINC_COMPILER_PIPELINE_TOKENLIMITS_H
#define TRAINC_COMPILER_PIPELINE_TOKENLIMITS_H

#include "mlir/IR/BuiltinOps.h"

namespace trainc {

/// Proves that every table chosen from by ids of the data has a row for each id
/// that the runtime lets through.
llvm::LogicalResult checkTokenLimits(mlir::ModuleOp module);

} // namespace trainc

#endif // TRAINC_COMPILER_PIPELINE_TOKENLIMITS_H
