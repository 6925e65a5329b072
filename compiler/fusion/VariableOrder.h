//===- VariableOrder.h - what reads and writes of variables order -*- C++
//-*-===//
//
// Beside operands, a program orders operations by the variables that they read
// and write. A pass that moves operations has to keep that order, too.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_VARIABLEORDER_H
#define TRAINC_COMPILER_FUSION_VARIABLEORDER_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"

namespace trainc::fusion {

/// For each operation of `block` that reads or writes variables, those before
/// it that it has to stay behind: of a read the last write of each variable, of
/// a write that one and the reads since. A group stands for its members.
llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Operation *, 2>>
orderByVariables(mlir::Block &block, mlir::ModuleOp module);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_VARIABLEORDER_H
