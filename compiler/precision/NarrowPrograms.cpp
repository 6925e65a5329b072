//===- NarrowPrograms.cpp - 16-bit floats between kernels -----------------===//
//
// Decides where values are of 16 bits: as operands of operations that take
// them, and wherever a value lies in memory between two kernels. What is
// computed in one kernel stays f32: a value goes on unrounded to those that
// will be fused with what makes it, and rounded to all others, each of which
// widens it for itself. So every cast is part of a kernel that runs anyway.
// Parameters are f32; programs read copies of them in 16 bits.
//
//===----------------------------------------------------------------------===//

#include "compiler/precision/Interfaces.h"
#include "compiler/precision/Passes.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace trainc::precision {

#define GEN_PASS_DEF_NARROWPROGRAMSPASS
#include "compiler/precision/Passes.h.inc"

namespace {

using nn::ElementwiseOpInterface;
using nn::TiledOpInterface;

/// Copies of parameters, made when first asked for.
class Copies {
public:
  Copies(ModuleOp module, FloatType narrow)
      : module(module), symbols(module), narrow(narrow) {}

  /// The copy of the parameter that a read is of; null for other reads, and
  /// after an error.
  train::StateOp of(train::ReadOp read) {
    auto parameter = symbols.lookup<train::ParameterOp>(read.getSymbol());
    if (!parameter || !parameter.getTensorType().getElementType().isF32())
      return {};
    train::StateOp &copy = made[parameter];
    if (copy)
      return copy;
    std::string name =
        (parameter.getSymName() + (narrow.isBF16() ? ".bf16" : ".f16")).str();
    if (failed(expectFree(name)))
      return {};
    auto builder = OpBuilder(parameter);
    builder.setInsertionPointAfter(parameter);
    RankedTensorType type = parameter.getTensorType().clone(narrow);
    copy = train::StateOp::create(
        builder, parameter.getLoc(), name, train::Role::Copy, type,
        APFloat(0.0), FlatSymbolRefAttr::get(parameter.getSymNameAttr()),
        StringAttr());
    symbols.insert(copy, Block::iterator(copy));
    return copy;
  }

  /// Program @refresh: every copy from its parameter.
  void addRefresh() {
    if (isBroken || made.empty() || failed(expectFree("refresh")))
      return;
    auto builder = OpBuilder::atBlockEnd(module.getBody());
    auto program = plan::ProgramOp::create(builder, module.getLoc(), "refresh",
                                           builder.getStrArrayAttr({}));
    symbols.insert(program);
    builder.setInsertionPointToEnd(&program.getBody().emplaceBlock());
    for (auto &[parameter, copy] : made) {
      Location loc = parameter.getLoc();
      Value master = train::ReadOp::create(
          builder, loc, parameter.getTensorType(), parameter.getSymName());
      Value rounded =
          nn::CastOp::create(builder, loc, copy.getTensorType(), master);
      train::WriteOp::create(builder, loc, rounded, copy.getSymName());
    }
  }

  bool broken() const { return isBroken; }

private:
  LogicalResult expectFree(StringRef name) {
    Operation *existing = symbols.lookup(name);
    if (!existing)
      return success();
    isBroken = true;
    return existing->emitOpError()
           << "expected the name @" << name
           << " to be free for copies in 16 bits, but got this; rename it";
  }

  ModuleOp module;
  SymbolTable symbols;
  FloatType narrow;
  llvm::MapVector<train::ParameterOp, train::StateOp> made;
  bool isBroken = false;
};

/// Whether fusion gives the operation's elements to others for nothing.
bool isFree(Operation *op) {
  auto elementwise = dyn_cast<ElementwiseOpInterface>(op);
  return elementwise && elementwise.isFree();
}

/// Operations that only move elements from memory to memory.
bool isMove(Operation *op) {
  return op->hasTrait<nn::MovesElements>() && !isa<ElementwiseOpInterface>(op);
}

/// One block of a program.
class Narrower {
public:
  Narrower(Block &block, FloatType narrow, Copies &copies)
      : block(block), narrow(narrow), copies(copies) {
    for (auto [index, op] : llvm::enumerate(block))
      position[&op] = index;
  }

  void run() {
    findWide();
    SmallVector<Operation *> ops;
    for (Operation &op : block)
      ops.push_back(&op);
    for (Operation *op : ops)
      visit(op);
  }

private:
  bool isNarrow(Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getElementType() == narrow;
  }
  /// Whether a value is a matrix or more of f32: what counts as an activation.
  static bool isActivation(Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getElementType().isF32() && type.getRank() >= 2;
  }
  bool mayBeNarrow(Value value) {
    return isNarrow(value) || isActivation(value);
  }

  /// Whether a value would be rounded where it is kept.
  bool isRounded(Value value) {
    Operation *producer = value.getDefiningOp();
    if (!producer || !isActivation(value) || wide.contains(value) ||
        isFree(producer) || isa<train::ReadOp>(producer))
      return false;
    auto rule = dyn_cast<PrecisionOpInterface>(producer);
    return !rule || !rule.keepsWide(cast<OpResult>(value).getResultNumber());
  }

  /// What variables are set to, and the sums and moves that it is made of:
  /// gradients and outputs keep their type.
  void findWide() {
    for (Operation &op : llvm::reverse(block)) {
      bool follows = isa<train::WriteOp>(op);
      if (isa<nn::AddOp, nn::AccumulateOp, nn::SelectOp>(op) || isMove(&op))
        follows |= llvm::any_of(op.getResults(), [&](Value result) {
          return wide.contains(result);
        });
      if (follows)
        for (Value operand : op.getOperands())
          wide.insert(operand);
    }
  }

  void visit(Operation *op) {
    auto rule = dyn_cast<PrecisionOpInterface>(op);
    if (isMove(op) &&
        llvm::all_of(op->getOperands(),
                     [&](Value operand) {
                       return mayBeNarrow(operand) ||
                              !isa<FloatType>(getElementTypeOrSelf(operand));
                     }) &&
        llvm::none_of(op->getResults(),
                      [&](Value result) { return wide.contains(result); }) &&
        llvm::any_of(op->getOperands(), [&](Value operand) {
          return isNarrow(operand) || isRounded(operand);
        })) {
      for (OpOperand &operand : op->getOpOperands())
        if (mayBeNarrow(operand.get()))
          operand.set(narrowed(operand.get()));
      for (Value result : op->getResults())
        setNarrow(result);
      return;
    }
    bool takes = false;
    if (rule)
      for (OpOperand &operand : op->getOpOperands())
        if (rule.takesNarrow(operand.getOperandNumber())) {
          takes = mayBeNarrow(operand.get());
          if (!takes)
            break;
        }
    for (OpOperand &operand : op->getOpOperands())
      if (takes && rule.takesNarrow(operand.getOperandNumber()))
        operand.set(narrowed(operand.get()));
      else
        widen(operand, op);
    if (takes)
      for (OpResult result : op->getResults())
        if (rule.givesNarrow(result.getResultNumber()))
          setNarrow(result);
    // Regions compute in f32.
    op->walk([&](Operation *inner) {
      if (inner == op)
        return;
      for (OpOperand &operand : inner->getOpOperands())
        if (operand.get().getParentBlock() == &block)
          widen(operand, op);
    });
  }

  void setNarrow(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getElementType().isF32())
      value.setType(type.clone(narrow));
  }

  /// Gives `op` an f32 value: the one that is there where the two will be one
  /// kernel or it is kept as such, else what memory has of it.
  void widen(OpOperand &operand, Operation *op) {
    Value value = operand.get();
    if (!isNarrow(value)) {
      if (!isRounded(value) || isa<train::WriteOp>(op) || fuses(value, op))
        return;
      value = narrowed(value);
    }
    OpBuilder builder(op);
    auto type = cast<RankedTensorType>(value.getType());
    operand.set(nn::CastOp::create(builder, op->getLoc(),
                                   type.clone(builder.getF32Type()), value));
  }

  /// The value rounded, made where it is made.
  Value narrowed(Value value) {
    if (isNarrow(value))
      return value;
    Value &result = narrowOf[value];
    if (result)
      return result;
    OpBuilder builder = OpBuilder::atBlockBegin(&block);
    if (Operation *producer = value.getDefiningOp())
      builder.setInsertionPointAfter(producer);
    if (auto read = value.getDefiningOp<train::ReadOp>())
      if (train::StateOp copy = copies.of(read))
        return result = train::ReadOp::create(builder, read.getLoc(),
                                              copy.getTensorType(),
                                              copy.getSymName());
    return result = nn::CastOp::create(
               builder, value.getLoc(),
               cast<RankedTensorType>(value.getType()).clone(narrow), value);
  }

  /// Whether fusion will compute `op` in the kernel that makes `value`.
  bool fuses(Value value, Operation *op) {
    Operation *producer = value.getDefiningOp();
    auto shape = cast<RankedTensorType>(value.getType()).getShape();
    bool elementwise = isa<ElementwiseOpInterface>(producer);
    if (isa<nn::ReduceSumOp>(op)) // takes only what nobody else reads
      return elementwise && value.hasOneUse();
    if (op->getNumResults() == 0 ||
        cast<RankedTensorType>(op->getResult(0).getType()).getShape() != shape)
      return false;
    auto tiled = dyn_cast<TiledOpInterface>(producer);
    bool begins = elementwise || (tiled && !tiled.getTileSizes().empty() &&
                                  value == producer->getResult(0));
    bool goesOn =
        isa<ElementwiseOpInterface>(op) ||
        (elementwise && readsOwnTile(op, value) && !endsTile(producer, shape));
    return begins && goesOn && !reachesThroughOthers(producer, op, shape);
  }

  static bool readsOwnTile(Operation *op, Value value) {
    auto tiled = dyn_cast<TiledOpInterface>(op);
    if (!tiled || tiled.getTileSizes().empty())
      return false;
    for (auto [index, operand] : llvm::enumerate(op->getOperands()))
      if (operand == value && !tiled.readsOwnTile(index))
        return false;
    return true;
  }

  /// Whether an elementwise operation is the end of a kernel whose tiles
  /// another operation makes, which takes it first.
  bool endsTile(Operation *op, ArrayRef<int64_t> shape) {
    SmallVector<Operation *> worklist = {op};
    llvm::SmallDenseSet<Operation *> seen;
    while (!worklist.empty()) {
      for (Value operand : worklist.pop_back_val()->getOperands()) {
        Operation *producer = operand.getDefiningOp();
        if (!producer || isFree(producer) || !seen.insert(producer).second ||
            cast<RankedTensorType>(operand.getType()).getShape() != shape)
          continue;
        if (auto tiled = dyn_cast<TiledOpInterface>(producer);
            tiled && !tiled.getTileSizes().empty())
          return true;
        if (isa<ElementwiseOpInterface>(producer))
          worklist.push_back(producer);
      }
    }
    return false;
  }

  /// Whether `to` needs `from` also by way of an operation that cannot be in
  /// one kernel with them.
  bool reachesThroughOthers(Operation *from, Operation *to,
                            ArrayRef<int64_t> shape) {
    SmallVector<std::pair<Operation *, bool>> worklist = {{from, false}};
    llvm::SmallDenseSet<Operation *> seen[2]; // inside, outside
    unsigned end = position.lookup(to);
    while (!worklist.empty()) {
      auto [op, outside] = worklist.pop_back_val();
      for (Operation *user : op->getUsers()) {
        user = block.findAncestorOpInBlock(*user);
        if (user == to) {
          if (outside)
            return true;
          continue;
        }
        // Casts that this pass made stand where what they serve stands.
        auto place = position.find(user);
        if (place != position.end() && place->second > end)
          continue;
        bool inside =
            isa<ElementwiseOpInterface>(user) && !outside &&
            cast<RankedTensorType>(user->getResult(0).getType()).getShape() ==
                shape &&
            !isStored(user);
        if (seen[!inside].insert(user).second)
          worklist.push_back({user, !inside});
      }
    }
    return false;
  }

  /// Whether the operation rounds a value to be kept.
  bool isStored(Operation *op) {
    return isa<nn::CastOp>(op) && isNarrow(op->getResult(0));
  }

  Block &block;
  FloatType narrow;
  Copies &copies;
  DenseMap<Operation *, unsigned> position;
  DenseSet<Value> wide;
  DenseMap<Value, Value> narrowOf;
};

struct NarrowProgramsPass : impl::NarrowProgramsPassBase<NarrowProgramsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto compute = module->getAttrOfType<StringAttr>("train.compute");
    if (!compute || compute == "float32")
      return;
    FloatType narrow;
    if (compute == "bfloat16")
      narrow = BFloat16Type::get(&getContext());
    else if (compute == "float16")
      narrow = Float16Type::get(&getContext());
    else {
      module.emitError() << "expected train.compute \"float32\", \"bfloat16\" "
                            "or \"float16\", but got "
                         << compute;
      return signalPassFailure();
    }
    Copies copies(module, narrow);
    for (auto program : module.getOps<plan::ProgramOp>())
      Narrower(program.getBody().front(), narrow, copies).run();
    copies.addRefresh();
    if (copies.broken())
      signalPassFailure();
  }
};

} // namespace
} // namespace trainc::precision
