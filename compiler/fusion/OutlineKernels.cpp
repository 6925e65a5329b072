//===- OutlineKernels.cpp - a kernel for every remaining nn operation -----===//

#include "compiler/fusion/Bounds.h"
#include "compiler/fusion/ColumnViews.h"
#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/KernelTable.h"
#include "compiler/fusion/Tiles.h"
#include "compiler/support/RowSlice.h"
#include "dialects/nn/Nn.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

bool isLaunched(Value value);

/// Whether nothing but `op` reads a variable's old value from there on.
bool isReadLast(Value value, Operation *op) {
  return value.getDefiningOp<train::ReadOp>() &&
         llvm::all_of(value.getUses(), [&](OpOperand &use) {
           Operation *user = use.getOwner();
           return user == op || (isa<plan::LaunchOp>(user) &&
                                 user->getBlock() == op->getBlock() &&
                                 user->isBeforeInBlock(op));
         });
}

/// The operand that is only there to be overwritten by `result`, if there is
/// one: what a launch made, or a variable that the result goes to.
std::optional<unsigned> overwrittenBy(nn::LowerableOpInterface op,
                                      unsigned result) {
  std::optional<unsigned> index = op.getOverwritten(result);
  if (!index)
    return std::nullopt;
  Value operand = op->getOperand(*index);
  if (llvm::count(op->getOperands(), operand) != 1)
    return std::nullopt;
  bool made = operand.hasOneUse() && isLaunched(operand);
  return made || isReadLast(operand, op) ? index : std::nullopt;
}

/// A kernel of one operation and its launch.
class Outliner {
public:
  Outliner(nn::LowerableOpInterface op, KernelTable &kernels)
      : op(op), kernels(kernels), builder(op) {}

  LogicalResult run() {
    // The operation is about to go: without its own stream it equals others.
    if (auto noise = dyn_cast<nn::NoiseStreamOpInterface>(op.getOperation())) {
      request.constant = noise.getNoiseStream();
      noise.setNoiseStream(0);
    }
    request.bound = takeBound(op.getOperation());
    for (unsigned result = 0; result < op->getNumResults(); ++result)
      if (std::optional<unsigned> operand = overwrittenBy(op, result))
        destinationOf[*operand] = result;
    FailureOr<plan::LaunchOp> launch = failure();
    if (findColumns())
      launch = tryLaunch();
    if (failed(launch) && columnsFit)
      return failure();
    if (failed(launch)) { // The lowering would copy the columns.
      parts.assign(op->getNumOperands(), std::nullopt);
      join.reset();
      launch = tryLaunch();
    }
    if (failed(launch))
      return failure();
    unsigned made = 0;
    for (unsigned result = 0; result < op->getNumResults(); ++result)
      if (!isJoined(result))
        op->getResult(result).replaceAllUsesWith(launch->getResult(made++));
    if (join)
      replaceJoin(launch->getResult(made));
    op->erase();
    return success();
  }

private:
  bool isJoined(unsigned result) const {
    return join && llvm::is_contained(join->results, result);
  }

  /// Which operands and results are columns of larger tensors; false: none.
  bool findColumns() {
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      if (!destinationOf[i])
        parts[i] = findSplit(operand);
    join = findJoin(op);
    for (unsigned result = 0; join && result < op->getNumResults(); ++result)
      if (isJoined(result) && overwrittenBy(op, result))
        join.reset();
    return join || llvm::any_of(parts, [](auto &part) { return bool(part); });
  }

  FailureOr<plan::LaunchOp> tryLaunch() {
    request = {op->getName().stripDialect().str(),
               op->getName().getStringRef().str(),
               op.flops(),
               op.bytes(),
               {},
               {},
               {},
               request.constant,
               request.bound,
               {}};
    request.key.add(op.getOperation());
    collectInputs();
    collectDestinations();
    columnsFit = true;
    auto launch =
        kernels.launch(builder, op.getLoc(), request,
                       [&](OpBuilder &b, ValueRange inputs, ValueRange outs) {
                         return buildBody(b, inputs, outs);
                       });
    if (failed(launch))
      for (Value destination : request.destinations)
        if (destination.use_empty())
          destination.getDefiningOp()->erase();
    return launch;
  }

  /// Operands that are columns of one tensor share one input.
  void collectInputs() {
    inputOf.assign(op->getNumOperands(), 0);
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      if (destinationOf[i])
        continue;
      if (!parts[i]) {
        inputOf[i] = request.inputs.size();
        request.inputs.push_back(operand);
        continue;
      }
      unsigned other = 0;
      while (other < i &&
             !(parts[other] && parts[other]->whole == parts[i]->whole))
        ++other;
      inputOf[i] = other < i ? inputOf[other] : request.inputs.size();
      if (other == i)
        request.inputs.push_back(parts[i]->whole);
      request.key.add(i);
      request.key.add(inputOf[i]);
      request.key.add(parts[i]->number);
    }
  }

  void addDestination(RankedTensorType type) {
    request.updates.push_back(false);
    request.destinations.push_back(tensor::EmptyOp::create(
        builder, op.getLoc(), type.getShape(), type.getElementType()));
  }

  void collectDestinations() {
    for (auto [result, type] : llvm::enumerate(op->getResultTypes())) {
      if (isJoined(result))
        continue;
      if (std::optional<unsigned> overwritten = overwrittenBy(op, result)) {
        request.updates.push_back(true);
        request.destinations.push_back(op->getOperand(*overwritten));
      } else {
        addDestination(cast<RankedTensorType>(type));
      }
    }
    if (!join)
      return;
    addDestination(join->concat.getType());
    for (unsigned result : join->results)
      request.key.add(result);
  }

  FailureOr<SmallVector<Value>> buildBody(OpBuilder &b, ValueRange inputs,
                                          ValueRange outs) {
    Location loc = op.getLoc();
    SmallVector<Value> views, destinations, operands;
    Value whole = join ? inParts(b, loc, outs.back(), join->parts[0]) : Value();
    unsigned next = 0;
    for (unsigned result = 0; result < op->getNumResults(); ++result) {
      if (!isJoined(result)) {
        destinations.push_back(outs[next++]);
        continue;
      }
      auto number = llvm::find(join->results, result) - join->results.begin();
      views.push_back(columnsOf(b, loc, whole, join->parts[number]));
      destinations.push_back(views.back());
    }
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      if (destinationOf[i]) {
        operands.push_back(destinations[*destinationOf[i]]);
        continue;
      }
      Value input = inputs[inputOf[i]];
      if (parts[i]) {
        input = columnsOf(b, loc, inParts(b, loc, input, *parts[i]), *parts[i]);
        views.push_back(input);
      }
      operands.push_back(input);
    }
    // Behind the operands: the launch's constant.
    llvm::append_range(operands, inputs.drop_front(request.inputs.size()));
    FailureOr<SmallVector<Value>> made = op.lower(b, operands, destinations);
    if (failed(made))
      return failure();
    columnsFit = llvm::all_of(views, isTouchedByTiles);
    if (!columnsFit)
      return failure();
    SmallVector<Value> results;
    for (auto [result, value] : llvm::enumerate(*made))
      if (!isJoined(result))
        results.push_back(value);
    if (join) {
      for (auto [result, part] : llvm::zip(join->results, join->parts))
        whole = withColumns(b, loc, whole, (*made)[result], part);
      results.push_back(
          reshape(b, loc, whole, join->concat.getType().getShape()));
    }
    return results;
  }

  /// Everything between the operation and the concat goes.
  void replaceJoin(Value whole) {
    SmallVector<Value> dead(join->concat.getParts());
    join->concat.getResult().replaceAllUsesWith(whole);
    join->concat.erase();
    for (Value value : dead)
      while (value.use_empty() && value.getDefiningOp() != op) {
        Operation *view = value.getDefiningOp();
        value = view->getOperand(0);
        view->erase();
      }
  }

  nn::LowerableOpInterface op;
  KernelTable &kernels;
  OpBuilder builder;
  KernelRequest request;
  /// Per operand: the result that overwrites it, its columns, its input.
  SmallVector<std::optional<unsigned>> destinationOf =
      SmallVector<std::optional<unsigned>>(op->getNumOperands());
  SmallVector<std::optional<ColumnPart>> parts =
      SmallVector<std::optional<ColumnPart>>(op->getNumOperands());
  SmallVector<unsigned> inputOf;
  std::optional<ColumnJoin> join;
  bool columnsFit = false; ///< the lowering touches them by tiles
};

/// Whether `value` or what it is a view of is made by a launch.
bool isLaunched(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<plan::LaunchOp, plan::JoinOp, nn::SplitOp>(op))
      return true;
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
             tensor::ExtractSliceOp>(op))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

/// `op` as a view, or null where it needs a kernel.
Value asView(Operation *op) {
  OpBuilder builder(op);
  if (auto view = dyn_cast<nn::ReshapeOp>(op))
    return reshape(builder, view.getLoc(), view.getInput(),
                   view.getType().getShape());
  auto box = dyn_cast<nn::SliceOp>(op);
  if (!box || !isLaunched(box.getInput()))
    return {};
  auto rows = cast<tensor::ExtractSliceOp>(
      slice(builder, box.getLoc(), box.getInput(),
            getAsIndexOpFoldResult(op->getContext(), box.getOffsets()),
            getAsIndexOpFoldResult(op->getContext(), box.getType().getShape()))
          .getDefiningOp());
  if (rowSliceOffsetBytes(rows))
    return rows;
  rows->erase();
  return {};
}

struct OutlineKernelsPass : impl::OutlineKernelsPassBase<OutlineKernelsPass> {
  void runOnOperation() override {
    KernelTable kernels(getOperation());
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      if (failed(outlineAll(program, kernels)))
        return signalPassFailure();
  }

  LogicalResult outlineAll(plan::ProgramOp program, KernelTable &kernels) {
    // Splits last: what reads their parts may do without.
    SmallVector<nn::SplitOp> splits;
    // A join takes operations out that come later: their places are found anew.
    Block &block = program.getBody().front();
    for (Operation *op = &block.front(), *next = nullptr; op; op = next) {
      auto lowerable = dyn_cast<nn::LowerableOpInterface>(op);
      if (auto split = dyn_cast<nn::SplitOp>(op)) {
        splits.push_back(split);
      } else if (Value view = asView(op)) {
        next = op->getNextNode();
        op->getResult(0).replaceAllUsesWith(view);
        op->erase();
        continue;
      } else if (lowerable) {
        // The launch stands where the operation did.
        Operation *before = op->getPrevNode();
        if (failed(Outliner(lowerable, kernels).run()))
          return failure();
        next = before ? before->getNextNode() : &block.front();
        continue;
      } else if (isa<nn::NNDialect>(op->getDialect())) {
        return op->emitError() << "expected an operation with a lowering, but "
                                  "got '"
                               << op->getName() << "', which has none";
      }
      next = op->getNextNode();
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op) &&
          op.use_empty())
        op.erase();
    for (nn::SplitOp split : splits)
      if (split->use_empty())
        split.erase();
      else if (failed(Outliner(cast<nn::LowerableOpInterface>(*split), kernels)
                          .run()))
        return failure();
    // All launches have theirs.
    for (auto bounds :
         llvm::make_early_inc_range(program.getOps<plan::BoundsOp>()))
      bounds.erase();
    return success();
  }
};

} // namespace
} // namespace trainc::fusion
