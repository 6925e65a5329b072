//===- Pipeline.h - all stages in order ---------------------------*- C++
//-*-===//
//
// From a recipe or textual module to the bytes of a plan. Options say where to
// stop and what to show; what a stage does is the stage's business.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_PIPELINE_PIPELINE_H
#define TRAINC_COMPILER_PIPELINE_PIPELINE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trainc {

enum class Stage : unsigned {
#define TRAINC_STAGE(Name, name, summary, contract) Name,
#include "compiler/pipeline/Stages.def"
};

/// Name, purpose and contract of a stage, from Stages.def.
struct StageInfo {
  Stage stage;
  llvm::StringRef name, summary, contract;
};
llvm::ArrayRef<StageInfo> stages();
/// The stage of that name, if any.
std::optional<Stage> parseStage(llvm::StringRef name);

struct PipelineOptions {
  std::string cpu;        ///< LLVM name; empty: this machine's
  bool reference = false; ///< plain loops: the oracle of every kernel
  unsigned threads = 0;   ///< of the compiler; 0: all
  Stage stopAfter = Stage::Emit;
  std::string dumpDirectory; ///< "": none; else one .mlir file per stage
  bool verifyEach = false;   ///< verify after every pass, not only after stages
  bool timing = false;
  bool remarks = false; ///< diagnostics that say what was fused, or why not
};

/// Dialects, interfaces and translations that compiling needs.
void registerTrainc(mlir::DialectRegistry &registry);

/// Reads `path`: a recipe (.toml, with `overrides` "section.key=value") or a
/// textual module (.mlir). Null after diagnostics.
mlir::OwningOpRef<mlir::ModuleOp>
loadInput(mlir::MLIRContext &context, llvm::StringRef path,
          llvm::ArrayRef<std::string> overrides);

/// Runs the stages from objective to options.stopAfter, emit excluded.
llvm::LogicalResult runStages(mlir::ModuleOp module,
                              const PipelineOptions &options);

} // namespace trainc

#endif // TRAINC_COMPILER_PIPELINE_PIPELINE_H
