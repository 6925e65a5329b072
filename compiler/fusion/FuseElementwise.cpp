//===- FuseElementwise.cpp - groups of elementwise operations as kernels --===//
//
// Grouping: operations are visited in program order; each joins the groups of
// its producers where that makes no cycle. A cycle would need a path from the
// group through an outside operation back into it, by operands or by a variable
// that is written and then read. Updates that read the same variable are one
// group, too. Then the program is re-ordered (Kahn, by
// original position) so that each group stands as one, and each group becomes a
// kernel. Reductions first absorb the producers that only
// they use; at the end each operation computed in tiles joins one group that
// reads its result (its epilogue) and those that make what it reads at its
// tile's own place (its prologue). Remarks of the category "fusion" say what
// became of each.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Bounds.h"
#include "compiler/fusion/ElementwiseGroup.h"
#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/KernelTable.h"
#include "compiler/fusion/Rows.h"
#include "compiler/fusion/VariableOrder.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include <queue>

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_FUSEELEMENTWISEPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

using nn::ElementwiseOpInterface;
using nn::TiledOpInterface;

/// Buffers of one kernel that a group may read and write together. The runtime
/// refuses kernels of more than 256; fewer keep registers and code small.
constexpr unsigned maximumBoundary = 128;

/// The dependence graph of one program, its nodes being groups.
class Grouping {
public:
  Grouping(Block &block, ModuleOp module)
      : block(block), before(orderByVariables(block, module)) {
    for (Operation &op : block) {
      position[&op] = ops.size();
      parent.push_back(ops.size());
      first.push_back(ops.size());
      last.push_back(ops.size());
      members.push_back({unsigned(ops.size())});
      bounds.push_back(boundOf(&op));
      ops.push_back(&op);
      if (Value bound = boundValueOf(&op))
        if (Operation *producer = bound.getDefiningOp())
          before[&op].push_back(producer);
    }
  }

  /// Merges what may be computed together.
  void build() {
    for (Operation &op : block)
      if (auto reduction = dyn_cast<nn::ReduceSumOp>(op))
        absorbProducers(reduction);
    for (unsigned i = 0; i < ops.size(); ++i) {
      // A free operation is computed where it is read.
      if (!isa<ElementwiseOpInterface>(ops[i]) || absorbed.contains(ops[i]) ||
          isFreeOperation(ops[i]))
        continue;
      std::optional<unsigned> accumulator =
          cast<ElementwiseOpInterface>(ops[i]).getAccumulator();
      for (auto [k, operand] : llvm::enumerate(ops[i]->getOperands())) {
        Operation *producer = operand.getDefiningOp();
        // A sum that grows where it lies is updated by one kernel per term.
        if (k == accumulator)
          continue;
        if (!producer || !isa<ElementwiseOpInterface>(producer) ||
            absorbed.contains(producer) || shapeOf(producer) != shapeOf(ops[i]))
          continue;
        unsigned a = find(position[producer]), b = find(i);
        if (a != b && bounds[a] == bounds[b] &&
            boundaryOf(a, b) <= maximumBoundary && !reachesThroughOutside(a, b))
          merge(a, b);
      }
    }
    for (Operation &op : block)
      if (auto read = dyn_cast<train::ReadOp>(op))
        mergeUpdates(read);
    // The latest first: of several products in one sum, it has the others'
    // results.
    for (Operation *op : llvm::reverse(ops))
      if (auto product = dyn_cast<TiledOpInterface>(op);
          product && !product.getTileSizes().empty())
        attachEpilogue(product);
    // Epilogues first: where one sum can be either, it is computed once, when
    // its operands are in cache.
    for (Operation *op : ops)
      if (auto tiled = dyn_cast<TiledOpInterface>(op);
          tiled && !tiled.getTileSizes().empty())
        attachPrologues(tiled);
  }

  /// Groups in an order that respects dependences and otherwise the program.
  SmallVector<SmallVector<Operation *>> schedule() {
    llvm::MapVector<unsigned, unsigned>
        pending; // group → unscheduled producers
    DenseMap<unsigned, SmallVector<unsigned>> users;
    for (unsigned i = 0; i < ops.size(); ++i)
      pending[find(i)];
    for (auto &[group, count] : pending) {
      llvm::SmallDenseSet<unsigned> producers = producersOf(group);
      producers.erase(group);
      count = producers.size();
      for (unsigned producer : producers)
        users[producer].push_back(group);
    }
    using Entry = std::pair<unsigned, unsigned>; // last position, group
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
    for (auto &[group, count] : pending)
      if (count == 0)
        ready.push({last[group], group});
    SmallVector<SmallVector<Operation *>> order;
    while (!ready.empty()) {
      unsigned group = ready.top().second;
      ready.pop();
      SmallVector<Operation *> &scheduled = order.emplace_back();
      llvm::sort(members[group]);
      for (unsigned i : members[group])
        scheduled.push_back(ops[i]);
      for (unsigned user : users[group])
        if (--pending[user] == 0)
          ready.push({last[user], user});
    }
    return order;
  }

private:
  static ArrayRef<int64_t> shapeOf(Operation *op) {
    return cast<RankedTensorType>(op->getResult(0).getType()).getShape();
  }

  unsigned find(unsigned i) {
    while (parent[i] != i)
      i = parent[i] = parent[parent[i]];
    return i;
  }

  /// Values that the union of two groups reads from outside or gives to it.
  unsigned boundaryOf(unsigned a, unsigned b) {
    llvm::SmallDenseSet<Value> boundary;
    auto outside = [&](Operation *op) {
      auto found = position.find(op);
      if (found == position.end())
        return true;
      unsigned group = find(found->second);
      return group != a && group != b;
    };
    for (unsigned group : {a, b})
      for (unsigned member : members[group]) {
        for (Value operand : ops[member]->getOperands())
          if (!operand.getDefiningOp() || outside(operand.getDefiningOp()))
            boundary.insert(operand);
        for (Value result : ops[member]->getResults())
          if (llvm::any_of(result.getUsers(), outside))
            boundary.insert(result);
      }
    return boundary.size();
  }

  void merge(unsigned a, unsigned b) {
    if (members[a].size() > members[b].size())
      std::swap(a, b);
    parent[a] = b;
    first[b] = std::min(first[a], first[b]);
    last[b] = std::max(last[a], last[b]);
    members[b].append(members[a]);
    members[a].clear();
  }

  /// Merges the updates of variables that read this one at their own place,
  /// though neither needs the other's result: so it is read once, and its own
  /// update is in place.
  void mergeUpdates(train::ReadOp read) {
    llvm::SmallSetVector<unsigned, 4> updates;
    Value value = read.getResult();
    int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
    for (OpOperand &use : value.getUses()) {
      auto reader = dyn_cast<ElementwiseOpInterface>(use.getOwner());
      unsigned operand = use.getOperandNumber();
      if (!reader || absorbed.contains(reader) ||
          reader.getAccumulator() == operand ||
          !llvm::equal(reader.getOperandDimensions(operand),
                       llvm::seq<int64_t>(0, rank)) ||
          int64_t(shapeOf(reader).size()) != rank)
        continue;
      unsigned group = find(position[reader]);
      if (llvm::any_of(members[group], [&](unsigned member) {
            return llvm::any_of(ops[member]->getUsers(),
                                llvm::IsaPred<train::WriteOp>);
          }))
        updates.insert(group);
    }
    for (unsigned other : updates) {
      unsigned a = find(updates.front()), b = find(other);
      if (a != b && bounds[a] == bounds[b] &&
          boundaryOf(a, b) <= maximumBoundary && !producersOf(a).contains(b) &&
          !producersOf(b).contains(a) && !reachesThroughOutside(a, b) &&
          !reachesThroughOutside(b, a))
        merge(a, b);
    }
  }

  void absorbProducers(nn::ReduceSumOp reduction) {
    unsigned group = position[reduction];
    SmallVector<Operation *> worklist = {reduction};
    ArrayRef<int64_t> shape = reduction.getInput().getType().getShape();
    while (!worklist.empty()) {
      for (Value operand : worklist.pop_back_val()->getOperands()) {
        Operation *producer = operand.getDefiningOp();
        if (!producer || !isa<ElementwiseOpInterface>(producer) ||
            absorbed.contains(producer) || shapeOf(producer) != shape ||
            bounds[position[producer]] != bounds[group] ||
            !llvm::all_of(producer->getUsers(), [&](Operation *user) {
              return find(position[user]) == find(group);
            }))
          continue;
        merge(find(position[producer]), find(group));
        absorbed.insert(producer);
        worklist.push_back(producer);
      }
    }
  }

  /// Merges a product with a group that reads its result, where that is
  /// possible.
  void attachEpilogue(TiledOpInterface product) {
    auto opts = remark::RemarkOpts::name("epilogue").category("fusion");
    std::string name = product->getName().getStringRef().str();
    std::string reason = "no elementwise operation reads its result";
    llvm::SmallSetVector<unsigned, 4> readers;
    for (Operation *user : product->getResult(0).getUsers())
      if (isa<ElementwiseOpInterface>(user))
        readers.insert(find(position[user]));
    for (unsigned group : readers) {
      std::string obstacle = obstacleTo(product, group);
      if (obstacle.empty()) {
        Operation *end = ops[*llvm::max_element(members[group])];
        merge(find(position[product]), group);
        withProduct.insert(find(group));
        remark::passed(product->getLoc(), opts)
            << name + " is fused with the " +
                   std::to_string(members[find(group)].size() - 1) +
                   " elementwise operation(s) that read its result, up to " +
                   end->getName().getStringRef().str();
        return;
      }
      reason = obstacle;
    }
    remark::missed(product->getLoc(), opts)
        << name + " stays a kernel of its own: " + reason;
  }

  /// Merges an operation with the groups that make what it reads at its tile's
  /// own place, where that is possible.
  void attachPrologues(TiledOpInterface tiled) {
    auto opts = remark::RemarkOpts::name("prologue").category("fusion");
    for (auto [i, operand] : llvm::enumerate(tiled->getOperands())) {
      Operation *producer = operand.getDefiningOp();
      if (!tiled.readsOwnTile(i) || !producer || !position.contains(producer) ||
          find(position[producer]) == find(position[tiled]))
        continue;
      std::string name = tiled->getName().getStringRef().str(),
                  from = producer->getName().getStringRef().str();
      std::string obstacle = obstacleBefore(tiled, producer);
      if (!obstacle.empty()) {
        remark::missed(tiled->getLoc(), opts)
            << name + " reads " + from + " from memory: " + obstacle;
        continue;
      }
      unsigned group = find(position[producer]);
      remark::passed(tiled->getLoc(), opts)
          << name + " is fused with the " +
                 std::to_string(members[group].size()) +
                 " elementwise operation(s) that it reads, up to " + from;
      merge(group, find(position[tiled]));
      withProduct.insert(find(group));
    }
  }

  /// Why the group of `producer` cannot come before the tile of `tiled` in its
  /// kernel; empty where it can.
  std::string obstacleBefore(TiledOpInterface tiled, Operation *producer) {
    unsigned group = find(position[producer]), own = find(position[tiled]);
    if (!isa<ElementwiseOpInterface>(producer))
      return isa<TiledOpInterface>(producer)
                 ? "an operation with a kernel of its own makes it"
                 : "it is not elementwise";
    if (withProduct.contains(group))
      return "it is the end of a kernel with another product";
    if (bounds[group] != bounds[own])
      return "only one of them may be left out";
    ArrayRef<int64_t> shape =
        cast<RankedTensorType>(tiled->getResult(0).getType()).getShape();
    for (unsigned member : members[group])
      if (isa<nn::ReduceSumOp>(ops[member]) || shapeOf(ops[member]) != shape)
        return "what makes it has another shape";
    if (boundaryOf(own, group) > maximumBoundary)
      return "the kernel would have more than " +
             std::to_string(maximumBoundary) + " buffers";
    if (reachesThroughOutside(group, own))
      return "it waits for another operation that reads what makes it";
    return {};
  }

  /// Why `group` cannot be the epilogue of `product`; empty where it can.
  std::string obstacleTo(TiledOpInterface product, unsigned group) {
    Value result = product->getResult(0);
    auto type = cast<RankedTensorType>(result.getType());
    if (withProduct.contains(group))
      return "what reads its result is the epilogue of another product";
    for (unsigned member : members[group]) {
      if (isa<nn::ReduceSumOp>(ops[member]))
        return "a reduction reads its result";
      if (shapeOf(ops[member]) != type.getShape())
        return "what reads its result has another shape";
      auto reader = cast<ElementwiseOpInterface>(ops[member]);
      for (auto [i, operand] : llvm::enumerate(reader->getOperands()))
        if (operand != result && operand.getDefiningOp() == product)
          return "what reads its result reads another of its results, too";
        else if (operand == result &&
                 !llvm::equal(reader.getOperandDimensions(i),
                              llvm::seq<int64_t>(0, type.getRank())))
          return "what reads its result does so at other indices";
    }
    unsigned own = find(position[product]);
    if (bounds[own] != bounds[group])
      return "only one of them may be left out";
    if (boundaryOf(own, group) > maximumBoundary)
      return "the kernel would have more than " +
             std::to_string(maximumBoundary) + " buffers";
    if (reachesThroughOutside(own, group))
      return "what reads its result also waits for another operation that does";
    return {};
  }

  /// Groups that have to be computed before `group`.
  llvm::SmallDenseSet<unsigned> producersOf(unsigned group) {
    llvm::SmallDenseSet<unsigned> producers;
    for (unsigned i : members[group]) {
      for (Value operand : ops[i]->getOperands())
        if (Operation *producer = operand.getDefiningOp())
          producers.insert(find(position[producer]));
      for (Operation *earlier : before.lookup(ops[i]))
        producers.insert(find(position[earlier]));
    }
    return producers;
  }

  /// Whether `to` depends on `from` through a third group.
  bool reachesThroughOutside(unsigned from, unsigned to) {
    SmallVector<unsigned> worklist;
    llvm::SmallDenseSet<unsigned> seen = {from, to};
    auto visit = [&](unsigned group) {
      for (unsigned producer : producersOf(group))
        // A group that ends before `from` begins cannot depend on it.
        if (last[producer] > first[from] && seen.insert(producer).second)
          worklist.push_back(producer);
    };
    visit(to);
    while (!worklist.empty()) {
      unsigned group = worklist.pop_back_val();
      if (producersOf(group).contains(from))
        return true;
      visit(group);
    }
    return false;
  }

  Block &block;
  /// What operations have to stay behind because of variables.
  DenseMap<Operation *, SmallVector<Operation *, 2>> before;
  std::vector<Operation *> ops;
  DenseMap<Operation *, unsigned> position;
  DenseSet<Operation *> absorbed;
  DenseSet<unsigned> withProduct; ///< groups that are an epilogue
  // Per group (union-find representative):
  std::vector<unsigned> parent, first, last;
  std::vector<SmallVector<unsigned, 4>> members;
  std::vector<std::optional<int64_t>> bounds; ///< one for all members
};

/// Gives every elementwise user its own copy of free operations.
void cloneFreeOperations(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    auto free = dyn_cast<ElementwiseOpInterface>(op);
    if (!free || !free.isFree())
      continue;
    for (OpOperand &use : llvm::make_early_inc_range(op.getUses())) {
      // What only one operation reads is left out with it.
      if (op.hasOneUse()) {
        setBound(&op, boundOf(use.getOwner()));
        break;
      }
      auto tiled = dyn_cast<TiledOpInterface>(use.getOwner());
      if (!isa<ElementwiseOpInterface, nn::ReduceSumOp>(use.getOwner()) &&
          !(tiled && tiled.readsOwnTile(use.getOperandNumber())))
        continue;
      OpBuilder builder(use.getOwner());
      Operation *clone = builder.clone(op);
      setBound(clone, boundOf(use.getOwner()));
      use.set(clone->getResult(0));
    }
    if (op.use_empty())
      op.erase();
  }
}

struct FuseElementwisePass
    : impl::FuseElementwisePassBase<FuseElementwisePass> {
  void runOnOperation() override {
    KernelTable kernels(getOperation());
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      if (failed(fuse(program.getBody().front(), kernels)))
        return signalPassFailure();
  }

  LogicalResult fuse(Block &block, KernelTable &kernels) {
    cloneFreeOperations(block);
    Grouping grouping(block, getOperation());
    grouping.build();
    SmallVector<SmallVector<Operation *>> order = grouping.schedule();
    for (auto &group : order)
      for (Operation *op : group)
        op->moveBefore(&block, block.end());
    for (auto &group : order) {
      bool reduction = llvm::any_of(group, llvm::IsaPred<nn::ReduceSumOp>);
      bool elementwise =
          llvm::any_of(group, llvm::IsaPred<ElementwiseOpInterface>);
      if (!reduction && !elementwise)
        continue;
      bool tiled = group.size() > 1 &&
                   llvm::any_of(group, llvm::IsaPred<TiledOpInterface>);
      if (failed(tiled ? outlineTiledGroup(group, kernels)
                       : outlineElementwiseGroup(group, kernels)))
        return failure();
    }
    return success();
  }
};

} // namespace
} // namespace trainc::fusion
