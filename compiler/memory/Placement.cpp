//===- Placement.cpp - where the values of one program live ---------------===//
//
// Runs through a program once, keeping for every storage the values that it
// holds just then ("residents"). A launch may write over a storage only when no
// resident is needed at or after that launch; otherwise it gets another place,
// and a copy where the meaning asks for it. So the outcome is right by
// construction, and looking ahead only decides how many copies there are.
// A resident may take a range of a storage: the parts of a join are made where
// the whole will lie, and row slices are read where what they are of lies.
//
//===----------------------------------------------------------------------===//

#include "compiler/memory/Placement.h"
#include "compiler/support/BufferSize.h"
#include "compiler/support/RowSlice.h"

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
  return isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp,
                         tensor::ExtractSliceOp>(op);
}

int64_t sizeBytes(Value value) {
  return bufferSizeBytes(cast<ShapedType>(value.getType()));
}

/// The value whose place `value` shares, and where in it that is.
struct Root {
  Value value;
  int64_t offset_bytes = 0;
};

Root rootOf(Value value) {
  Root root{value};
  while (Operation *view = root.value.getDefiningOp()) {
    if (!isView(view))
      break;
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(view))
      root.offset_bytes += rowSliceOffsetBytes(slice).value_or(0);
    root.value = view->getOperand(0);
  }
  return root;
}

/// Where a value lives.
struct Place {
  unsigned storage;
  int64_t offset_bytes = 0;
};

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
      settle(argument, {input});
    for (Operation &op : block) {
      if (failed(verifySlice(&op)))
        return failure();
      if (isView(&op) || isa<tensor::EmptyOp>(op))
        continue;
      if (auto read = dyn_cast<train::ReadOp>(op)) {
        unsigned storage = storages.byVariable.at(read.getSymbol());
        placeOf[read.getResult()] = {storage};
        residents[storage].push_back(read.getResult());
      } else if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
        if (failed(placeLaunch(launch)))
          return failure();
      } else if (auto write = dyn_cast<train::WriteOp>(op)) {
        if (failed(placeWrite(write)))
          return failure();
      } else if (auto join = dyn_cast<plan::JoinOp>(op)) {
        if (failed(placeJoin(join)))
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
  static LogicalResult verifySlice(Operation *op) {
    auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
    if (slice && !rowSliceOffsetBytes(slice))
      return op->emitOpError()
             << "expected a slice of whole rows from a multiple of 64 bytes, "
                "which is a view, but got another; make it with a launch";
    return success();
  }

  /// Drops from a storage the values that share bytes with [begin, end).
  void evict(unsigned storage, int64_t begin_bytes, int64_t end_bytes) {
    llvm::erase_if(residents[storage], [&](Value value) {
      return overlaps(value, begin_bytes, end_bytes);
    });
  }

  bool overlaps(Value resident, int64_t begin_bytes, int64_t end_bytes) {
    int64_t begin = placeOf.at(resident).offset_bytes;
    return begin < end_bytes && begin_bytes < begin + sizeBytes(resident);
  }

  /// `value` is now what `place` holds.
  void settle(Value value, Place place) {
    evict(place.storage, place.offset_bytes,
          place.offset_bytes + sizeBytes(value));
    placeOf[value] = place;
    residents[place.storage].push_back(value);
  }

  /// Calls `visit` with every use of `root`, also through views; of parts of it
  /// only if `slices`.
  void forEachUse(Value root, bool slices,
                  llvm::function_ref<void(OpOperand &)> visit) {
    for (OpOperand &use : root.getUses()) {
      Operation *user = use.getOwner();
      if (!isView(user))
        visit(use);
      else if (slices || !isa<tensor::ExtractSliceOp>(user))
        forEachUse(user->getResult(0), slices, visit);
    }
  }

  bool hasSlices(Value root) {
    return llvm::any_of(root.getUsers(), [&](Operation *user) {
      return isa<tensor::ExtractSliceOp>(user) ||
             (isView(user) && hasSlices(user->getResult(0)));
    });
  }

  /// Whether what a storage holds in [begin, end) is used at `from` or later,
  /// other than by `except`.
  bool neededFrom(unsigned storage, int64_t begin_bytes, int64_t end_bytes,
                  int from, OpOperand *except = nullptr) {
    bool needed = false;
    for (Value resident : residents[storage])
      if (overlaps(resident, begin_bytes, end_bytes))
        forEachUse(resident, /*slices=*/true, [&](OpOperand &use) {
          needed |= &use != except && position.lookup(use.getOwner()) >= from;
        });
    return needed;
  }
  bool neededFrom(unsigned storage, int from, OpOperand *except = nullptr) {
    return neededFrom(storage, 0, INT64_MAX, from, except);
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
    forEachUse(root, /*slices=*/false, [&](OpOperand &use) {
      if (auto write = dyn_cast<train::WriteOp>(use.getOwner()))
        writes.push_back(write);
      auto launch = dyn_cast<plan::LaunchOp>(use.getOwner());
      unsigned inputs = launch ? launch.getInputs().size() : 0;
      // Behind the destinations there may be a bound.
      if (launch && use.getOperandNumber() >= inputs &&
          use.getOperandNumber() - inputs < launch.getNumResults())
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
  /// `except`). Not where slices are read: a variable has whole views only.
  std::optional<unsigned> directPlace(Value result, int at, OpOperand *except) {
    if (hasSlices(result))
      return std::nullopt;
    for (train::WriteOp write : writesOf(result)) {
      unsigned storage = storages.byVariable.at(write.getSymbol());
      if (!neededFrom(storage, at, except) &&
          !touchedBetween(write.getSymbol(), at, position.lookup(write)))
        return storage;
    }
    return std::nullopt;
  }

  unsigned addTransient(const llvm::Twine &name, Type tensor, Location loc) {
    std::string full =
        (program.getSymName() + "." + llvm::Twine(commands.size()) + "." + name)
            .str();
    storages.all.push_back({full, bufferType(tensor), loc});
    return storages.all.size() - 1;
  }

  void copy(const Use &from, const Use &to, Location loc) {
    commands.push_back({nullptr, {from, to}, loc});
  }

  FailureOr<Use> find(Value value, Operation *user) {
    Root root = rootOf(value);
    auto found = placeOf.find(root.value);
    if (found == placeOf.end())
      return user->emitOpError()
             << "expected operands that a launch, a read or an input defines, "
                "but got contents of a tensor.empty";
    auto [storage, offset_bytes] = found->second;
    if (storages.all[storage].variable &&
        sizeBytes(value) != sizeBytes(root.value))
      return user->emitOpError()
             << "expected slices of what launches make, but got one of '"
             << storages.all[storage].name
             << "', which has whole views only; make it with a launch";
    return Use{storage, bufferType(value.getType()),
               offset_bytes + root.offset_bytes};
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
    std::optional<Use> bound;
    if (launch.getBound()) {
      FailureOr<Use> use = find(launch.getBound(), launch);
      if (failed(use))
        return failure();
      bound = *use;
    }
    unsigned inputs = uses.size();
    for (auto [index, destination] :
         llvm::enumerate(launch.getDestinations())) {
      OpOperand *operand = &launch->getOpOperand(inputs + index);
      Value result = launch.getResult(index);
      bool keepsOld = kernel.getAccess()[inputs + index] ==
                      static_cast<int32_t>(plan::Access::ReadWrite);
      std::optional<Place> place;
      if (keepsOld) {
        FailureOr<Use> old = find(destination, launch);
        if (failed(old))
          return failure();
        if (mayUpdateInPlace(*old, result, at, operand)) {
          place = {old->storage, old->offset_bytes};
        } else {
          place = freshPlace(launch, index, operand);
          Use fresh{place->storage, old->type, place->offset_bytes};
          if (fresh.storage != old->storage ||
              fresh.offset_bytes != old->offset_bytes)
            copy(*old, fresh, launch.getLoc());
        }
      } else {
        place = freshPlace(launch, index, operand);
      }
      uses.push_back({place->storage, bufferType(destination.getType()),
                      place->offset_bytes});
      settle(result, *place);
    }
    commands.push_back({launch, std::move(uses), launch.getLoc(), bound});
    return success();
  }

  /// Whether a launch may turn what lies at `old` into `result` there.
  bool mayUpdateInPlace(const Use &old, Value result, int at,
                        OpOperand *operand) {
    const Storage &place = storages.all[old.storage];
    if (place.readOnly ||
        neededFrom(old.storage, old.offset_bytes,
                   old.offset_bytes + sizeBytes(result), at, operand))
      return false;
    return !place.variable || directPlace(result, at, operand) == old.storage;
  }

  Place freshPlace(plan::LaunchOp launch, unsigned index, OpOperand *operand) {
    Value result = launch.getResult(index);
    int at = position.lookup(launch);
    if (std::optional<Place> part = joinedPlace(result, at))
      return *part;
    if (std::optional<unsigned> direct = directPlace(result, at, operand))
      return {*direct};
    if (launch.getNumResults() == 1)
      return {
          addTransient(launch.getKernel(), result.getType(), launch.getLoc())};
    return {
        addTransient(launch.getKernel() + llvm::Twine(".") + llvm::Twine(index),
                     result.getType(), launch.getLoc())};
  }

  /// Where `result` lies as a part of a join, if that range is free.
  std::optional<Place> joinedPlace(Value result, int at) {
    for (Operation *user : result.getUsers()) {
      auto join = dyn_cast<plan::JoinOp>(user);
      if (!join)
        continue;
      Place place{storageOf(join)};
      for (Value part : join.getParts()) {
        int64_t end_bytes = place.offset_bytes + sizeBytes(part);
        if (part == result &&
            !neededFrom(place.storage, place.offset_bytes, end_bytes, at))
          return place;
        place.offset_bytes = end_bytes;
      }
    }
    return std::nullopt;
  }

  unsigned storageOf(plan::JoinOp join) {
    auto [found, isNew] = joined.try_emplace(join, 0);
    if (isNew)
      found->second = addTransient("join", join.getType(), join.getLoc());
    return found->second;
  }

  /// Parts that are not where they should be are copied there.
  LogicalResult placeJoin(plan::JoinOp join) {
    unsigned storage = storageOf(join);
    int64_t offset_bytes = 0;
    for (Value part : join.getParts()) {
      FailureOr<Use> from = find(part, join);
      if (failed(from))
        return failure();
      int64_t end_bytes = offset_bytes + sizeBytes(part);
      if (from->storage != storage || from->offset_bytes != offset_bytes) {
        copy(*from, {storage, from->type, offset_bytes}, join.getLoc());
        evict(storage, offset_bytes, end_bytes);
      }
      offset_bytes = end_bytes;
    }
    // The parts stay readable where they are.
    placeOf[join.getResult()] = {storage};
    residents[storage].push_back(join.getResult());
    return success();
  }

  LogicalResult placeWrite(train::WriteOp write) {
    FailureOr<Use> from = find(write.getValue(), write);
    if (failed(from))
      return failure();
    unsigned to = storages.byVariable.at(write.getSymbol());
    if (from->storage == to)
      return success();
    Use variable{to, storages.all[to].type};
    if (neededFrom(to, position.lookup(write) + 1)) {
      // What the variable held is used later: keep it elsewhere.
      unsigned kept = addTransient("old." + write.getSymbol(),
                                   write.getValue().getType(), write.getLoc());
      copy(variable, {kept, variable.type}, write.getLoc());
      SmallVector<Value> moved = std::move(residents[to]);
      for (Value value : moved)
        placeOf[value] = {kept};
      residents[kept] = std::move(moved);
    }
    copy({from->storage, variable.type, from->offset_bytes}, variable,
         write.getLoc());
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
  DenseMap<Value, Place> placeOf;
  DenseMap<unsigned, SmallVector<Value>> residents;
  /// Where the parts of a join come together.
  DenseMap<Operation *, unsigned> joined;
};

} // namespace

FailureOr<std::vector<Command>> placeProgram(plan::ProgramOp program,
                                             ArrayRef<unsigned> inputs,
                                             Storages &storages) {
  return Placer(program, storages).place(inputs);
}

} // namespace trainc::memory
