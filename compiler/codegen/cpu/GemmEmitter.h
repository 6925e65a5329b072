//===- GemmEmitter.h - bodies of the shared product functions -----*- C++
//-*-===//
//
// Emits the functions of ProductFunction.h in the vector and scf dialects.
// Blocking after Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication", 2008.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_GEMMEMITTER_H
#define TRAINC_COMPILER_CODEGEN_CPU_GEMMEMITTER_H

#include "compiler/codegen/cpu/ProductFunction.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace trainc::codegen {

/// Emit the body of a function of the kind in their name, at the insertion
/// point, for vectors of `lanes` elements. `arguments` are the function's.
void emitPackColumns(mlir::ImplicitLocOpBuilder &builder,
                     const ProductFunction &function, int64_t lanes,
                     mlir::ValueRange arguments);
void emitMultiplyRows(mlir::ImplicitLocOpBuilder &builder,
                      const ProductFunction &function, int64_t lanes,
                      mlir::ValueRange arguments);
/// MultiplyRows in tile registers.
void emitMultiplyTiles(mlir::ImplicitLocOpBuilder &builder,
                       const ProductFunction &function, int64_t lanes,
                       mlir::ValueRange arguments);

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_GEMMEMITTER_H
