//===- AttachKernelEntry.cpp - the function that the runtime calls --------===//
//
// Decides how a kernel's body gets its pointers: the entry loads them from the
// arguments of runtime/abi/KernelAbi.h and calls the body, whose parameters
// carry noalias, alignment and size, which attributes on loaded pointers could
// not say.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/Passes.h"
#include "compiler/codegen/cpu/ProductFunction.h"

#include "dialects/plan/Plan.h"
#include "mlir/IR/Builders.h"
#include "runtime/abi/KernelAbi.h"
#include <cstddef>

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_ATTACHKERNELENTRY
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

struct AttachKernelEntry : impl::AttachKernelEntryBase<AttachKernelEntry> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    // Shared functions are found in the image, but by nobody outside it.
    bool shared = module->hasAttr(sharedModuleAttr);
    SmallVector<LLVM::LLVMFuncOp> bodies;
    for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
      if (!shared && !function.isExternal()) {
        bodies.push_back(function);
        continue;
      }
      function.setVisibility_(LLVM::Visibility::Hidden);
      function.setDsoLocal(true);
      function.setNoUnwind(true);
    }
    auto kernel = module->getAttrOfType<FlatSymbolRefAttr>(kernelModuleAttr);
    auto bytes = module->getAttrOfType<DenseI64ArrayAttr>(argumentBytesAttr);
    auto offsets = module->getAttrOfType<DenseI64ArrayAttr>(scratchOffsetsAttr);
    if (!kernel || !bytes || !offsets)
      return;
    if (bodies.size() != 1) {
      module.emitError("expected one function in the module of kernel '")
          << kernel.getValue() << "', but got " << bodies.size();
      return signalPassFailure();
    }
    attachAttributes(bodies[0], bytes.asArrayRef());
    buildEntry(bodies[0], kernel.getValue(), bytes.size() - offsets.size(),
               offsets.asArrayRef());
  }

  void attachAttributes(LLVM::LLVMFuncOp body, ArrayRef<int64_t> bytes) {
    Builder builder(&getContext());
    auto set = [&](unsigned i, StringRef name, Attribute value) {
      body.setArgAttr(i, name, value);
    };
    for (auto [i, size] : llvm::enumerate(bytes)) {
      set(i, LLVM::LLVMDialect::getNoAliasAttrName(), builder.getUnitAttr());
      set(i, LLVM::LLVMDialect::getNoUndefAttrName(), builder.getUnitAttr());
      set(i, LLVM::LLVMDialect::getAlignAttrName(),
          builder.getI64IntegerAttr(TRAINC_BUFFER_ALIGNMENT));
      if (size > 0)
        set(i, LLVM::LLVMDialect::getDereferenceableAttrName(),
            builder.getI64IntegerAttr(size));
    }
    body.setLinkage(LLVM::Linkage::Internal);
    body.setDsoLocal(true);
    body.setNoInline(true);
    body.setNoUnwind(true);
  }

  void buildEntry(LLVM::LLVMFuncOp body, StringRef name, unsigned num_buffers,
                  ArrayRef<int64_t> offsets) {
    OpBuilder builder(body);
    Location loc = body.getLoc();
    MLIRContext *context = &getContext();
    auto pointer = LLVM::LLVMPointerType::get(context);
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                            {pointer, builder.getI32Type()});
    auto entry = LLVM::LLVMFuncOp::create(builder, loc, name, type);
    entry.setVisibility_(LLVM::Visibility::Hidden);
    entry.setDsoLocal(true);
    entry.setNoUnwind(true);
    Block *block = entry.addEntryBlock(builder);
    builder.setInsertionPointToEnd(block);
    // Pointer `bytes` behind another.
    auto at = [&](Value base, int64_t bytes) -> Value {
      if (bytes == 0)
        return base;
      return LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(),
                                 base, ArrayRef<LLVM::GEPArg>{int32_t(bytes)});
    };
    auto load = [&](Value base, int64_t bytes) -> Value {
      return LLVM::LoadOp::create(builder, loc, pointer, at(base, bytes));
    };
    Value arguments = block->getArgument(0);
    SmallVector<Value> operands;
    if (num_buffers > 0) {
      Value buffers = load(arguments, offsetof(TraincKernelArguments, buffers));
      for (unsigned i = 0; i < num_buffers; ++i)
        operands.push_back(load(buffers, int64_t(sizeof(void *)) * i));
    }
    if (!offsets.empty()) {
      Value scratch = load(arguments, offsetof(TraincKernelArguments, scratch));
      for (int64_t offset : offsets)
        operands.push_back(at(scratch, offset));
    }
    bool readsConstant = body.getNumArguments() > operands.size() + 1;
    if (readsConstant)
      operands.push_back(LLVM::LoadOp::create(
          builder, loc, builder.getI64Type(),
          at(arguments, offsetof(TraincKernelArguments, constant))));
    operands.push_back(LLVM::ZExtOp::create(builder, loc, builder.getI64Type(),
                                            block->getArgument(1)));
    LLVM::CallOp::create(builder, loc, body, operands);
    LLVM::ReturnOp::create(builder, loc, ValueRange());
  }
};

} // namespace
} // namespace trainc::codegen
