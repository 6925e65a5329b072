//===- VerifyCodegenContract.cpp - what holds after code generation -------===//
//
// Every kernel has code, entry and ABI version: the stage's column of the
// design.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/Passes.h"

#include "dialects/plan/Plan.h"
#include "runtime/abi/KernelAbi.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_VERIFYCODEGENCONTRACT
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

struct VerifyCodegenContract
    : impl::VerifyCodegenContractBase<VerifyCodegenContract> {
  void runOnOperation() override {
    plan::CodeOp code;
    for (auto op : getOperation().getOps<plan::CodeOp>())
      if (op.getSymName() == "cpu")
        code = op;
    if (!code) {
      getOperation().emitError("expected plan.code @cpu after code generation, "
                               "but there is none");
      return signalPassFailure();
    }
    int64_t size_bytes = code.getImage().getNumElements();
    for (auto kernel : getOperation().getOps<plan::KernelOp>())
      if (failed(check(kernel, size_bytes)))
        return signalPassFailure();
  }

  LogicalResult check(plan::KernelOp kernel, int64_t size_bytes) {
    if (!kernel.getWorkgroups() || !kernel.getScratchBytes() ||
        !kernel.getEntryOffset() || !kernel.getAbiVersion())
      return kernel.emitOpError(
          "expected workgroups, scratch_bytes, entry_offset and "
          "abi_version after code generation");
    if (*kernel.getAbiVersion() != TRAINC_KERNEL_ABI_VERSION)
      return kernel.emitOpError("expected ABI version ")
             << TRAINC_KERNEL_ABI_VERSION << ", but got "
             << *kernel.getAbiVersion();
    if (int64_t(*kernel.getEntryOffset()) >= size_bytes)
      return kernel.emitOpError("expected an entry inside the code's ")
             << size_bytes << " bytes, but got " << *kernel.getEntryOffset();
    return success();
  }
};

} // namespace
} // namespace trainc::codegen
