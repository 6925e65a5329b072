//===- Pipeline.cpp - all stages in order ---------------------------------===//

#include "compiler/pipeline/Pipeline.h"

#include "compiler/autodiff/Autodiff.h"
#include "compiler/codegen/cpu/CodegenCpu.h"
#include "compiler/fusion/Fusion.h"
#include "compiler/memory/Memory.h"
#include "compiler/objective/Objective.h"
#include "compiler/optimizer/Optimizer.h"
#include "compiler/precision/Precision.h"
#include "compiler/recipe/Recipe.h"
#include "compiler/support/TextModule.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

namespace trainc {

ArrayRef<StageInfo> stages() {
  static const StageInfo all[] = {
#define TRAINC_STAGE(Name, name, summary, contract)                            \
  {Stage::Name, #name, summary, contract},
#include "compiler/pipeline/Stages.def"
  };
  return all;
}

std::optional<Stage> parseStage(StringRef name) {
  for (const StageInfo &info : stages())
    if (info.name == name)
      return info.stage;
  return std::nullopt;
}

void registerTrainc(DialectRegistry &registry) {
  registry.insert<nn::NNDialect, train::TrainDialect, plan::PlanDialect,
                  affine::AffineDialect, arith::ArithDialect,
                  bufferization::BufferizationDialect, linalg::LinalgDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  tensor::TensorDialect, vector::VectorDialect>();
  recipe::registerRecipeDialects(registry);
  autodiff::registerAutodiffInterfaces(registry);
  precision::registerPrecisionInterfaces(registry);
  fusion::registerFusionInterfaces(registry);
  memory::registerMemoryInterfaces(registry);
}

OwningOpRef<ModuleOp> loadInput(MLIRContext &context, StringRef path,
                                ArrayRef<std::string> overrides) {
  if (!path.ends_with(".mlir"))
    return recipe::loadRecipe(context, path, overrides);
  if (!overrides.empty()) {
    emitError(UnknownLoc::get(&context))
        << "expected a recipe (.toml) with --set, but got the module '" << path
        << "'";
    return {};
  }
  return loadTextModule(context, path);
}

namespace {

/// Adds the passes of one stage; false for stages that are functions.
void addStage(Stage stage, OpPassManager &manager,
              const PipelineOptions &options) {
  switch (stage) {
  case Stage::Recipe:
  case Stage::Emit:
    return;
  case Stage::Objective:
    return objective::buildObjectivePipeline(manager);
  case Stage::Autodiff:
    return autodiff::buildAutodiffPipeline(manager);
  case Stage::Precision:
    return precision::buildPrecisionPipeline(manager);
  case Stage::Optimizer:
    return optimizer::buildOptimizerPipeline(manager);
  case Stage::Fusion:
    return fusion::buildFusionPipeline(manager);
  case Stage::Memory:
    return memory::buildMemoryPipeline(manager);
  case Stage::Codegen:
    codegen::CodegenCpuOptions codegen;
    codegen.cpu = options.cpu;
    codegen.reference = options.reference;
    codegen.threads = options.threads;
    return codegen::buildCodegenCpuPipeline(manager, codegen);
  }
}

/// DIR/<number>-<stage>.mlir, number first so that files sort in stage order.
LogicalResult dump(ModuleOp module, const StageInfo &info,
                   StringRef directory) {
  SmallString<128> path(directory);
  llvm::sys::path::append(path, llvm::Twine(unsigned(info.stage)) + "-" +
                                    info.name + ".mlir");
  std::error_code error = llvm::sys::fs::create_directories(directory);
  if (!error) {
    llvm::ToolOutputFile file(path, error, llvm::sys::fs::OF_Text);
    if (!error) {
      // The image of machine code is not for reading.
      module->print(file.os(), OpPrintingFlags().elideLargeElementsAttrs(64));
      file.os() << '\n';
      file.keep();
      return success();
    }
  }
  return module.emitError()
         << "expected to write '" << path << "', but got " << error.message();
}

} // namespace

LogicalResult runStages(ModuleOp module, const PipelineOptions &options) {
  if (options.remarks) {
    // One for each kind: `all` is only added to those, and alone enables none.
    const std::string fusion = "fusion";
    remark::RemarkCategories categories{/*all=*/std::nullopt, fusion, fusion,
                                        fusion, fusion};
    if (failed(remark::enableOptimizationRemarks(
            *module.getContext(), /*streamer=*/nullptr,
            std::make_unique<remark::RemarkEmittingPolicyAll>(), categories,
            /*printAsEmitRemarks=*/true)))
      return module.emitError("expected to enable remarks, but got a failure");
  }
  for (const StageInfo &info : stages()) {
    if (info.stage > options.stopAfter || info.stage == Stage::Emit)
      break;
    if (info.stage != Stage::Recipe) {
      PassManager manager(module.getContext());
      manager.enableVerifier(options.verifyEach);
      if (options.timing)
        manager.enableTiming();
      addStage(info.stage, manager, options);
      if (failed(manager.run(module)))
        return failure();
    }
    if (failed(mlir::verify(module)))
      return module.emitError()
             << "expected a valid module after stage '" << info.name
             << "', but got an invalid one: this is a bug in trainc";
    if (!options.dumpDirectory.empty() &&
        failed(dump(module, info, options.dumpDirectory)))
      return failure();
  }
  return success();
}

} // namespace trainc
