//===- UpdateOps.cpp - verifiers of update rules --------------------------===//

#include "dialects/train/Train.h"

using namespace mlir;

namespace trainc::train {

Extent join(Extent a, Extent b) {
  if (a == b)
    return a;
  bool both = std::min(a, b) == Extent::Row && std::max(a, b) == Extent::Column;
  return both ? Extent::Element : std::max(a, b);
}

SmallVector<Extent> UpdateOp::getArgumentExtents(Region &region) {
  SmallVector<Extent> extents(2, Extent::Element); // θ, g
  if (&region == &getMatrix())
    for (int32_t extent : getMatrixExtents())
      extents.push_back(Extent(extent));
  else
    extents.append(getStates().size(), Extent::Element);
  extents.resize(region.getNumArguments(), Extent::Update);
  return extents;
}

Extents inferExtents(UpdateOp op, Region &region) {
  Extents extents;
  for (auto [argument, extent] :
       llvm::zip(region.getArguments(), op.getArgumentExtents(region)))
    extents[argument] = extent;
  for (Operation &inner : region.front().without_terminator()) {
    Extent extent = Extent::Update;
    if (auto mean = dyn_cast<MeanOp>(inner))
      extent = mean.getOver();
    else
      for (Value operand : inner.getOperands())
        extent = join(extent, extents.lookup(operand));
    for (Value result : inner.getResults())
      extents[result] = extent;
  }
  return extents;
}

LogicalResult OrthogonalizeOp::verify() {
  auto update = dyn_cast<UpdateOp>((*this)->getParentOp());
  if (!update ||
      (*this)->getParentRegion() != &update.getMatrix()) // orthogonalize_c1
    return emitOpError() << "expected to stand in region 'matrix' of "
                            "train.update, but got another place";
  if (int64_t(getSteps()) < 1) // orthogonalize_c3
    return emitOpError() << "expected at least 1 step, but got "
                         << int64_t(getSteps());
  return success();
}

LogicalResult MeanOp::verify() {
  auto update = dyn_cast<UpdateOp>((*this)->getParentOp());
  Region *region = (*this)->getParentRegion();
  bool matrix = update && region == &update.getMatrix();
  bool tensor =
      update && region == &update.getElement() && getOver() == Extent::Tensor;
  if (!matrix && !tensor) // mean_c2
    return emitOpError()
           << "expected to stand in region 'matrix' of train.update, or in "
              "'element' over the tensor, but got another place";
  if (getOver() == Extent::Update || getOver() == Extent::Element) // mean_c2
    return emitOpError() << "expected a mean over tensor, row or column, but "
                            "got one over "
                         << stringifyExtent(getOver());
  return success();
}

/// Arguments and yielded values of one region of train.update.
static LogicalResult verifyRegion(UpdateOp op, Region &region, StringRef name,
                                  unsigned minimumArguments, bool exact,
                                  unsigned minimumResults, bool f64) {
  Block &block = region.front();
  auto yield =
      dyn_cast_if_present<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield)
    return op.emitOpError()
           << "expected region '" << name << "' to end with train.yield";
  unsigned arguments = block.getNumArguments();
  if (arguments < minimumArguments ||
      (exact && arguments != minimumArguments)) // update_c1
    return op.emitOpError()
           << "expected " << (exact ? "" : "at least ") << minimumArguments
           << " arguments of region '" << name << "', but got " << arguments;
  if (yield.getNumOperands() < minimumResults)
    return op.emitOpError()
           << "expected region '" << name << "' to yield at least "
           << minimumResults << " values, but got " << yield.getNumOperands();
  auto isScalar = [&](Type type) {
    auto tensor = cast<RankedTensorType>(type);
    return tensor.getRank() == 0 && (!f64 || tensor.getElementType().isF64());
  };
  for (Type type : llvm::concat<const Type>(block.getArgumentTypes(),
                                            yield.getOperandTypes()))
    if (!isScalar(type))
      return op.emitOpError()
             << "expected scalars" << (f64 ? " of type tensor<f64>" : "")
             << " in region '" << name << "', but got " << type;
  return success();
}

/// How much the values of a region vary, and whether its means and what it
/// yields fit that.
static LogicalResult verifyElementwise(UpdateOp op, Region &region,
                                       StringRef name) {
  // On scalars every pure operation without regions is elementwise.
  auto isScalar = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() == 0;
  };
  Block &block = region.front();
  for (Operation &inner : block.without_terminator())
    if (inner.getNumRegions() != 0 || !isMemoryEffectFree(&inner) ||
        !llvm::all_of(inner.getOperandTypes(), isScalar) ||
        !llvm::all_of(inner.getResultTypes(), isScalar)) // update_c3
      return inner.emitOpError()
             << "expected elementwise operations on scalars, constants and "
                "means in region '"
             << name
             << "', but got this one; move anything else into region 'step'";
  Extents extents = inferExtents(op, region);
  for (auto matrix : block.getOps<OrthogonalizeOp>())
    if (extents.lookup(matrix.getInput()) !=
        Extent::Element) // orthogonalize_c2
      return matrix.emitOpError()
             << "expected a value that varies by element, but got one that "
                "varies by "
             << stringifyExtent(extents.lookup(matrix.getInput()));
  for (auto mean : block.getOps<MeanOp>()) {
    Extent input = extents.lookup(mean.getInput());
    bool tensor = mean.getOver() == Extent::Tensor;
    if (tensor ? input <= Extent::Tensor : input != Extent::Element) // mean_c3
      return mean.emitOpError()
             << "expected a value that varies by "
             << (tensor ? "row, column or element" : "element")
             << ", but got one that varies by " << stringifyExtent(input);
  }
  return success();
}

static LogicalResult verifyMatrix(UpdateOp op, unsigned derived) {
  unsigned states = op.getMatrixStates().size();
  if (op.getMatrixExtents().size() != states ||
      (op.getMatrix().empty() && states != 0)) // update_c1
    return op.emitOpError()
           << "expected one extent per matrix state, and a region 'matrix' "
              "that takes them, but got "
           << op.getMatrixExtents().size() << " and " << states << " states";
  if (op.getMatrix().empty())
    return success();
  if (failed(verifyRegion(op, op.getMatrix(), "matrix", 3 + states + derived,
                          true, 1 + states, false)) ||
      failed(verifyElementwise(op, op.getMatrix(), "matrix")))
    return failure();
  Extents extents = inferExtents(op, op.getMatrix());
  ValueRange yielded = op.getMatrix().front().getTerminator()->getOperands();
  for (unsigned i = 0; i < states; ++i) {
    auto own = Extent(op.getMatrixExtents()[i]);
    if (own < Extent::Row || own > Extent::Element) // update_c1
      return op.emitOpError() << "expected states of extent row, column or "
                                 "element in region 'matrix', but got "
                              << stringifyExtent(own);
    Extent value = extents.lookup(yielded[1 + i]);
    if (join(value, own) != own) // update_c4
      return op.emitOpError()
             << "expected a new value of state " << op.getMatrixStates()[i]
             << " that varies by " << stringifyExtent(own)
             << " at most, but got one that varies by "
             << stringifyExtent(value) << "; take a train.mean";
  }
  return success();
}

LogicalResult UpdateOp::verify() {
  unsigned states = getStates().size(), scalars = getScalars().size();
  if (getScalarValues().size() != scalars) // update_c2
    return emitOpError() << "expected " << scalars << " scalar values, but got "
                         << getScalarValues().size();
  if (failed(
          verifyRegion(*this, getSchedule(), "schedule", 1, true, 1, true)) ||
      failed(verifyRegion(*this, getStep(), "step", 1 + scalars, true, scalars,
                          true)))
    return failure();
  unsigned derived = getStep().front().back().getNumOperands() - scalars;
  if (failed(verifyRegion(*this, getElement(), "element", 3 + states + derived,
                          true, 1 + states, false)))
    return failure();
  if (failed(verifyElementwise(*this, getElement(), "element")))
    return failure();
  return verifyMatrix(*this, derived);
}

} // namespace trainc::train
