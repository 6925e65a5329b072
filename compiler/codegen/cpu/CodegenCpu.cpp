//===- CodegenCpu.cpp - the stage's pipeline ------------------------------===//
//
// Decides the order of the passes. Kernels are independent modules after the
// first, so that the pass manager runs the following ones in parallel over
// them.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/CodegenCpu.h"
#include "compiler/codegen/cpu/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace trainc::codegen {

#define GEN_PASS_REGISTRATION
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

struct PipelineOptions : PassPipelineOptions<PipelineOptions> {
  Option<std::string> cpu{*this, "cpu", llvm::cl::desc("CPU to compile for"),
                          llvm::cl::init("")};
  Option<bool> reference{*this, "reference",
                         llvm::cl::desc("plain scalar code"),
                         llvm::cl::init(false)};
  Option<unsigned> threads{*this, "threads",
                           llvm::cl::desc("kernels compiled at a time"),
                           llvm::cl::init(0)};
};

/// The upstream conversions, from loops on memrefs to the LLVM dialect.
void addLlvmConversion(OpPassManager &kernel) {
  kernel.addPass(memref::createExpandStridedMetadataPass());
  kernel.addPass(createLowerAffinePass());
  kernel.addPass(createSCFToControlFlowPass());
  kernel.addPass(createConvertVectorToLLVMPass());
  kernel.addPass(createConvertMathToLLVMPass());
  kernel.addPass(createArithToLLVMConversionPass());
  kernel.addPass(createConvertIndexToLLVMPass());
  kernel.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions functions;
  functions.useBarePtrCallConv = true;
  kernel.addPass(createConvertFuncToLLVMPass(functions));
  kernel.addPass(createConvertControlFlowToLLVMPass());
  kernel.addPass(createUBToLLVMConversionPass());
  kernel.addPass(createReconcileUnrealizedCastsPass());
}

} // namespace

void buildCodegenCpuPipeline(OpPassManager &pm,
                             const CodegenCpuOptions &options) {
  pm.addPass(createOutlineKernelFunctions());
  {
    OpPassManager &kernel = pm.nest<ModuleOp>();
    kernel.addNestedPass<func::FuncOp>(createForallToForLoopPass());
    if (!options.reference) {
      // Equal views become one value, by which a product finds its fill.
      kernel.addNestedPass<func::FuncOp>(createCSEPass());
      LowerContractionsOptions contractions;
      contractions.cpu = options.cpu;
      kernel.addPass(createLowerContractions(contractions));
      LowerMovesOptions moves;
      moves.cpu = options.cpu;
      kernel.addNestedPass<func::FuncOp>(createLowerMoves(moves));
      kernel.addNestedPass<func::FuncOp>(createAttachFastMath());
      kernel.addNestedPass<func::FuncOp>(createBlockRows());
    }
  }
  if (!options.reference) {
    EmitProductFunctionsOptions functions;
    functions.cpu = options.cpu;
    pm.addPass(createEmitProductFunctions(functions));
  }
  OpPassManager &kernel = pm.nest<ModuleOp>();
  OpPassManager &function = kernel.nest<func::FuncOp>();
  function.addPass(createLowerLinalgToLoops());
  function.addPass(createExpandMath());
  kernel.addPass(createAssignScratch());
  addLlvmConversion(kernel);
  kernel.addPass(createBFloat16AsIntegers());
  kernel.addPass(createAttachKernelEntry());
  LowerKernelsToCodeOptions code;
  code.cpu = options.cpu;
  code.reference = options.reference;
  code.threads = options.threads;
  pm.addPass(createLowerKernelsToCode(code));
  pm.addPass(createVerifyCodegenContract());
}

void registerCodegenCpuPasses() {
  registerCodegenCpuGeneratedPasses();
  PassPipelineRegistration<PipelineOptions>(
      "trainc-codegen-cpu", "Bufferised kernels to one flat machine-code image",
      [](OpPassManager &pm, const PipelineOptions &options) {
        buildCodegenCpuPipeline(
            pm, {options.cpu, options.reference, options.threads});
      });
}

} // namespace trainc::codegen
