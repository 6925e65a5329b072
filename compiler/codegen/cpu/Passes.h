//===- Passes.h - passes of the CPU code generation stage ---------*- C++
//-*-===//
//
// Generated declarations, and the attribute names by which the passes meet.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_PASSES_H
#define TRAINC_COMPILER_CODEGEN_CPU_PASSES_H

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace trainc::codegen {

#define GEN_PASS_DECL
#include "compiler/codegen/cpu/Passes.h.inc"

/// On a kernel's module: unit attribute that marks it.
inline constexpr llvm::StringLiteral kernelModuleAttr = "codegen.kernel";
/// On a kernel's module: bytes of each pointer parameter, scratch included.
inline constexpr llvm::StringLiteral argumentBytesAttr =
    "codegen.argument_bytes";
/// On a kernel's module: offset in scratch of each temporary, in bytes.
inline constexpr llvm::StringLiteral scratchOffsetsAttr =
    "codegen.scratch_offsets";
/// On a kernel's module: total scratch, in bytes.
inline constexpr llvm::StringLiteral scratchBytesAttr = "codegen.scratch_bytes";

/// Size in bytes of a static memref with identity layout; i1 takes one byte.
inline int64_t sizeBytes(mlir::MemRefType type) {
  return type.getNumElements() *
         llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_PASSES_H
