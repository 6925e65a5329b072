//===- Interfaces.h - what the precision stage asks of operations -*- C++
//-*-===//
#ifndef TRAINC_COMPILER_PRECISION_INTERFACES_H
#define TRAINC_COMPILER_PRECISION_INTERFACES_H

#include "mlir/IR/OpDefinition.h"

#include "dialects/interfaces/PrecisionInterfaces.h.inc"

#endif // TRAINC_COMPILER_PRECISION_INTERFACES_H
