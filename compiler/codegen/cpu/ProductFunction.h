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

/// What multiplies pairs of bfloat16 and adds the products in f32: nothing,
/// vectors (AVX512_BF16) or tiles of 16 rows (AMX-BF16).
enum class PairUnit { None, Vectors, Tiles };

/// The vector unit that code is emitted for.
struct VectorUnit {
  unsigned bytes;     ///< of one register
  unsigned registers; ///< how many there are
  PairUnit pairs = PairUnit::None;

  int64_t lanes(mlir::Type element) const {
    return bytes * 8 / element.getIntOrFloatBitWidth();
  }
};

/// Rows of C, and elements of the depth, in a tile register.
inline constexpr int64_t tileRows = 16, tileDepth = 32;

/// Rows and columns of C that stay in registers.
struct RegisterTile {
  int64_t rows;           ///< scalars of A, each broadcast, or rows of tiles
  int64_t column_vectors; ///< vectors of B
};

/// The tile that wastes least of C's edges.
RegisterTile chooseRegisterTile(const VectorUnit &unit, int64_t lanes,
                                std::optional<int64_t> m_bound,
                                std::optional<int64_t> n_bound);
/// The same in tile registers: two by two, fewer where C is small.
RegisterTile chooseTileRegisters(std::optional<int64_t> m_bound,
                                 std::optional<int64_t> n_bound);

/// One function; equal values are one function in the image. Matrices are
/// passed as their buffer, an offset and the distance of rows, in elements;
/// rows are contiguous. Buffers do not overlap.
///
/// Factors of 16 bits are multiplied in f32: packing widens them, or panels
/// hold pairs of bfloat16 next to each other in depth, for instructions that
/// multiply pairs. Widened and in vectors they add up in the same order: of
/// each pair, the second product first, one rounding each. Tiles add up the
/// first products of 16 pairs and, apart, the second ones, then both together
/// to what was there.
struct ProductFunction {
  enum Kind {
    /// Packs columns of B[K, N], as it lies in memory or `transposed`, into
    /// panels [N / columns of the tile][K][columns of the tile], a stride
    /// apart; lanes past N hold zeros or copies, a depth past K zeros.
    /// (b, offset, stride, packed, panel stride, N, K)
    PackColumns,
    /// C[M, N] = A[M, K] B or C += A B with packed B. With `transposed` A is
    /// [K, M]. `panels` is room for a part of A, where copiesRows(), and in
    /// tiles for a tile of C besides (TileRoom).
    /// (a, offset, stride, packed, panel stride, c, offset, stride, M, N, K,
    ///  accumulate [, panels])
    MultiplyRows
  };
  Kind kind;
  mlir::Type element; ///< of C and of the computation: f32 or f64
  mlir::Type stored;  ///< of A and B: `element`, or 16 bits with f32
  RegisterTile tile;  ///< `rows` do not matter for PackColumns
  bool transposed;
  PairUnit pairs = PairUnit::None; ///< for which panels hold pairs

  bool inPairs() const { return pairs != PairUnit::None; }
  bool inTiles() const { return pairs == PairUnit::Tiles; }
  /// Of packed panels and of copied rows of A.
  mlir::Type panelElement() const { return inPairs() ? stored : element; }
  /// Elements of a panel per row and column of C in a step of the depth.
  int64_t depthPerStep() const { return inPairs() ? 2 : 1; }
  /// Panels are filled up with zeros to a multiple of it.
  int64_t depthUnit() const {
    return inTiles() ? tileDepth : inPairs() ? 2 : 1;
  }
  bool widens() const { return stored != element && !inPairs(); }
  /// Whether A is not read where it lies.
  bool copiesRows() const { return transposed || widens() || inTiles(); }

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

/// What a product in tiles keeps beside packed columns: the registers'
/// configuration, a tile of C for edges, and the rows of A in turn. Offsets in
/// bytes.
struct TileRoom {
  explicit TileRoom(const RegisterTile &tile)
      : panel(spill + tile.rows * tile.column_vectors * 64) {}
  static constexpr int64_t configuration = 0, spill = 64;
  int64_t panel;
  int64_t bytes(const RegisterTile &tile, int64_t depth) const {
    return panel + tile.rows * depth * 2;
  }
};

/// LLVM's names of the CPU features of a unit.
llvm::SmallVector<llvm::StringRef> featuresOf(PairUnit unit);

/// On the declaration of a shared function: what it is.
inline constexpr llvm::StringLiteral productFunctionAttr = "codegen.product";
/// On a module of shared functions: unit attribute that marks it.
inline constexpr llvm::StringLiteral sharedModuleAttr = "codegen.shared";
/// On a module of shared functions: features that its code needs beyond the
/// level of the target.
inline constexpr llvm::StringLiteral neededFeaturesAttr = "codegen.features";

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_PRODUCTFUNCTION_H
