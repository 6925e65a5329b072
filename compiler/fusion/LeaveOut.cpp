//===- LeaveOut.cpp - work for what is not written after all --------------===//
//
// A variable that is written its own old value, where some scalar says so, need
// not be written then, and what only the new value needs not be computed. The
// operations get a bound (Bounds.h), and the new value is made where the old
// one lies. Only nn operations are left out, where nothing else reads the
// choice.
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

class Leaving {
public:
  explicit Leaving(Block &block) : block(block) {
    for (auto write : block.getOps<train::WriteOp>())
      ++writes[write.getSymbol()];
  }

  void run() {
    llvm::MapVector<Value, SmallVector<nn::SelectOp>> choices;
    for (auto write : block.getOps<train::WriteOp>())
      if (nn::SelectOp choice = keepingChoice(write))
        if (Value condition = conditionOf(choice))
          choices[condition].push_back(choice);
    for (auto &[condition, roots] : choices)
      leaveOut(condition, roots);
  }

private:
  /// What `write` writes, if that is a new value or the variable's old one.
  nn::SelectOp keepingChoice(train::WriteOp write) {
    auto choice = write.getValue().getDefiningOp<nn::SelectOp>();
    if (!choice || !choice->hasOneUse() || writes[write.getSymbol()] != 1)
      return {};
    auto old = choice.getOnFalse().getDefiningOp<train::ReadOp>();
    return old && old.getSymbol() == write.getSymbol() ? choice
                                                       : nn::SelectOp();
  }

  void leaveOut(Value condition, ArrayRef<nn::SelectOp> roots) {
    llvm::SetVector<Operation *> wanted = onlyFor(condition, roots);
    if (wanted.empty())
      return;
    auto opts = remark::RemarkOpts::name("leave-out").category("fusion");
    // A kernel of the choice alone would read from memory what it chooses.
    for (Operation *op : wanted)
      if (auto choice = dyn_cast<nn::SelectOp>(op);
          choice && llvm::is_contained(roots, choice) &&
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

  /// Operations that only `roots` need, these included. Scalars that tensors
  /// do not make are left: there may be others to compute them with.
  llvm::SetVector<Operation *> onlyFor(Value condition,
                                       ArrayRef<nn::SelectOp> roots) {
    llvm::SetVector<Operation *> all, kept;
    all.insert(roots.begin(), roots.end());
    for (Operation &op : llvm::reverse(block)) {
      if (&op == condition.getDefiningOp() || boundOf(&op) || op.use_empty() ||
          !isa<nn::NNDialect>(op.getDialect()))
        continue;
      if (llvm::all_of(op.getUsers(),
                       [&](Operation *user) { return all.contains(user); }))
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
