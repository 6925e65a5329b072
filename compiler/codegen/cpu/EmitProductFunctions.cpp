//===- EmitProductFunctions.cpp - definitions of shared functions ---------===//
//
// Decides that every function that some kernel calls is compiled once: each in
// a module of its own beside the kernels' modules.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/CpuTarget.h"
#include "compiler/codegen/cpu/GemmEmitter.h"
#include "compiler/codegen/cpu/Passes.h"

#include <map>

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_EMITPRODUCTFUNCTIONS
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

struct EmitProductFunctions
    : impl::EmitProductFunctionsBase<EmitProductFunctions> {
  using EmitProductFunctionsBase::EmitProductFunctionsBase;

  void runOnOperation() override {
    llvm::Expected<CpuTarget> target = CpuTarget::get(cpu);
    if (!target) {
      getOperation().emitError(llvm::toString(target.takeError()));
      return signalPassFailure();
    }
    // By name: the image does not depend on which kernel comes first.
    std::map<std::string, DictionaryAttr> functions;
    for (auto kernel : getOperation().getOps<ModuleOp>())
      for (auto function : kernel.getOps<func::FuncOp>())
        if (auto what =
                function->getAttrOfType<DictionaryAttr>(productFunctionAttr);
            what && function.isDeclaration())
          functions.emplace(function.getSymName().str(), what);
    for (auto &[name, what] : functions)
      emit(name, ProductFunction::fromAttribute(what), target->vectorUnit());
  }

  void emit(const std::string &name, const ProductFunction &function,
            const VectorUnit &unit) {
    Location loc = getOperation().getLoc();
    ImplicitLocOpBuilder builder(loc, getOperation().getBodyRegion());
    builder.setInsertionPointToEnd(getOperation().getBody());
    auto module = ModuleOp::create(builder, name + ".code");
    module->setAttr(sharedModuleAttr, builder.getUnitAttr());
    if (function.inPairs() && function.kind == ProductFunction::MultiplyRows)
      module->setAttr(neededFeaturesAttr,
                      builder.getStrArrayAttr(featuresOf(function.pairs)));
    builder.setInsertionPointToEnd(module.getBody());
    auto definition = func::FuncOp::create(builder, name, function.getType());
    for (auto [i, type] : llvm::enumerate(function.getType().getInputs()))
      if (isa<MemRefType>(type))
        definition.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                              builder.getUnitAttr());
    builder.setInsertionPointToEnd(definition.addEntryBlock());
    auto body = function.kind == ProductFunction::PackColumns ? emitPackColumns
                : function.inTiles() ? emitMultiplyTiles
                                     : emitMultiplyRows;
    body(builder, function, unit.lanes(function.element),
         definition.getArguments());
    func::ReturnOp::create(builder);
  }
};

} // namespace
} // namespace trainc::codegen
