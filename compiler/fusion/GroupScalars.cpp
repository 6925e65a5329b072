//===- GroupScalars.cpp - what groups of operations have in common --------===//

#include "compiler/fusion/GroupScalars.h"
#include "dialects/nn/Nn.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion {

SmallVector<int64_t> allDimensions(int64_t rank) {
  return llvm::to_vector(llvm::seq<int64_t>(0, rank));
}

Operand operandOf(Operation *op, unsigned index, int64_t rank) {
  auto elementwise = dyn_cast<nn::ElementwiseOpInterface>(op);
  return {op->getOperand(index), elementwise
                                     ? elementwise.getOperandDimensions(index)
                                     : allDimensions(rank)};
}

SmallVector<Operand> operandsOf(ArrayRef<Operation *> ops,
                                const llvm::SmallDenseSet<Operation *> &inside,
                                int64_t rank) {
  SmallVector<Operand> operands;
  for (Operation *op : ops)
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      if (inside.contains(op->getOperand(i).getDefiningOp()))
        continue;
      Operand operand = operandOf(op, i, rank);
      if (!llvm::is_contained(operands, operand))
        operands.push_back(operand);
    }
  return operands;
}

bool leaves(Value value, const llvm::SmallDenseSet<Operation *> &inside) {
  return llvm::any_of(value.getUsers(),
                      [&](Operation *user) { return !inside.contains(user); });
}

void buildScalars(OpBuilder &body, Location loc, ArrayRef<Operation *> ops,
                  int64_t rank, IRMapping &computed,
                  llvm::function_ref<Value(const Operand &)> outside) {
  for (Operation *op : ops) {
    SmallVector<Value> arguments;
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      Value inside = computed.lookupOrNull(op->getOperand(i));
      arguments.push_back(inside ? inside : outside(operandOf(op, i, rank)));
    }
    computed.map(
        op->getResult(0),
        cast<nn::ElementwiseOpInterface>(op).buildScalar(body, loc, arguments));
  }
}

/// The operand that `result` is meant to take the place of, if nobody else
/// reads it.
static Value findAccumulator(Value result, ArrayRef<Operand> operands,
                             ArrayRef<Value> taken, int64_t rank) {
  auto op = dyn_cast<nn::ElementwiseOpInterface>(result.getDefiningOp());
  std::optional<unsigned> index;
  if (op)
    index = op.getAccumulator();
  if (!index)
    return {};
  Value accumulator = op->getOperand(*index);
  Operand whole{accumulator, allDimensions(rank)};
  bool external = accumulator.getDefiningOp() &&
                  llvm::is_contained(operands, whole) &&
                  !llvm::is_contained(taken, accumulator);
  return external && accumulator.hasOneUse() ? accumulator : Value();
}

Value findUpdate(Value result, ArrayRef<Operand> operands,
                 ArrayRef<Value> taken, int64_t rank,
                 llvm::function_ref<bool(Operation *)> reads) {
  if (Value accumulator = findAccumulator(result, operands, taken, rank))
    return accumulator;
  for (Operation *user : result.getUsers()) {
    auto write = dyn_cast<train::WriteOp>(user);
    if (!write)
      continue;
    for (const Operand &operand : operands) {
      auto read = operand.value.getDefiningOp<train::ReadOp>();
      if (!read || read.getSymbol() != write.getSymbol() ||
          llvm::is_contained(taken, operand.value) ||
          operand.dimensions != allDimensions(rank))
        continue;
      bool once = llvm::count_if(operands, [&](const Operand &other) {
                    return other.value == operand.value;
                  }) == 1;
      if (once && llvm::all_of(read->getUsers(), reads))
        return operand.value;
    }
  }
  return {};
}

KernelKey keyOfGroup(ArrayRef<Operation *> group, ArrayRef<Value> results,
                     ArrayRef<Value> updates) {
  KernelKey key;
  DenseMap<Value, uint64_t> numbers; // of values, in order of appearance
  auto number = [&](Value value) {
    return numbers.try_emplace(value, numbers.size()).first->second;
  };
  for (Operation *op : group) {
    key.add(op);
    key.add(op->getOperandTypes());
    for (Value operand : op->getOperands())
      key.add(number(operand));
    for (Value result : op->getResults())
      key.add(number(result));
  }
  for (auto [result, update] : llvm::zip(results, updates)) {
    key.add(number(result));
    key.add(update ? number(update) : ~uint64_t(0));
  }
  return key;
}

void addDestinations(KernelRequest &request, OpBuilder &builder, Location loc,
                     ArrayRef<Value> results, ArrayRef<Value> updates) {
  for (auto [result, update] : llvm::zip(results, updates)) {
    auto type = cast<RankedTensorType>(result.getType());
    request.updates.push_back(bool(update));
    request.destinations.push_back(
        update ? update
               : tensor::EmptyOp::create(builder, loc, type.getShape(),
                                         type.getElementType())
                     .getResult());
  }
}

} // namespace trainc::fusion
