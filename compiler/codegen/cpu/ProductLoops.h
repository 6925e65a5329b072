//===- ProductLoops.h - a product as calls of shared functions ----*- C++
//-*-===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_PRODUCTLOOPS_H
#define TRAINC_COMPILER_CODEGEN_CPU_PRODUCTLOOPS_H

#include "compiler/codegen/cpu/ProductFunction.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <functional>
#include <optional>

namespace trainc::codegen {

/// A size that may be known, or bounded, when compiling.
struct Extent {
  mlir::Value value;
  std::optional<int64_t> constant;
  std::optional<int64_t> bound; ///< at least the size
};

/// C[M,N] (+)= A[M,K] B[K,N]. Views are two-dimensional with unit inner stride
/// and one element type, f32 or f64, or A and B of 16 bits and C f32; C
/// overlaps neither A nor B.
struct Gemm {
  mlir::Value a; ///< [M, K], or [K, M] when a_transposed
  mlir::Value b; ///< [K, N], or [N, K] when b_transposed
  mlir::Value c; ///< [M, N]
  bool a_transposed, b_transposed;
  Extent m, n, k;
  bool overwrite; ///< C = A B; needs K > 0
  /// Built where a part of C is finished and still in cache: its first row and
  /// column, and its size.
  std::function<void(mlir::Value row, mlir::Value column, mlir::Value rows,
                     mlir::Value columns)>
      finish;
};

/// Builds the product at the insertion point. Shared functions are declared in
/// `module` when they are not yet.
void buildProduct(mlir::ImplicitLocOpBuilder &builder, const Gemm &gemm,
                  const VectorUnit &unit, mlir::ModuleOp module);

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_PRODUCTLOOPS_H
