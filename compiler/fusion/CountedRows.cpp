//===- CountedRows.cpp - only the rows that a loss counts -----------------===//

#include "compiler/fusion/CountedRows.h"

#include "compiler/fusion/Bounds.h"

using namespace mlir;

namespace trainc::fusion {

using nn::ElementwiseOpInterface;
using nn::RowwiseOpInterface;

/// Whether result `result` is zero where operands by rows with `silent` are.
static bool isSilent(Operation *op, unsigned result, ArrayRef<bool> silent) {
  if (auto rowwise = dyn_cast<RowwiseOpInterface>(op))
    return rowwise.isSilent(result, silent);
  auto elementwise = cast<ElementwiseOpInterface>(op);
  for (unsigned i = 0; i < silent.size(); ++i)
    if (silent[i] && elementwise.isZeroWith(i))
      return true;
  return false;
}

CountedRows::CountedRows(const RowRegion &region, Operation *loss) {
  auto rowwise = dyn_cast<RowwiseOpInterface>(loss);
  auto own = rowwise ? rowwise.getRowTargets() : std::nullopt;
  if (!own) {
    reason = "the loss counts all rows";
    return;
  }
  std::tie(targets, ignored) = *own;
  findObstacle(region);
}

/// Everything that leaves the region must be known where rows do not count.
void CountedRows::findObstacle(const RowRegion &region) {
  // Targets, which are silent themselves, and zeros.
  llvm::DenseSet<Value> silent = {targets};
  for (Operation *op : region.operations()) {
    StringRef name = op->getName().getStringRef();
    if (auto rowwise = dyn_cast<RowwiseOpInterface>(op))
      if (auto others = rowwise.getRowTargets();
          others && *others != std::pair(targets, ignored)) {
        reason = (name + " counts other rows").str();
        return;
      }
    const RowCut &cut = region.cut(op);
    SmallVector<bool> operands;
    for (auto [operand, byRows] : llvm::zip(op->getOperands(), cut.operands))
      operands.push_back(byRows && silent.contains(operand));
    for (OpResult result : op->getResults()) {
      if (isSilent(op, result.getResultNumber(), operands)) {
        silent.insert(result);
        continue;
      }
      bool leaves = !isFreeOperation(op) &&
                    llvm::any_of(result.getUsers(), [&](Operation *user) {
                      return !region.contains(user);
                    });
      if (leaves && reason.empty())
        reason = ("what " + name + " makes of rows that do not count is wanted")
                     .str();
    }
  }
}

void CountedRows::create(OpBuilder &builder, ArrayRef<int64_t> firsts) {
  Type ids = targets.getType(),
       number = RankedTensorType::get({}, builder.getI64Type());
  SmallVector<Type> types(firsts.size(), number);
  order = nn::OrderRowsOp::create(builder, targets.getLoc(), ids, ids, number,
                                  types, targets, firsts, ignored);
  for (Value bound : order.getBounds())
    bounds.push_back(addBound(*order->getBlock(), bound));
}

Value CountedRows::gather(OpBuilder &builder, Value whole) {
  Value &made = gathered[whole];
  if (!made)
    made = nn::GatherRowsOp::create(builder, whole.getLoc(), whole.getType(),
                                    whole, order.getOrder(), Value());
  return made;
}

Value CountedRows::scatter(OpBuilder &builder, Value whole) {
  return nn::GatherRowsOp::create(builder, whole.getLoc(), whole.getType(),
                                  whole, order.getSlots(), order.getCounted());
}

} // namespace trainc::fusion
