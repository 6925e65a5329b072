//===- KernelTable.h - unique kernels and their launches ----------*- C++
//-*-===//
//
// Kernels with equal bodies are one kernel, so compile time and plan size do
// not grow with the number of layers. Requests with equal keys find their
// kernel before a body is built; bodies built for different keys are compared
// as text.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_FUSION_KERNELTABLE_H
#define TRAINC_COMPILER_FUSION_KERNELTABLE_H

#include "dialects/plan/Plan.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include <map>
#include <optional>
#include <vector>

namespace trainc::fusion {

/// What a body is a function of, beside the request's other fields. It holds
/// attributes and types by their unique addresses: good for one context.
class KernelKey {
public:
  void add(uint64_t number) { words.push_back(number); }
  void add(mlir::Attribute attribute) {
    addAddress(attribute.getAsOpaquePointer());
  }
  void add(mlir::TypeRange types) {
    add(types.size());
    for (mlir::Type type : types)
      addAddress(type.getAsOpaquePointer());
  }
  /// Name, attributes and result types; operands are the caller's to add.
  /// Regions count by their text.
  void add(mlir::Operation *op);
  bool operator<(const KernelKey &other) const { return words < other.words; }

private:
  void addAddress(const void *address) {
    words.push_back(reinterpret_cast<uintptr_t>(address));
  }
  std::vector<uint64_t> words;
};

/// What a kernel needs beside its body.
struct KernelRequest {
  std::string stem;     ///< of its name: "matmul"
  std::string computes; ///< "nn.matmul", for profiles
  double flops = 0;
  std::optional<double> bytes;           ///< none: all inputs and destinations
  llvm::SmallVector<mlir::Value> inputs; ///< read only
  llvm::SmallVector<mlir::Value> destinations; ///< written, at the launch
  llvm::SmallVector<bool> updates;             ///< destination is read as well
  /// What the launch passes as data where bodies would differ in it only.
  std::optional<int64_t> constant;
  mlir::Value bound; ///< of the launch, or null
  KernelKey key;
};

/// Builds the body: values of the inputs (behind them the constant, where there
/// is one) and of the destinations → new destinations.
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
  llvm::FailureOr<plan::KernelOp> build(const KernelRequest &request,
                                        KernelBody body);

  mlir::ModuleOp module;
  std::map<KernelKey, plan::KernelOp> byKey;
  llvm::StringMap<plan::KernelOp> byText;
  llvm::StringMap<unsigned> uses; ///< of name stems
};

/// Name of the model layer in a location ("gpt2.h.3.attn"), or empty.
std::string layerName(mlir::Location loc);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_KERNELTABLE_H
