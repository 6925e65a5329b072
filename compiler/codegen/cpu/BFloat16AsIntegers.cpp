//===- BFloat16AsIntegers.cpp - bfloat16 is 16 bits of memory -------------===//
//
// LLVM calls functions of its runtime library for bfloat16 in registers where
// the CPU has no instructions for it, even for a shuffle. Arithmetic is integer
// code already (ExpandMath), so what is left only moves bits: as integers. The
// instruction for pairs gets its own type back at the call.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_BFLOAT16ASINTEGERS
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

struct BFloat16AsIntegers : impl::BFloat16AsIntegersBase<BFloat16AsIntegers> {
  void runOnOperation() override {
    // Operands of intrinsics by their own type, before it is gone.
    SmallVector<std::pair<OpOperand *, Type>> kept;
    getOperation().walk([&](LLVM::CallIntrinsicOp call) {
      for (OpOperand &operand : call->getOpOperands())
        if (auto vector = dyn_cast<VectorType>(operand.get().getType());
            vector && vector.getElementType().isBF16())
          kept.push_back({&operand, vector});
    });

    Type word = IntegerType::get(&getContext(), 16);
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](BFloat16Type) { return word; });
    replacer.addReplacement([&](FloatAttr attr) -> std::optional<Attribute> {
      if (!attr.getType().isBF16())
        return std::nullopt;
      return IntegerAttr::get(word, attr.getValue().bitcastToAPInt());
    });
    replacer.addReplacement(
        [&](DenseElementsAttr attr) -> std::optional<Attribute> {
          if (!attr.getElementType().isBF16())
            return std::nullopt;
          return attr.bitcast(word);
        });
    replacer.recursivelyReplaceElementsIn(getOperation(), /*replaceAttrs=*/true,
                                          /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);

    for (auto [operand, type] : kept) {
      OpBuilder builder(operand->getOwner());
      operand->set(LLVM::BitcastOp::create(
          builder, operand->getOwner()->getLoc(), type, operand->get()));
    }
  }
};

} // namespace
} // namespace trainc::codegen
