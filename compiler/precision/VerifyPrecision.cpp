//===- VerifyPrecision.cpp - what holds after the precision stage ---------===//

#include "compiler/precision/Interfaces.h"
#include "compiler/precision/Passes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace trainc::precision {

#define GEN_PASS_DEF_VERIFYPRECISIONPASS
#include "compiler/precision/Passes.h.inc"

namespace {

class Verifier {
public:
  explicit Verifier(StringRef compute) : compute(compute) {}

  LogicalResult verify(Operation *op) {
    auto rule = dyn_cast<PrecisionOpInterface>(op);
    bool free =
        isa<nn::CastOp, nn::ConstantOp, train::ReadOp, train::WriteOp>(op) ||
        op->hasTrait<nn::MovesElements>();
    for (OpOperand &operand : op->getOpOperands())
      if (failed(verify(
              op, operand.get().getType(),
              free || (rule && rule.takesNarrow(operand.getOperandNumber())))))
        return failure();
    for (OpResult result : op->getResults())
      if (failed(verify(
              op, result.getType(),
              free || (rule && rule.givesNarrow(result.getResultNumber())))))
        return failure();
    if (auto parameter = dyn_cast<train::ParameterOp>(op))
      return verify(op, parameter.getType(), false);
    if (auto state = dyn_cast<train::StateOp>(op))
      return verify(op, state.getType(), state.getRole() == train::Role::Copy);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Type type : block.getArgumentTypes())
          if (failed(verify(op, type, false)))
            return failure();
    return success();
  }

private:
  LogicalResult verify(Operation *op, Type type, bool mayBeNarrow) {
    Type element = getElementTypeOrSelf(type);
    if (!isa<FloatType>(element) || element.isF32() || element.isF64())
      return success();
    bool named = (element.isBF16() && compute == "bfloat16") ||
                 (element.isF16() && compute == "float16");
    if (named && mayBeNarrow)
      return success();
    return op->emitOpError()
           << "expected f32 or f64 " << (named ? "here " : "")
           << "with compute = \"" << compute << "\", but got " << type;
  }

  StringRef compute;
};

struct VerifyPrecisionPass
    : impl::VerifyPrecisionPassBase<VerifyPrecisionPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto compute = module->getAttrOfType<StringAttr>("train.compute");
    Verifier verifier(compute ? compute.getValue() : "float32");
    WalkResult walk = module.walk([&](Operation *op) {
      return failed(verifier.verify(op)) ? WalkResult::interrupt()
                                         : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
} // namespace trainc::precision
