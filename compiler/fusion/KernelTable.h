//===- KernelTable.h - unique kernels and their launches ----------*- C++
//-*-===//
//
// Kernels with equal bodies are one kernel, so compile time and plan size do
// not grow with the number of layers.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_KERNELTABLE_H
#define TRAINC_COMPILER_FUSION_KERNELTABLE_H

#include "dialects/plan/Plan.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace trainc::fusion {

/// What a kernel needs beside its body.
struct KernelRequest {
  std::string stem;     ///< of its name: "matmul"
  std::string computes; ///< "nn.matmul", for profiles
  double flops = 0;
  llvm::SmallVector<mlir::Value> inputs;       ///< read only
  llvm::SmallVector<mlir::Value> destinations; ///< written, at the launch
  llvm::SmallVector<bool> updates;             ///< destination is read as well
};

/// Builds the body: values of the inputs and destinations → new destinations.
using KernelBody =
    llvm::function_ref<llvm::FailureOr<llvm::SmallVector<mlir::Value>>(
        mlir::OpBuilder &, mlir::ValueRange inputs,
        mlir::ValueRange destinations)>;

class KernelTable {
public:
  /// Knows the kernels that `module` has already.
  explicit KernelTable(mlir::ModuleOp module);

  /// Builds the kernel, or finds an equal one, and launches it at `builder`.
  llvm::FailureOr<plan::LaunchOp> launch(mlir::OpBuilder &builder,
                                         mlir::Location loc,
                                         const KernelRequest &request,
                                         KernelBody body);

private:
  mlir::ModuleOp module;
  llvm::StringMap<plan::KernelOp> byText;
  llvm::StringMap<unsigned> uses; ///< of name stems
};

/// Name of the model layer in a location ("gpt2.h.3.attn"), or empty.
std::string layerName(mlir::Location loc);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_KERNELTABLE_H
