//===- Nn.h - the nn dialect --------------------------------------*- C++
//-*-===//
//
// Differentiable tensor operations and losses; see NnDialect.td.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_DIALECTS_NN_NN_H
#define TRAINC_DIALECTS_NN_NN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/interfaces/NnInterfaces.h.inc"

namespace trainc::nn {
/// Every element of the result is an element of the operand, or 0.
template <typename Op>
class MovesElements : public mlir::OpTrait::TraitBase<Op, MovesElements> {};
} // namespace trainc::nn

#include "dialects/nn/NnDialect.h.inc"
#include "dialects/nn/NnEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NnAttributes.h.inc"
#define GET_OP_CLASSES
#include "dialects/nn/NnOps.h.inc"

#endif // TRAINC_DIALECTS_NN_NN_H
