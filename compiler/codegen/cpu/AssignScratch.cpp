//===- AssignScratch.cpp - temporaries of a kernel to scratch -------------===//
//
// Decides where a kernel's temporaries live: each at its own 64-byte aligned
// range of the worker's scratch, in the order of appearance. Each becomes a
// parameter of the function, so that LLVM knows that no two of them overlap.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/Passes.h"

#include "mlir/Dialect/Affine/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "runtime/abi/KernelAbi.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_ASSIGNSCRATCH
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

/// Size in bytes with every dynamic extent at its constant upper bound.
FailureOr<int64_t> getCapacityBytes(Operation *alloc, MemRefType type) {
  if (!type.getLayout().isIdentity())
    return alloc->emitOpError(
               "expected a temporary with identity layout, but got ")
           << type;
  int64_t elements = 1;
  unsigned next = 0;
  for (int64_t extent : type.getShape()) {
    if (ShapedType::isDynamic(extent)) {
      FailureOr<int64_t> bound = ValueBoundsConstraintSet::computeConstantBound(
          presburger::BoundType::UB, alloc->getOperand(next++), nullptr,
          /*closedUB=*/true);
      if (failed(bound))
        return alloc->emitOpError(
                   "expected a temporary whose extents have constant "
                   "upper bounds, but extent ")
               << next - 1
               << " is unbounded; take its size from affine.min with a "
                  "constant";
      extent = *bound;
    }
    elements *= std::max<int64_t>(extent, 0);
  }
  return elements * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

struct AssignScratch : impl::AssignScratchBase<AssignScratch> {
  void runOnOperation() override {
    if (!getOperation()->hasAttr(kernelModuleAttr))
      return;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration() && failed(assign(function)))
        return signalPassFailure();
  }

  LogicalResult assign(func::FuncOp function) {
    SmallVector<Operation *> allocs, deallocs;
    function.walk([&](Operation *op) {
      if (isa<memref::AllocOp, memref::AllocaOp>(op))
        allocs.push_back(op);
      else if (isa<memref::DeallocOp>(op))
        deallocs.push_back(op);
    });
    for (Operation *op : deallocs)
      op->erase();

    SmallVector<int64_t> offsets, argument_bytes;
    for (Type type : function.getArgumentTypes())
      if (auto buffer = dyn_cast<MemRefType>(type))
        argument_bytes.push_back(sizeBytes(buffer));
    int64_t end = 0;
    for (Operation *op : allocs) {
      auto type = cast<MemRefType>(op->getResult(0).getType());
      FailureOr<int64_t> bytes = getCapacityBytes(op, type);
      if (failed(bytes))
        return failure();
      replace(function, argument_bytes.size(), op, type, *bytes);
      offsets.push_back(end);
      argument_bytes.push_back(*bytes);
      end += llvm::alignTo(*bytes, TRAINC_BUFFER_ALIGNMENT);
    }
    OpBuilder builder(&getContext());
    getOperation()->setAttr(argumentBytesAttr,
                            builder.getDenseI64ArrayAttr(argument_bytes));
    getOperation()->setAttr(scratchOffsetsAttr,
                            builder.getDenseI64ArrayAttr(offsets));
    getOperation()->setAttr(scratchBytesAttr, builder.getI64IntegerAttr(end));
    return success();
  }

  /// Replaces a temporary by a new parameter at `position`.
  void replace(func::FuncOp function, unsigned position, Operation *op,
               MemRefType type, int64_t bytes) {
    OpBuilder builder(op);
    bool dynamic = !type.hasStaticShape();
    auto argument_type =
        dynamic ? MemRefType::get({bytes}, builder.getI8Type()) : type;
    (void)function.insertArgument(position, argument_type, {}, op->getLoc());
    Value value = function.getArgument(position);
    if (dynamic) {
      Value zero = arith::ConstantIndexOp::create(builder, op->getLoc(), 0);
      value = memref::ViewOp::create(builder, op->getLoc(), type, value, zero,
                                     op->getOperands());
    }
    op->getResult(0).replaceAllUsesWith(value);
    op->erase();
  }

  void getDependentDialects(DialectRegistry &registry) const override {
    AssignScratchBase::getDependentDialects(registry);
    affine::registerValueBoundsOpInterfaceExternalModels(registry);
    arith::registerValueBoundsOpInterfaceExternalModels(registry);
    memref::registerValueBoundsOpInterfaceExternalModels(registry);
    scf::registerValueBoundsOpInterfaceExternalModels(registry);
  }
};

} // namespace
} // namespace trainc::codegen
