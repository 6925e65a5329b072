//===- Philox.h - counter-based random numbers in IR --------------*- C++
//-*-===//
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): a pure function of key and
// counter, the same bits on every device and in any order.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_LOWERING_PHILOX_H
#define TRAINC_COMPILER_FUSION_LOWERING_PHILOX_H

#include "mlir/IR/Builders.h"
#include <array>

namespace trainc::fusion::lowering {

/// Seed, step and first row, loaded once from a `counters` tensor (i64[3]).
struct Counters {
  mlir::Value seed, step, firstRow; ///< i64
};
Counters loadCounters(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Value tensor);

/// Four 32-bit words for element block `block` (i64) of `stream` (i64): key =
/// seed, counter = {block low, block high, step, stream}.
std::array<mlir::Value, 4> buildPhilox(mlir::OpBuilder &builder,
                                       mlir::Location loc,
                                       const Counters &counters,
                                       mlir::Value block, mlir::Value stream);

/// Whether the element of random word `word` (i32) survives dropout at `rate`
/// (i1): the uniform number word >> 8, compared as an integer, so that no
/// rounding depends on the device.
mlir::Value buildKeepWord(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::Value word, double rate);

/// Whether element `element` (i64, global) survives dropout at `rate` (i1): the
/// uniform number word >> 8 of word element mod 4 in block element / 4,
/// compared as an integer, so that no rounding depends on the device.
mlir::Value buildKeep(mlir::OpBuilder &builder, mlir::Location loc,
                      const Counters &counters, mlir::Value element,
                      mlir::Value stream, double rate);

} // namespace trainc::fusion::lowering

#endif // TRAINC_COMPILER_FUSION_LOWERING_PHILOX_H
