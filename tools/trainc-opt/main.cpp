//===- main.cpp - trainc-opt: runs single passes on textual IR ------------===//
//
// The compiler's developers' tool, in the manner of mlir-opt: it knows our
// dialects, the upstream ones that stages lower to, and every stage's passes.
// A stage adds its register lines below; nothing else lives here.
//
//===----------------------------------------------------------------------===//

#include "compiler/autodiff/Autodiff.h"
#include "compiler/codegen/cpu/CodegenCpu.h"
#include "compiler/fusion/Fusion.h"
#include "compiler/memory/Memory.h"
#include "compiler/objective/Objective.h"
#include "compiler/optimizer/Optimizer.h"
#include "compiler/precision/Precision.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<trainc::nn::NNDialect, trainc::train::TrainDialect,
                  trainc::plan::PlanDialect>();
  registry.insert<mlir::affine::AffineDialect, mlir::arith::ArithDialect,
                  mlir::bufferization::BufferizationDialect,
                  mlir::cf::ControlFlowDialect, mlir::func::FuncDialect,
                  mlir::index::IndexDialect, mlir::LLVM::LLVMDialect,
                  mlir::linalg::LinalgDialect, mlir::math::MathDialect,
                  mlir::memref::MemRefDialect, mlir::scf::SCFDialect,
                  mlir::tensor::TensorDialect, mlir::vector::VectorDialect>();
  trainc::fusion::registerFusionPasses();
  trainc::fusion::registerFusionInterfaces(registry);
  trainc::memory::registerMemoryPasses();
  trainc::memory::registerMemoryInterfaces(registry);
  trainc::codegen::registerCodegenCpuPasses();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  mlir::registerSymbolDCEPass();

  trainc::objective::registerObjectivePasses();
  trainc::autodiff::registerAutodiffPasses();
  trainc::autodiff::registerAutodiffInterfaces(registry);
  trainc::precision::registerPrecisionInterfaces(registry);
  trainc::precision::registerPrecisionPasses();
  trainc::optimizer::registerOptimizerPasses();

  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "trainc-opt: single passes of trainc\n", registry));
}
