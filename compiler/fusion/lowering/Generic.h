//===- Generic.h - terse construction of linalg operations --------*- C++
//-*-===//
//
// What every lowering rule needs: scalars of an element type, filled tensors,
// and linalg.generic written as an index formula.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_LOWERING_GENERIC_H
#define TRAINC_COMPILER_FUSION_LOWERING_GENERIC_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace trainc::fusion::lowering {

/// A tensor indexed by some of the loop dimensions.
struct Indexed {
  mlir::Value value;
  llvm::SmallVector<int64_t, 4> dimensions;
};

using ScalarBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(
    mlir::OpBuilder &, mlir::ValueRange scalars)>;

/// linalg.generic over loops `iterators` ('p' parallel, 'r' reduction): the
/// body gets one scalar per input and output (current contents) and returns the
/// outputs'.
llvm::SmallVector<mlir::Value>
buildGeneric(mlir::OpBuilder &builder, mlir::Location loc,
             llvm::StringRef iterators, llvm::ArrayRef<Indexed> inputs,
             llvm::ArrayRef<Indexed> outputs, ScalarBody body);

/// Scalar constant; `type` is a float type.
mlir::Value constant(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Type type, double value);
/// Index constant.
mlir::Value index(mlir::OpBuilder &builder, mlir::Location loc, int64_t value);

/// `tensor` with every element set to `value`.
mlir::Value fill(mlir::OpBuilder &builder, mlir::Location loc,
                 mlir::Value tensor, double value);
/// A fresh kernel-local tensor of these sizes.
mlir::Value empty(mlir::OpBuilder &builder, mlir::Location loc,
                  llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Type element);

/// Index value of a folded offset or size.
mlir::Value materialize(mlir::OpBuilder &builder, mlir::Location loc,
                        mlir::OpFoldResult index);

/// `value` with numbers of `element` type; extends or truncates floats.
mlir::Value castFloat(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Value value, mlir::Type element);

/// `tile` in a kernel-local tensor of `element` type, where it is of another
/// one: a copy to compute with.
mlir::Value widened(mlir::OpBuilder &builder, mlir::Location loc,
                    mlir::Value tile, mlir::Type element);

} // namespace trainc::fusion::lowering

#endif // TRAINC_COMPILER_FUSION_LOWERING_GENERIC_H
