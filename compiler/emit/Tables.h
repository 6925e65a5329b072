//===- Tables.h - the schema's tables from IR ---------------------*- C++
//-*-===//
//
// Inside the emit stage: what a plan says once, and what it says per variant.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_EMIT_TABLES_H
#define TRAINC_COMPILER_EMIT_TABLES_H

#include "mlir/IR/BuiltinOps.h"
#include "runtime/abi/plan_generated.h"
#include "llvm/ADT/StringMap.h"

namespace trainc::emit {

/// Schema type of an MLIR element type; Unspecified where the schema has none.
abi::ElementType elementTypeOf(mlir::Type type);

/// Shape as the schema stores it.
std::vector<uint64_t> shapeOf(mlir::ShapedType type);

/// Indices of names in tables of the plan.
struct TableIndex {
  llvm::StringMap<uint32_t> variables, inputs;
};

/// Everything but the variants. Fails with a diagnostic at `module`.
llvm::FailureOr<std::unique_ptr<abi::PlanT>>
buildSharedTables(mlir::ModuleOp module, TableIndex &index);

/// The variant that `module` was compiled to. `plan` gives the variables.
llvm::FailureOr<std::unique_ptr<abi::VariantT>>
buildVariant(mlir::ModuleOp module, const abi::PlanT &plan,
             const TableIndex &index);

} // namespace trainc::emit

#endif // TRAINC_COMPILER_EMIT_TABLES_H
