//===- VerifyPrecision.cpp - what holds after the precision stage ---------===//

#include "compiler/precision/Passes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace trainc::precision {

#define GEN_PASS_DEF_VERIFYPRECISIONPASS
#include "compiler/precision/Passes.h.inc"

namespace {

/// Integers and the float types that every back end computes in.
bool isAllowed(Type type) {
  Type element = getElementTypeOrSelf(type);
  return !isa<FloatType>(element) || element.isF32() || element.isF64();
}

LogicalResult verifyType(Operation *op, Type type) {
  if (isAllowed(type))
    return success();
  return op->emitOpError()
         << "expected f32 or f64 with compute = \"float32\", but got " << type;
}

struct VerifyPrecisionPass
    : impl::VerifyPrecisionPassBase<VerifyPrecisionPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto compute = module->getAttrOfType<StringAttr>("train.compute");
    if (compute && compute != "float32") {
      module.emitError()
          << "expected compute = \"float32\" in [precision], but "
             "got "
          << compute << "; this version computes in float32 only";
      return signalPassFailure();
    }
    WalkResult walk = module.walk([](Operation *op) {
      SmallVector<Type> types(op->getResultTypes());
      if (auto parameter = dyn_cast<train::ParameterOp>(op))
        types.push_back(parameter.getType());
      if (auto state = dyn_cast<train::StateOp>(op))
        types.push_back(state.getType());
      for (Region &region : op->getRegions())
        if (!region.empty())
          llvm::append_range(types, region.front().getArgumentTypes());
      for (Type type : types)
        if (failed(verifyType(op, type)))
          return WalkResult::interrupt();
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
} // namespace trainc::precision
