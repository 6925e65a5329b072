//===- Bounds.cpp - operations whose launches may be left out -------------===//

#include "compiler/fusion/Bounds.h"

#include "dialects/plan/Plan.h"

using namespace mlir;

namespace trainc::fusion {
namespace {

constexpr StringLiteral kBound = "fusion.bound";

plan::BoundsOp boundsOf(Block &block) {
  auto all = block.getOps<plan::BoundsOp>();
  return all.empty() ? plan::BoundsOp() : *all.begin();
}

} // namespace

std::optional<int64_t> boundOf(Operation *op) {
  auto number = op->getAttrOfType<IntegerAttr>(kBound);
  return number ? std::optional<int64_t>(number.getInt()) : std::nullopt;
}

void setBound(Operation *op, std::optional<int64_t> bound) {
  if (bound)
    op->setAttr(kBound, Builder(op->getContext()).getI64IntegerAttr(*bound));
  else
    op->removeAttr(kBound);
}

int64_t addBound(Block &block, Value value) {
  plan::BoundsOp bounds = boundsOf(block);
  if (!bounds) {
    OpBuilder builder = OpBuilder::atBlockEnd(&block);
    bounds = plan::BoundsOp::create(builder, value.getLoc(), ValueRange());
  }
  int64_t number = bounds.getBounds().size();
  bounds.getBoundsMutable().append(value);
  return number;
}

Value boundValueOf(Operation *op) {
  std::optional<int64_t> number = boundOf(op);
  plan::BoundsOp bounds = number ? boundsOf(*op->getBlock()) : plan::BoundsOp();
  if (!bounds || *number < 0 ||
      *number >= static_cast<int64_t>(bounds.getBounds().size()))
    return {};
  return bounds.getBounds()[*number];
}

Value takeBound(ArrayRef<Operation *> ops) {
  Value value = boundValueOf(ops.front());
  for (Operation *op : ops)
    setBound(op, std::nullopt);
  return value;
}

} // namespace trainc::fusion
