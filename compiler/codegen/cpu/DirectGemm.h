//===- DirectGemm.h - small products without packing --------------*- C++
//-*-===//
//
// Emits C = A B or C += A B where B is small enough to stay in the first cache
// as it lies: packing would cost more than it gains.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_DIRECTGEMM_H
#define TRAINC_COMPILER_CODEGEN_CPU_DIRECTGEMM_H

#include "compiler/codegen/cpu/GemmEmitter.h"

namespace trainc::codegen {

/// Whether the product is one for emitDirectGemm: rows of B of a known length,
/// contiguous, and all of them in half of the first cache.
bool isDirectGemm(const Gemm &gemm);

/// Rows and columns of C in registers that take least time by a simple model:
/// two multiply-adds and two loads per cycle, a fixed cost per tile. Where the
/// number of rows is not known but at most `rows`, rest rows go one by one.
RegisterTile chooseDirectTile(const VectorUnit &unit, int64_t rows,
                              bool rows_known, int64_t column_vectors,
                              int64_t depth);

/// Emits the product at the builder's insertion point.
void emitDirectGemm(mlir::ImplicitLocOpBuilder &builder, const Gemm &gemm,
                    const VectorUnit &unit);

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_DIRECTGEMM_H
