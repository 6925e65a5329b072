//===- LowerKernelsToCode.cpp - kernels' modules to plan.code -------------===//
//
// Decides how kernels are compiled: each alone, in a context of its own, on as
// many threads as allowed, the largest first so that no thread is left with one
// at the end, and linked in the order of the kernels, so that the image does
// not depend on the number of threads.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/CpuTarget.h"
#include "compiler/codegen/cpu/FlatImage.h"
#include "compiler/codegen/cpu/Passes.h"
#include "compiler/codegen/cpu/ProductFunction.h"

#include "dialects/plan/Plan.h"
#include "mlir/IR/Builders.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "runtime/abi/KernelAbi.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Support/ThreadPool.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_LOWERKERNELSTOCODE
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

struct LowerKernelsToCode : impl::LowerKernelsToCodeBase<LowerKernelsToCode> {
  using LowerKernelsToCodeBase::LowerKernelsToCodeBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::Expected<CpuTarget> target = CpuTarget::get(cpu);
    if (!target) {
      module.emitError(llvm::toString(target.takeError()));
      return signalPassFailure();
    }
    SmallVector<plan::KernelOp> kernels(module.getOps<plan::KernelOp>());
    SmallVector<ModuleOp> modules;
    if (failed(collect(kernels, modules)))
      return signalPassFailure();

    // Kernels, then the functions that they share.
    std::vector<KernelObject> objects(modules.size());
    for (auto [object, kernel] : llvm::zip(objects, kernels))
      object.entry = kernel.getSymName().str();
    llvm::StringSet<> shared;
    for (size_t i = kernels.size(); i < modules.size(); ++i) {
      auto function = *modules[i].getOps<LLVM::LLVMFuncOp>().begin();
      objects[i].entry = function.getSymName().str();
      shared.insert(objects[i].entry);
    }
    auto compile = [&](size_t i) {
      llvm::LLVMContext context;
      std::unique_ptr<llvm::Module> ir =
          translateModuleToLLVMIR(modules[i], context, objects[i].entry);
      if (ir)
        objects[i].bytes = compileToObject(*ir, *target, !reference,
                                           hasMicroKernel(modules[i]));
    };
    if (getContext().isMultithreadingEnabled() && threads != 1) {
      llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
      for (size_t i : largestFirst(modules))
        pool.async(compile, i);
      pool.wait();
    } else {
      for (size_t i = 0; i < modules.size(); ++i)
        compile(i);
    }
    for (auto [i, object] : llvm::enumerate(objects))
      if (failed(i < kernels.size()
                     ? check(kernels[i], "kernel", object, shared)
                     : check(modules[i], "shared function", object, shared)))
        return signalPassFailure();

    llvm::Expected<FlatImage> image = linkFlatImage(objects);
    if (!image) {
      module.emitError(llvm::toString(image.takeError()));
      return signalPassFailure();
    }
    annotate(kernels, modules, *image, *target);
  }

  /// Whether loops around vectors built by LowerContractions are in the module:
  /// the loop over the depth wants LLVM's unrolling. Elsewhere extents are
  /// constants, so that LLVM would make thousands of instructions of a tile of
  /// 16 x 768, which cost most of the compile time and a third of the image;
  /// interleaving by the vectoriser is enough there.
  static bool hasMicroKernel(ModuleOp module) {
    return module
        ->walk([](Operation *op) {
          // Tiles are registers of an intrinsic without results.
          bool multiplies =
              isa<LLVM::FMAOp, LLVM::CallIntrinsicOp>(op) &&
              llvm::all_of(op->getResultTypes(), llvm::IsaPred<VectorType>);
          return multiplies ? WalkResult::interrupt() : WalkResult::advance();
        })
        .wasInterrupted();
  }

  /// Indices of the modules by falling number of operations, which is about
  /// what their compile time goes by.
  static SmallVector<size_t> largestFirst(ArrayRef<ModuleOp> modules) {
    SmallVector<std::pair<size_t, size_t>> sizes;
    for (auto [i, module] : llvm::enumerate(modules)) {
      size_t operations = 0;
      module->walk([&](Operation *) { ++operations; });
      sizes.push_back({operations, i});
    }
    llvm::sort(sizes, [](auto a, auto b) {
      return a.first > b.first || (a.first == b.first && a.second < b.second);
    });
    return llvm::to_vector(llvm::make_second_range(sizes));
  }

  LogicalResult check(Operation *op, StringRef what, const KernelObject &object,
                      const llvm::StringSet<> &shared) {
    if (object.bytes.empty())
      return op->emitOpError("expected LLVM to compile ")
             << what << " '" << object.entry << "', but it did not";
    if (llvm::Error error = checkObject(object, shared))
      return op->emitOpError("in ")
             << what << " '" << object.entry
             << "': " << llvm::toString(std::move(error));
    return success();
  }

  /// Finds the module of each kernel, then those of shared functions.
  LogicalResult collect(ArrayRef<plan::KernelOp> kernels,
                        SmallVectorImpl<ModuleOp> &modules) {
    llvm::DenseMap<StringRef, ModuleOp> by_name;
    for (auto nested : getOperation().getOps<ModuleOp>())
      if (auto name =
              nested->getAttrOfType<FlatSymbolRefAttr>(kernelModuleAttr))
        by_name[name.getValue()] = nested;
    for (plan::KernelOp kernel : kernels) {
      ModuleOp nested = by_name.lookup(kernel.getSymName());
      if (!nested || !nested->hasAttr(scratchBytesAttr))
        return kernel.emitOpError(
            "expected a lowered module of the kernel, but got "
            "none; run the whole code generation pipeline");
      modules.push_back(nested);
    }
    for (auto nested : getOperation().getOps<ModuleOp>())
      if (nested->hasAttr(sharedModuleAttr))
        modules.push_back(nested);
    return success();
  }

  void annotate(MutableArrayRef<plan::KernelOp> kernels,
                MutableArrayRef<ModuleOp> modules, const FlatImage &image,
                const CpuTarget &target) {
    OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
    if (!kernels.empty())
      builder.setInsertionPoint(kernels.front());
    for (auto code :
         llvm::make_early_inc_range(getOperation().getOps<plan::CodeOp>()))
      if (code.getSymName() == "cpu")
        code.erase();
    auto type = RankedTensorType::get({int64_t(image.bytes.size())},
                                      builder.getI8Type());
    auto bytes = DenseElementsAttr::getFromRawBuffer(
        type, ArrayRef<char>(reinterpret_cast<const char *>(image.bytes.data()),
                             image.bytes.size()));
    SmallVector<StringRef> features(target.features.begin(),
                                    target.features.end());
    for (ModuleOp nested : modules)
      if (auto needed = nested->getAttrOfType<ArrayAttr>(neededFeaturesAttr))
        for (StringRef feature : needed.getAsValueRange<StringAttr>())
          if (!llvm::is_contained(features, feature))
            features.push_back(feature);
    plan::CodeOp::create(builder, getOperation().getLoc(), "cpu",
                         "cpu:" + target.name, target.triple,
                         builder.getStrArrayAttr(features),
                         cast<ElementsAttr>(bytes));
    for (auto [kernel, nested, offset] :
         llvm::zip_first(kernels, modules, image.entry_offsets)) {
      kernel.setEntryOffset(int64_t(offset));
      kernel.setScratchBytes(
          nested->getAttrOfType<IntegerAttr>(scratchBytesAttr).getInt());
      kernel.setAbiVersion(TRAINC_KERNEL_ABI_VERSION);
    }
    for (ModuleOp nested : modules)
      nested->erase();
  }

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect>();
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
  }
};

} // namespace
} // namespace trainc::codegen
