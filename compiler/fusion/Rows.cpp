//===- Rows.cpp - computing some rows at a time ---------------------------===//

#include "compiler/fusion/Rows.h"

#include "dialects/nn/Nn.h"
#include "dialects/train/Train.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace trainc::fusion {
namespace {

using nn::ElementwiseOpInterface;
using nn::RowwiseOpInterface;

/// Elementwise operations: what runs along dimension 0 of the result.
LogicalResult cutElementwise(ElementwiseOpInterface op,
                             llvm::function_ref<bool(Value)> isByRows,
                             RowCut &cut) {
  bool known = isByRows(op->getResult(0));
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    SmallVector<int64_t> dimensions = op.getOperandDimensions(i);
    bool rows = !dimensions.empty() && dimensions.front() == 0;
    if (isByRows(operand) && !rows)
      return failure();
    known |= isByRows(operand);
    cut.operands.push_back(rows);
  }
  cut.sums.push_back(false);
  return success(known);
}

LogicalResult cutInto(Operation *op, llvm::function_ref<bool(Value)> isByRows,
                      RowCut &cut) {
  if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
    return cutElementwise(elementwise, isByRows, cut);
  auto rowwise = dyn_cast<RowwiseOpInterface>(op);
  if (!rowwise)
    return failure();
  cut.operands.assign(op->getNumOperands(), false);
  cut.sums.assign(op->getNumResults(), false);
  return rowwise.cutRows(isByRows, cut.operands, cut.sums);
}

} // namespace

bool isFreeOperation(Operation *op) {
  auto elementwise = dyn_cast_or_null<ElementwiseOpInterface>(op);
  return elementwise && elementwise.isFree();
}

RowRegion::RowRegion(Value wide) : wide(wide) {
  markRows(wide);
  if (Operation *producer = wide.getDefiningOp())
    add(producer);
  else
    reason = "the program gets them whole";
  for (Operation *user : wide.getUsers())
    add(user);
  addBetween();
  for (auto &[op, cut] : cuts)
    order.push_back(op);
  llvm::sort(order,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  checkInside();
}

Operation *RowRegion::begin() const {
  return *llvm::find_if_not(order, isFreeOperation);
}

bool RowRegion::isWide(Value value) const {
  return cast<ShapedType>(value.getType()).getShape() ==
         cast<ShapedType>(wide.getType()).getShape();
}

void RowRegion::fail(Operation *op, const llvm::Twine &why) {
  if (reason.empty())
    reason = (op->getName().getStringRef() + " " + why).str();
}

void RowRegion::markRows(Value value) { byRows.insert(value); }

void RowRegion::add(Operation *op) {
  if (!reason.empty() || cuts.contains(op))
    return;
  RowCut cut;
  if (!isPure(op) ||
      failed(cutInto(
          op, [&](Value value) { return byRows.contains(value); }, cut)))
    return fail(op, "needs all rows at once");
  cuts[op] = cut;
  // A product begins the region: what it is made of need not be by rows.
  bool isProduct = isa<nn::TiledOpInterface>(op);
  for (auto [operand, rows] : llvm::zip(op->getOperands(), cut.operands)) {
    Operation *producer = operand.getDefiningOp();
    if (!rows)
      continue;
    bool isNew = byRows.insert(operand).second;
    if (!isNew || !producer)
      continue;
    bool follow = isWide(operand) && !isProduct;
    if (follow || isFreeOperation(producer))
      add(producer);
    if (follow)
      for (Operation *user : operand.getUsers())
        add(user);
  }
  for (auto [result, sum] : llvm::zip(op->getResults(), cut.sums)) {
    if (sum)
      continue;
    markRows(result);
    if (isWide(result))
      for (Operation *user : result.getUsers())
        add(user);
  }
}

/// Adds what depends on the region and is needed by it.
void RowRegion::addBetween() {
  while (reason.empty()) {
    llvm::SetVector<Operation *> dependent, between;
    for (Operation &op : *wide.getParentBlock())
      if (!cuts.contains(&op) && llvm::any_of(op.getOperands(), [&](Value v) {
            Operation *producer = v.getDefiningOp();
            return producer &&
                   (cuts.contains(producer) || dependent.contains(producer));
          }))
        dependent.insert(&op);
    auto addProducers = [&](Operation *op) {
      for (Value operand : op->getOperands())
        if (Operation *producer = operand.getDefiningOp();
            producer && dependent.contains(producer))
          between.insert(producer);
    };
    for (auto &[op, cut] : cuts)
      addProducers(op);
    for (unsigned i = 0; i < between.size(); ++i)
      addProducers(between[i]);
    if (between.empty())
      return;
    // In order, so that what an operation reads of the region is known.
    for (Operation *op : dependent)
      if (between.contains(op))
        add(op);
  }
}

/// What the region makes must be read by the rule by which it is made.
void RowRegion::checkInside() {
  for (Operation *op : order)
    for (auto [operand, rows] : llvm::zip(op->getOperands(), cut(op).operands))
      if (Operation *producer = operand.getDefiningOp();
          producer && cuts.contains(producer)) {
        unsigned result = cast<OpResult>(operand).getResultNumber();
        if (cuts[producer].sums[result] || !rows)
          fail(op, "needs the result of " + producer->getName().getStringRef() +
                       " for all rows");
      }
}

Operation *RowRegion::cloneRows(OpBuilder &builder, Operation *op,
                                ValueRange operands, int64_t rows) const {
  Operation *clone = builder.clone(*op);
  clone->setOperands(operands);
  for (auto [result, sum] : llvm::zip(clone->getResults(), cut(op).sums)) {
    auto type = cast<RankedTensorType>(result.getType());
    SmallVector<int64_t> shape(type.getShape());
    if (!sum)
      shape.front() = rows;
    result.setType(type.clone(shape));
  }
  // The one operation whose result's shape is also that of an attribute.
  if (auto constant = dyn_cast<nn::ConstantOp>(clone))
    constant.setValueAttr(cast<DenseElementsAttr>(constant.getValue())
                              .resizeSplat(constant.getType()));
  return clone;
}

/// Collects what must move, in reverse order of dependences.
static bool collect(Value value, Operation *point,
                    llvm::SetVector<Operation *> &moved) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != point->getBlock() ||
      op->isBeforeInBlock(point) || moved.contains(op))
    return true;
  if (op == point)
    return false;
  if (auto read = dyn_cast<train::ReadOp>(op)) {
    for (Operation *other = point; other != op; other = other->getNextNode())
      if (auto write = dyn_cast<train::WriteOp>(other);
          write && write.getSymbol() == read.getSymbol())
        return false;
  } else if (!isPure(op) || op->getNumRegions()) {
    return false;
  }
  for (Value operand : op->getOperands())
    if (!collect(operand, point, moved))
      return false;
  moved.insert(op);
  return true;
}

bool hoistBefore(Value value, Operation *point) {
  llvm::SetVector<Operation *> moved; // dependences first
  if (!collect(value, point, moved))
    return false;
  for (Operation *op : moved)
    op->moveBefore(point);
  return true;
}

} // namespace trainc::fusion
