//===- GemmEmitter.h - the matrix product's micro-kernel ----------*- C++
//-*-===//
//
// Emits C = A B or C += A B on two-dimensional views in the vector and scf
// dialects. Blocking after Goto and van de Geijn, "Anatomy of high-performance
// matrix multiplication", 2008.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_GEMMEMITTER_H
#define TRAINC_COMPILER_CODEGEN_CPU_GEMMEMITTER_H

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <optional>

namespace trainc::codegen {

/// The vector unit that code is emitted for.
struct VectorUnit {
  unsigned bytes;     ///< of one register
  unsigned registers; ///< how many there are
};

/// A size that may be known, or bounded, when compiling.
struct Extent {
  mlir::Value value;
  std::optional<int64_t> constant;
  std::optional<int64_t> bound; ///< at least the size
};

/// C[M,N] (+)= A[M,K] B[K,N]. Views are two-dimensional with unit inner stride
/// and one element type, f32 or f64; C overlaps neither A nor B.
struct Gemm {
  mlir::Value a; ///< [M, K], or [K, M] when a_transposed
  mlir::Value b; ///< [K, N], or [N, K] when b_transposed
  mlir::Value c; ///< [M, N]
  bool a_transposed, b_transposed;
  Extent m, n, k;
  bool overwrite; ///< C = A B; needs K > 0
};

/// Rows and columns of C that stay in registers.
struct RegisterTile {
  int64_t rows;           ///< scalars of A, each broadcast
  int64_t column_vectors; ///< vectors of B
};

/// The tile that wastes least of C's edges.
RegisterTile chooseRegisterTile(const VectorUnit &unit, int64_t lanes,
                                std::optional<int64_t> m_bound,
                                std::optional<int64_t> n_bound);

/// Emits the product at the builder's insertion point.
void emitGemm(mlir::ImplicitLocOpBuilder &builder, const Gemm &gemm,
              const VectorUnit &unit);

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_GEMMEMITTER_H
