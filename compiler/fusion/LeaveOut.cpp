//===- LeaveOut.cpp - work for what is not written after all --------------===//
//
// A variable that is written its own old value, where some scalar says so, need
// not be written then, and what only the new value needs not be computed. The
// operations get a bound (Bounds.h), and the new value is made where the old
// one lies. The choice is an nn.select, or one inside a train.sweep that writes
// the variable. Only nn operations and sweeps are left out, where nothing else
// reads the choice.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Bounds.h"
#include "compiler/fusion/Fusion.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_LEAVEOUTPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

bool isScalar(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank() == 0;
}

/// The scalar that says everywhere whether `choice` takes its new value.
Value conditionOf(nn::SelectOp choice) {
  Value condition = choice.getCondition();
  if (auto spread = condition.getDefiningOp<nn::BroadcastOp>())
    condition = spread.getInput();
  return isScalar(condition) ? condition : Value();
}

/// What one operation writes to variables if they change, and only then.
using Writes = llvm::SmallDenseSet<Operation *>;

class Leaving {
public:
  explicit Leaving(Block &block) : block(block) {
    for (auto write : block.getOps<train::WriteOp>())
      ++writes[write.getSymbol()];
  }

  void run() {
    llvm::MapVector<Value, Writes> choices;
    for (auto write : block.getOps<train::WriteOp>())
      if (Value condition = conditionOf(write))
        choices[condition].insert(write);
    for (auto &[condition, keeping] : choices)
      leaveOut(condition, keeping);
  }

private:
  /// The scalar that says whether `write` writes a new value or the variable's
  /// old one; null where it writes anything else.
  Value conditionOf(train::WriteOp write) {
    auto result = dyn_cast<OpResult>(write.getValue());
    if (!result || !result.hasOneUse() || writes[write.getSymbol()] != 1)
      return {};
    if (auto choice = dyn_cast<nn::SelectOp>(result.getOwner()))
      return isOldValue(choice.getOnFalse(), write)
                 ? trainc::fusion::conditionOf(choice)
                 : Value();
    auto sweep = dyn_cast<train::SweepOp>(result.getOwner());
    if (!sweep || result.getResultNumber() >= sweep.getNewElements().size())
      return {};
    Operation *yield = sweep.getBody().front().getTerminator();
    auto choice = yield->getOperand(result.getResultNumber())
                      .getDefiningOp<nn::SelectOp>();
    auto outside = [&](Value inner) {
      auto argument = dyn_cast<BlockArgument>(inner);
      return argument ? sweep->getOperand(argument.getArgNumber()) : Value();
    };
    Value old = choice ? outside(choice.getOnFalse()) : Value();
    Value condition = choice ? outside(choice.getCondition()) : Value();
    return old && llvm::is_contained(sweep.getElements(), old) &&
                   isOldValue(old, write) && isReadLast(old, sweep) &&
                   condition && isScalar(condition)
               ? condition
               : Value();
  }

  static bool isOldValue(Value value, train::WriteOp write) {
    auto read = value.getDefiningOp<train::ReadOp>();
    return read && read.getSymbol() == write.getSymbol();
  }

  /// Whether `op` can write where `old` lies: it is the last to read it.
  bool isReadLast(Value old, Operation *op) {
    return llvm::count(op->getOperands(), old) == 1 &&
           llvm::all_of(old.getUsers(), [&](Operation *user) {
             return user == op ||
                    (user->getBlock() == &block && user->isBeforeInBlock(op));
           });
  }

  void leaveOut(Value condition, const Writes &keeping) {
    llvm::SetVector<Operation *> wanted = onlyFor(condition, keeping);
    if (wanted.empty())
      return;
    auto opts = remark::RemarkOpts::name("leave-out").category("fusion");
    // A kernel of the choice alone would read from memory what it chooses.
    for (Operation *op : wanted)
      if (auto choice = dyn_cast<nn::SelectOp>(op);
          choice && keeping.contains(*choice->user_begin()) &&
          isWantedElsewhere(choice.getOnTrue(), wanted)) {
        remark::missed(choice.getLoc(), opts)
            << "new values of variables are computed where the old ones are "
               "kept, too: others read them";
        return;
      }
    OpBuilder builder(block.getParentOp()->getContext());
    builder.setInsertionPointAfterValue(condition);
    Location loc = condition.getLoc();
    auto number = RankedTensorType::get({}, builder.getI64Type());
    auto constant = [&](int64_t value) -> Value {
      return nn::ConstantOp::create(
          builder, loc, number,
          DenseElementsAttr::get(number, llvm::ArrayRef(value)));
    };
    Value all = constant(INT64_MAX), none = constant(0);
    int64_t bound = addBound(block, nn::SelectOp::create(builder, loc, number,
                                                         condition, all, none));
    for (Operation *op : wanted)
      setBound(op, bound);
    remark::passed(wanted.back()->getLoc(), opts)
        << std::to_string(wanted.size()) +
               " operation(s) for new values of variables do not run where "
               "the old ones are kept";
  }

  /// Whether a tensor that is computed is not computed only for `wanted`.
  static bool isWantedElsewhere(Value value,
                                const llvm::SetVector<Operation *> &wanted) {
    Operation *maker = value.getDefiningOp();
    return !isScalar(value) &&
           isa_and_present<nn::NNDialect>(maker ? maker->getDialect()
                                                : nullptr) &&
           !wanted.contains(maker);
  }

  /// Operations that only the `keeping` writes need. Scalars that tensors
  /// do not make are left: there may be others to compute them with.
  llvm::SetVector<Operation *> onlyFor(Value condition, const Writes &keeping) {
    llvm::SetVector<Operation *> all, kept;
    for (Operation &op : llvm::reverse(block)) {
      if (&op == condition.getDefiningOp() || boundOf(&op) || op.use_empty() ||
          !(isa<nn::NNDialect>(op.getDialect()) || isa<train::SweepOp>(op)))
        continue;
      if (llvm::all_of(op.getUsers(), [&](Operation *user) {
            return all.contains(user) || keeping.contains(user);
          }))
        all.insert(&op);
    }
    for (Operation &op : block) {
      if (!all.contains(&op))
        continue;
      bool scalars = llvm::all_of(op.getResults(), isScalar);
      bool fromTensors = llvm::any_of(op.getOperands(), [&](Value operand) {
        return kept.contains(operand.getDefiningOp());
      });
      if (!scalars || fromTensors)
        kept.insert(&op);
    }
    return kept;
  }

  Block &block;
  llvm::StringMap<unsigned> writes; ///< of each variable
};

struct LeaveOutPass : impl::LeaveOutPassBase<LeaveOutPass> {
  void runOnOperation() override {
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      Leaving(program.getBody().front()).run();
  }
};

} // namespace
} // namespace trainc::fusion
