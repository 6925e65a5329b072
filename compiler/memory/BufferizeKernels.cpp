//===- BufferizeKernels.cpp - kernels from tensors to memrefs -------------===//
//
// Decides how a kernel's arguments meet upstream's one-shot bufferization:
// inputs are read-only tensors of a memref, destinations writable ones that the
// result is materialised in. The analysis then proves every update in place. A
// destination that is made of disjoint slices is as many destinations: the
// analysis sees one tensor where they are taken from one.
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
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace trainc::memory {

#define GEN_PASS_DEF_BUFFERIZEKERNELS
#include "compiler/memory/Passes.h.inc"

namespace {

bool isReshape(Operation *op) {
  return isa_and_present<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

/// A destination of which each slice is taken, computed and inserted again.
struct SlicedDestination {
  SmallVector<Operation *> reshapes; ///< from the argument to what is sliced
  SmallVector<std::pair<tensor::ExtractSliceOp, tensor::InsertSliceOp>> slices;

  /// For the argument and what is returned for it.
  static std::optional<SlicedDestination> find(BlockArgument argument,
                                               Value result) {
    SlicedDestination found;
    while (isReshape(result.getDefiningOp()) && result.hasOneUse())
      result = result.getDefiningOp()->getOperand(0);
    Value whole = result;
    while (auto insert = whole.getDefiningOp<tensor::InsertSliceOp>()) {
      if (!insert->hasOneUse())
        return std::nullopt;
      found.slices.push_back({nullptr, insert});
      whole = insert.getDest();
    }
    Value start = argument;
    while (start != whole && start.hasOneUse() &&
           isReshape(*start.user_begin())) {
      found.reshapes.push_back(*start.user_begin());
      start = found.reshapes.back()->getResult(0);
    }
    if (start != whole || found.slices.empty())
      return std::nullopt;
    for (Operation *user : whole.getUsers()) {
      auto extract = dyn_cast<tensor::ExtractSliceOp>(user);
      if (extract && !found.match(extract))
        return std::nullopt;
      if (!extract && user != found.slices.back().second)
        return std::nullopt;
    }
    return found.isDisjoint() ? std::optional(found) : std::nullopt;
  }

  /// Each slice becomes a view of `buffer` that is a destination of its own.
  /// Nothing uses `result` any more.
  void convert(OpBuilder &begin, OpBuilder &end, Value buffer, Value result) {
    while (isReshape(result.getDefiningOp())) {
      Operation *op = result.getDefiningOp();
      result = op->getOperand(0);
      op->erase();
    }
    Location loc = buffer.getLoc();
    for (Operation *op : reshapes)
      if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
        buffer = memref::CollapseShapeOp::create(
            begin, loc, buffer, collapse.getReassociationIndices());
      } else {
        auto expand = cast<tensor::ExpandShapeOp>(op);
        buffer = memref::ExpandShapeOp::create(
            begin, loc, expand.getResultType().getShape(), buffer,
            expand.getReassociationIndices());
      }
    for (auto [extract, insert] : slices) {
      auto type =
          cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
              extract.getResultType().getShape(),
              cast<MemRefType>(buffer.getType()), extract.getMixedOffsets(),
              extract.getMixedSizes(), extract.getMixedStrides()));
      Value view = memref::SubViewOp::create(
          begin, loc, type, buffer, extract.getMixedOffsets(),
          extract.getMixedSizes(), extract.getMixedStrides());
      auto contents = bufferization::ToTensorOp::create(
          begin, loc, extract.getResultType(), view, /*restrict=*/true,
          /*writable=*/true);
      extract.replaceAllUsesWith(contents.getResult());
      bufferization::MaterializeInDestinationOp::create(
          end, loc, TypeRange(), insert.getSource(), view, /*restrict=*/true,
          /*writable=*/true);
    }
    for (auto [extract, insert] : slices) { // outermost insertion first
      insert.erase();
      extract.erase();
    }
    for (Operation *op : llvm::reverse(reshapes))
      op->erase();
  }

private:
  static bool isSame(tensor::ExtractSliceOp extract,
                     tensor::InsertSliceOp insert) {
    return extract.getStaticOffsets() == insert.getStaticOffsets() &&
           extract.getStaticSizes() == insert.getStaticSizes() &&
           extract.getStaticStrides() == insert.getStaticStrides() &&
           extract.getResultType() == insert.getSourceType() &&
           extract.getResultType().hasStaticShape() &&
           !ShapedType::isDynamicShape(insert.getStaticOffsets()) &&
           isMadeIn(insert.getSource(), extract);
  }

  /// Whether `value` overwrites `start`, by destination. Another slice's value
  /// might be gone when it is written here.
  static bool isMadeIn(Value value, Value start) {
    while (value != start) {
      auto result = dyn_cast<OpResult>(value);
      if (!result)
        return false;
      Operation *op = result.getOwner();
      if (auto loop = dyn_cast<scf::ForallOp>(op))
        value = loop.getTiedOpOperand(result)->get();
      else if (auto styled = dyn_cast<DestinationStyleOpInterface>(op))
        value = styled.getTiedOpOperand(result)->get();
      else
        return false;
    }
    return true;
  }

  bool match(tensor::ExtractSliceOp extract) {
    for (auto &[other, insert] : slices)
      if (!other && isSame(extract, insert)) {
        other = extract;
        return true;
      }
    return false;
  }

  /// Whether every insertion has its slice, and no two of them overlap.
  bool isDisjoint() {
    for (auto [i, slice] : llvm::enumerate(slices)) {
      if (!slice.first)
        return false;
      for (auto &other : ArrayRef(slices).drop_front(i + 1))
        if (!areApart(slice.second, other.second))
          return false;
    }
    return true;
  }

  static bool areApart(tensor::InsertSliceOp a, tensor::InsertSliceOp b) {
    for (auto [p, m, s, q, n, t] : llvm::zip(
             a.getStaticOffsets(), a.getStaticSizes(), a.getStaticStrides(),
             b.getStaticOffsets(), b.getStaticSizes(), b.getStaticStrides()))
      if (s == 1 && t == 1 && (p + m <= q || q + n <= p))
        return true;
    return false;
  }
};

/// Replaces tensor arguments by memrefs, and the returned tensors by writes.
void convertSignature(plan::KernelOp kernel) {
  Block &block = kernel.getBody().front();
  auto result = cast<plan::ReturnOp>(block.getTerminator());
  OpBuilder builder = OpBuilder::atBlockBegin(&block), end(result);
  DenseMap<BlockArgument, SlicedDestination> sliced;
  auto destinations = block.getArguments().slice(kernel.getNumInputs(),
                                                 result.getValues().size());
  for (auto [value, destination] : llvm::zip(result.getValues(), destinations))
    if (auto found = SlicedDestination::find(destination, value))
      sliced.try_emplace(destination, *found);

  for (BlockArgument argument : block.getArguments()) {
    auto tensor = dyn_cast<RankedTensorType>(argument.getType());
    if (!tensor)
      continue;
    bool writable = argument.getArgNumber() >= kernel.getNumInputs();
    argument.setType(
        MemRefType::get(tensor.getShape(), tensor.getElementType()));
    if (sliced.contains(argument))
      continue;
    auto contents = bufferization::ToTensorOp::create(
        builder, argument.getLoc(), tensor, argument, /*restrict=*/true,
        writable);
    argument.replaceAllUsesExcept(contents.getResult(), contents);
  }
  SmallVector<Value> returned(result.getValues());
  result.getValuesMutable().clear();
  for (auto [value, destination] : llvm::zip(returned, destinations)) {
    auto found = sliced.find(destination);
    if (found != sliced.end())
      found->second.convert(builder, end, destination, value);
    else
      bufferization::MaterializeInDestinationOp::create(
          end, result.getLoc(), TypeRange(), value, destination,
          /*restrict=*/true, /*writable=*/true);
  }
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
