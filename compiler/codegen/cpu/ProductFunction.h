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
  unsigned bytes;       ///< of one register
  unsigned registers;   ///< how many there are
  bool bf16Dot = false; ///< multiplies pairs of bfloat16 (AVX512_BF16)

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
///
/// Factors of 16 bits are multiplied in f32: packing widens them, or panels
/// hold pairs of bfloat16 next to each other in depth, for the instruction that
/// multiplies pairs. Both add up in the same order: of each pair, the second
/// product first, one rounding each.
struct ProductFunction {
  enum Kind {
    /// Packs columns of B[K, N], as it lies in memory or `transposed`, into
    /// panels [N / columns of the tile][K][columns of the tile], a stride
    /// apart; lanes past N hold zeros or copies.
    /// (b, offset, stride, packed, panel stride, N, K)
    PackColumns,
    /// C[M, N] = A[M, K] B or C += A B with packed B. With `transposed` A is
    /// [K, M]. `panels` is room for a part of A, where copiesRows().
    /// (a, offset, stride, packed, panel stride, c, offset, stride, M, N, K,
    ///  accumulate [, panels])
    MultiplyRows
  };
  Kind kind;
  mlir::Type element; ///< of C and of the computation: f32 or f64
  mlir::Type stored;  ///< of A and B: `element`, or 16 bits with f32
  RegisterTile tile;  ///< `rows` do not matter for PackColumns
  bool transposed;
  bool dots = false; ///< panels hold pairs of bfloat16

  /// Of packed panels and of copied rows of A.
  mlir::Type panelElement() const { return dots ? stored : element; }
  /// Elements of a panel per row and column of C in a step of the depth.
  int64_t depthPerStep() const { return dots ? 2 : 1; }
  bool widens() const { return stored != element && !dots; }
  /// Whether A is not read where it lies.
  bool copiesRows() const { return transposed || widens(); }

  std::string getName() const;
  mlir::FunctionType getType() const;
  /// As an attribute, by which declarations say what they are.
  mlir::DictionaryAttr toAttribute() const;
  static ProductFunction fromAttribute(mlir::DictionaryAttr attribute);
};

/// Elements between the ends of widened rows of A.
inline constexpr int64_t widenedRowGap = 16;

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

/// LLVM's name of the CPU feature that functions with `dots` need.
inline constexpr llvm::StringLiteral bf16DotFeature = "avx512bf16";

/// On the declaration of a shared function: what it is.
inline constexpr llvm::StringLiteral productFunctionAttr = "codegen.product";
/// On a module of shared functions: unit attribute that marks it.
inline constexpr llvm::StringLiteral sharedModuleAttr = "codegen.shared";
/// On a module of shared functions: unit attribute that its code needs
/// bf16DotFeature.
inline constexpr llvm::StringLiteral needsBf16DotAttr = "codegen.bf16_dot";

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_PRODUCTFUNCTION_H
