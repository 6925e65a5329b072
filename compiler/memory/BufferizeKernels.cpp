//===- BufferizeKernels.cpp - kernels from tensors to memrefs -------------===//
//
// Decides how a kernel's arguments meet upstream's one-shot bufferization:
// inputs are read-only tensors of a memref, destinations writable ones that the
// result is materialised in. The analysis then proves every update in place.
//
//===----------------------------------------------------------------------===//

#include "compiler/memory/Memory.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace trainc::memory {

#define GEN_PASS_DEF_BUFFERIZEKERNELS
#include "compiler/memory/Passes.h.inc"

namespace {

/// Replaces tensor arguments by memrefs, and the returned tensors by writes.
void convertSignature(plan::KernelOp kernel) {
  Block &block = kernel.getBody().front();
  auto result = cast<plan::ReturnOp>(block.getTerminator());
  OpBuilder builder = OpBuilder::atBlockBegin(&block);
  for (BlockArgument argument : block.getArguments()) {
    auto tensor = dyn_cast<RankedTensorType>(argument.getType());
    if (!tensor)
      continue;
    bool writable = argument.getArgNumber() >= kernel.getNumInputs();
    argument.setType(
        MemRefType::get(tensor.getShape(), tensor.getElementType()));
    auto contents = bufferization::ToTensorOp::create(
        builder, argument.getLoc(), tensor, argument, /*restrict=*/true,
        writable);
    argument.replaceAllUsesExcept(contents.getResult(), contents);
  }
  builder.setInsertionPoint(result);
  for (auto [value, destination] :
       llvm::zip(result.getValues(),
                 block.getArguments().drop_front(kernel.getNumInputs())))
    bufferization::MaterializeInDestinationOp::create(
        builder, result.getLoc(), TypeRange(), value, destination,
        /*restrict=*/true, /*writable=*/true);
  result.getValuesMutable().clear();
}

/// Collects what must go when the alloc that `buffer` views goes. False when
/// anything reads it or may.
bool onlyWritten(Value buffer, SmallVectorImpl<Operation *> &users) {
  for (Operation *user : buffer.getUsers()) {
    if (auto view = dyn_cast<ViewLikeOpInterface>(user)) {
      users.push_back(user);
      if (!onlyWritten(view->getResult(0), users))
        return false;
      continue;
    }
    auto effects = dyn_cast<MemoryEffectOpInterface>(user);
    if (!effects || !user->use_empty())
      return false;
    SmallVector<MemoryEffects::EffectInstance> instances;
    effects.getEffects(instances);
    for (MemoryEffects::EffectInstance &effect : instances) {
      bool writesBuffer = isa<MemoryEffects::Write>(effect.getEffect()) &&
                          effect.getValue() == buffer;
      bool readsOther = isa<MemoryEffects::Read>(effect.getEffect()) &&
                        effect.getValue() && effect.getValue() != buffer;
      if (!writesBuffer && !readsOther)
        return false;
    }
    users.push_back(user);
  }
  return true;
}

void removeDeadAllocs(plan::KernelOp kernel) {
  SmallVector<memref::AllocOp> allocs;
  kernel.walk([&](memref::AllocOp alloc) { allocs.push_back(alloc); });
  for (memref::AllocOp alloc : allocs) {
    SmallVector<Operation *> users;
    if (!onlyWritten(alloc.getResult(), users))
      continue;
    // A view is listed before its users, and one operation may be listed once
    // per operand.
    llvm::SmallPtrSet<Operation *, 8> erased;
    for (Operation *user : llvm::reverse(users))
      if (erased.insert(user).second)
        user->erase();
    alloc.erase();
  }
}

/// A kernel calls nothing: copies become loops that codegen vectorises.
void expandCopies(plan::KernelOp kernel) {
  SmallVector<memref::CopyOp> copies;
  kernel.walk([&](memref::CopyOp copy) { copies.push_back(copy); });
  for (memref::CopyOp copy : copies) {
    OpBuilder builder(copy);
    if (copy.getSource() != copy.getTarget())
      linalg::makeMemRefCopyOp(builder, copy.getLoc(), copy.getSource(),
                               copy.getTarget());
    copy.erase();
  }
}

/// Moves what only the workgroups use into their loop, so that nothing beside
/// it reads memory. Inputs hold the same values throughout a kernel.
void sinkIntoWorkgroups(plan::KernelOp kernel) {
  Block &block = kernel.getBody().front();
  auto loops = block.getOps<scf::ForallOp>();
  if (!llvm::hasSingleElement(loops))
    return;
  scf::ForallOp loop = *loops.begin();
  auto readsInput = [&](Operation &op) {
    auto load = dyn_cast<memref::LoadOp>(op);
    auto argument =
        load ? dyn_cast<BlockArgument>(load.getMemRef()) : BlockArgument();
    return argument && argument.getOwner() == &block &&
           argument.getArgNumber() < kernel.getNumInputs();
  };
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (&op == loop.getOperation() || op.hasTrait<OpTrait::IsTerminator>() ||
        op.hasTrait<OpTrait::ConstantLike>() ||
        !(readsInput(op) || isMemoryEffectFree(&op)))
      continue;
    // Uses as bounds of the loop itself are not inside it.
    if (!op.use_empty() && llvm::all_of(op.getUsers(), [&](Operation *user) {
          return loop->isProperAncestor(user);
        }))
      op.moveBefore(loop.getBody(), loop.getBody()->begin());
  }
}

struct BufferizeKernels : impl::BufferizeKernelsBase<BufferizeKernels> {
  void runOnOperation() override {
    plan::KernelOp kernel = getOperation();
    if (llvm::none_of(kernel.getBody().front().getArgumentTypes(),
                      llvm::IsaPred<TensorType>))
      return;
    convertSignature(kernel);

    IRRewriter rewriter(kernel);
    bufferization::OneShotBufferizationOptions options;
    options.bufferAlignment = 64;
    bufferization::BufferizationState state;
    if (failed(bufferization::eliminateEmptyTensors(rewriter, kernel)) ||
        failed(bufferization::runOneShotBufferize(kernel, options, state))) {
      kernel.emitError()
          << "expected a kernel body that can be updated in place, but "
             "bufferization of @"
          << kernel.getSymName() << " failed; this is an error of trainc";
      return signalPassFailure();
    }

    // Folds self-copies and casts between the views of one buffer.
    OpPassManager cleanup(plan::KernelOp::getOperationName());
    cleanup.addPass(createCanonicalizerPass());
    cleanup.addPass(createCSEPass());
    if (failed(runPipeline(cleanup, kernel)))
      return signalPassFailure();
    removeDeadAllocs(kernel);
    expandCopies(kernel);
    sinkIntoWorkgroups(kernel);
  }
};

} // namespace
} // namespace trainc::memory
