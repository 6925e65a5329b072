//===- ProductFunction.h - functions that kernels share -----------*- C++
//-*-===//
//
// A matrix product in a kernel is a few loops around calls of functions that
// take sizes as arguments, so that the number of functions depends on types,
// layouts and register tiles only, not on shapes. This file says which
// functions there are, how they are named and what their parameters mean.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_PRODUCTFUNCTION_H
#define TRAINC_COMPILER_CODEGEN_CPU_PRODUCTFUNCTION_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include <optional>
#include <string>

namespace trainc::codegen {

/// The vector unit that code is emitted for.
struct VectorUnit {
  unsigned bytes;     ///< of one register
  unsigned registers; ///< how many there are

  int64_t lanes(mlir::Type element) const {
    return bytes * 8 / element.getIntOrFloatBitWidth();
  }
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

/// One function; equal values are one function in the image. Matrices are
/// passed as their buffer, an offset and the distance of rows, in elements;
/// rows are contiguous. Buffers do not overlap.
struct ProductFunction {
  enum Kind {
    /// Packs columns of B[K, N], as it lies in memory or `transposed`, into
    /// panels [N / columns of the tile][K][columns of the tile], a stride
    /// apart; lanes past N hold zeros or copies.
    /// (b, offset, stride, packed, panel stride, N, K)
    PackColumns,
    /// C[M, N] = A[M, K] B or C += A B with packed B. With `transposed` A is
    /// [K, M], and `panels` is room for getRowPanelElements.
    /// (a, offset, stride, packed, panel stride, c, offset, stride, M, N, K,
    ///  accumulate [, panels])
    MultiplyRows
  };
  Kind kind;
  mlir::Type element; ///< f32 or f64
  RegisterTile tile;  ///< `rows` do not matter for PackColumns
  bool transposed;

  std::string getName() const;
  mlir::FunctionType getType() const;
  /// As an attribute, by which declarations say what they are.
  mlir::DictionaryAttr toAttribute() const;
  static ProductFunction fromAttribute(mlir::DictionaryAttr attribute);
};

/// How rows of a transposed A are copied next to each other: `groups` row
/// groups at a time, whole vectors of memory, each row of a panel `width`
/// elements.
struct RowPanels {
  RowPanels(const RegisterTile &tile, int64_t lanes);
  int64_t groups, width;
  /// Elements of the panels of a block of depth `k` (twice: one is filled
  /// while the other is used).
  int64_t elements(int64_t k) const { return 2 * groups * width * k; }
};

/// On the declaration of a shared function: what it is.
inline constexpr llvm::StringLiteral productFunctionAttr = "codegen.product";
/// On a module of shared functions: unit attribute that marks it.
inline constexpr llvm::StringLiteral sharedModuleAttr = "codegen.shared";

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_PRODUCTFUNCTION_H
