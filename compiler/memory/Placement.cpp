//===- Placement.cpp - where the values of one program live ---------------===//
//
// Runs through a program once, keeping for every storage the values that it
// holds just then ("residents"). A launch may write over a storage only when no
// resident is needed at or after that launch; otherwise it gets another place,
// and a copy where the meaning asks for it. So the outcome is right by
// construction, and looking ahead only decides how many copies there are.
//
//===----------------------------------------------------------------------===//

#include "compiler/memory/Placement.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace trainc::memory {
namespace {

MemRefType bufferType(Type tensor) {
  auto shaped = cast<RankedTensorType>(tensor);
  return MemRefType::get(shaped.getShape(), shaped.getElementType());
}

bool isView(Operation *op) {
  return isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

/// The value whose place `value` shares.
Value rootOf(Value value) {
  while (isView(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

class Placer {
public:
  Placer(plan::ProgramOp program, Storages &storages)
      : program(program), storages(storages) {}

  FailureOr<std::vector<Command>> place(ArrayRef<unsigned> inputs) {
    Block &block = program.getBody().front();
    for (auto [index, op] : llvm::enumerate(block)) {
      position[&op] = static_cast<int>(index);
      if (auto read = dyn_cast<train::ReadOp>(op))
        touches[read.getSymbol()].push_back(static_cast<int>(index));
      else if (auto write = dyn_cast<train::WriteOp>(op))
        touches[write.getSymbol()].push_back(static_cast<int>(index));
    }
    for (auto [argument, input] : llvm::zip(block.getArguments(), inputs))
      settle(argument, input);
    for (Operation &op : block) {
      if (isView(&op) || isa<tensor::EmptyOp>(op))
        continue;
      if (auto read = dyn_cast<train::ReadOp>(op)) {
        unsigned storage = storages.byVariable.at(read.getSymbol());
        storageOf[read.getResult()] = storage;
        residents[storage].push_back(read.getResult());
      } else if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
        if (failed(placeLaunch(launch)))
          return failure();
      } else if (auto write = dyn_cast<train::WriteOp>(op)) {
        if (failed(placeWrite(write)))
          return failure();
      } else {
        return op.emitOpError()
               << "expected only launches, views, reads and writes of "
                  "variables in a program, but got this; run the fusion stage";
      }
    }
    return std::move(commands);
  }

private:
  /// `value` is now what `storage` holds.
  void settle(Value value, unsigned storage) {
    storageOf[value] = storage;
    residents[storage] = {value};
  }

  /// Calls `visit` with every use of `root`, also through views.
  void forEachUse(Value root, llvm::function_ref<void(OpOperand &)> visit) {
    for (OpOperand &use : root.getUses()) {
      if (isView(use.getOwner()))
        forEachUse(use.getOwner()->getResult(0), visit);
      else
        visit(use);
    }
  }

  /// Whether what `storage` holds is used at `from` or later, other than by
  /// `except`.
  bool neededFrom(unsigned storage, int from, OpOperand *except = nullptr) {
    bool needed = false;
    for (Value resident : residents[storage])
      forEachUse(resident, [&](OpOperand &use) {
        needed |= &use != except && position.lookup(use.getOwner()) >= from;
      });
    return needed;
  }

  /// Whether `variable` is read or written strictly between two positions.
  bool touchedBetween(StringRef variable, int after, int before) {
    ArrayRef<int> all = touches[variable];
    auto next = llvm::upper_bound(all, after);
    return next != all.end() && *next < before;
  }

  /// The writes to variables that receive `root` or what launches make of it in
  /// place, in program order.
  SmallVector<train::WriteOp> writesOf(Value root) {
    SmallVector<train::WriteOp> writes;
    forEachUse(root, [&](OpOperand &use) {
      if (auto write = dyn_cast<train::WriteOp>(use.getOwner()))
        writes.push_back(write);
      auto launch = dyn_cast<plan::LaunchOp>(use.getOwner());
      unsigned inputs = launch ? launch.getInputs().size() : 0;
      if (launch && use.getOperandNumber() >= inputs)
        llvm::append_range(writes, writesOf(launch.getResult(
                                       use.getOperandNumber() - inputs)));
    });
    llvm::sort(writes, [&](train::WriteOp a, train::WriteOp b) {
      return position.lookup(a) < position.lookup(b);
    });
    return writes;
  }

  /// A variable's storage in which the result of the launch at `at` can be made
  /// directly: it is written there later, nothing before then needs or sets
  /// what it holds, and the launch itself does not read it (except as
  /// `except`).
  std::optional<unsigned> directPlace(Value result, int at, OpOperand *except) {
    for (train::WriteOp write : writesOf(result)) {
      unsigned storage = storages.byVariable.at(write.getSymbol());
      if (!neededFrom(storage, at, except) &&
          !touchedBetween(write.getSymbol(), at, position.lookup(write)))
        return storage;
    }
    return std::nullopt;
  }

  unsigned addTransient(plan::LaunchOp launch, unsigned result, Location loc) {
    std::string name;
    llvm::raw_string_ostream stream(name);
    stream << program.getSymName() << "." << commands.size() << "."
           << launch.getKernel();
    if (launch.getNumResults() > 1)
      stream << "." << result;
    storages.all.push_back(
        {name, bufferType(launch.getResult(result).getType()), loc});
    return storages.all.size() - 1;
  }

  void copy(unsigned from, unsigned to, MemRefType type, Location loc) {
    commands.push_back({nullptr, {{from, type}, {to, type}}, loc});
  }

  FailureOr<Use> find(Value value, Operation *user) {
    auto found = storageOf.find(rootOf(value));
    if (found == storageOf.end())
      return user->emitOpError()
             << "expected operands that a launch, a read or an input defines, "
                "but got contents of a tensor.empty";
    return Use{found->second, bufferType(value.getType())};
  }

  LogicalResult placeLaunch(plan::LaunchOp launch) {
    auto kernel = tables.lookupNearestSymbolFrom<plan::KernelOp>(
        launch, launch.getKernelAttr());
    int at = position.lookup(launch);
    SmallVector<Use> uses;
    for (Value input : launch.getInputs()) {
      FailureOr<Use> use = find(input, launch);
      if (failed(use))
        return failure();
      uses.push_back(*use);
    }
    unsigned inputs = uses.size();
    for (auto [index, destination] :
         llvm::enumerate(launch.getDestinations())) {
      OpOperand *operand = &launch->getOpOperand(inputs + index);
      Value result = launch.getResult(index);
      bool keepsOld = kernel.getAccess()[inputs + index] ==
                      static_cast<int32_t>(plan::Access::ReadWrite);
      std::optional<unsigned> storage;
      if (keepsOld) {
        FailureOr<Use> old = find(destination, launch);
        if (failed(old))
          return failure();
        if (mayUpdateInPlace(old->storage, result, at, operand))
          storage = old->storage;
        if (!storage) {
          storage = freshPlace(launch, index, operand);
          if (*storage != old->storage)
            copy(old->storage, *storage, old->type, launch.getLoc());
        }
      } else {
        storage = freshPlace(launch, index, operand);
      }
      uses.push_back({*storage, bufferType(destination.getType())});
      settle(result, *storage);
    }
    commands.push_back({launch, std::move(uses), launch.getLoc()});
    return success();
  }

  /// Whether a launch may turn what `storage` holds into `result` there.
  bool mayUpdateInPlace(unsigned storage, Value result, int at,
                        OpOperand *operand) {
    const Storage &place = storages.all[storage];
    if (place.readOnly || neededFrom(storage, at, operand))
      return false;
    return !place.variable || directPlace(result, at, operand) == storage;
  }

  unsigned freshPlace(plan::LaunchOp launch, unsigned index,
                      OpOperand *operand) {
    if (std::optional<unsigned> direct = directPlace(
            launch.getResult(index), position.lookup(launch), operand))
      return *direct;
    return addTransient(launch, index, launch.getLoc());
  }

  LogicalResult placeWrite(train::WriteOp write) {
    FailureOr<Use> from = find(write.getValue(), write);
    if (failed(from))
      return failure();
    unsigned to = storages.byVariable.at(write.getSymbol());
    if (from->storage == to)
      return success();
    if (neededFrom(to, position.lookup(write) + 1)) {
      // What the variable held is used later: keep it elsewhere.
      std::string name =
          (program.getSymName() + "." + llvm::Twine(commands.size()) + ".old." +
           write.getSymbol())
              .str();
      storages.all.push_back({name, storages.all[to].type, write.getLoc()});
      unsigned kept = storages.all.size() - 1;
      copy(to, kept, storages.all[to].type, write.getLoc());
      SmallVector<Value> moved = std::move(residents[to]);
      for (Value value : moved)
        storageOf[value] = kept;
      residents[kept] = std::move(moved);
    }
    copy(from->storage, to, storages.all[to].type, write.getLoc());
    residents[to].clear();
    return success();
  }

  plan::ProgramOp program;
  Storages &storages;
  std::vector<Command> commands;
  SymbolTableCollection tables;
  DenseMap<Operation *, int> position;
  /// Where each variable is read or written, in program order.
  llvm::StringMap<SmallVector<int>> touches;
  /// Of roots only; views are resolved by rootOf.
  DenseMap<Value, unsigned> storageOf;
  DenseMap<unsigned, SmallVector<Value>> residents;
};

} // namespace

FailureOr<std::vector<Command>> placeProgram(plan::ProgramOp program,
                                             ArrayRef<unsigned> inputs,
                                             Storages &storages) {
  return Placer(program, storages).place(inputs);
}

} // namespace trainc::memory
