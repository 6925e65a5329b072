//===- SweepUpdate.cpp - a region over a group of parameters --------------===//
//
// A region without means is cloned once per group, flat over all of its
// parameters: later stages see one sweep, however many parameters there are.
// One with means becomes passes over parameters of one shape.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/ShapedUpdate.h"
#include "compiler/optimizer/UpdateExpander.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace trainc::optimizer {

LogicalResult UpdateExpander::updateParameters(const Sweep &sweep) {
  RankedTensorType type = sweep.type;
  bool matrix = sweep.region == &update.getMatrix();
  for (BlockArgument argument : sweep.region->getArguments())
    if (cast<RankedTensorType>(argument.getType()).getElementType() !=
        type.getElementType())
      return update.emitOpError()
             << "expected region '" << (matrix ? "matrix" : "element")
             << "' in the type " << type.getElementType() << " of parameter '"
             << train::ParameterOp(sweep.parameters.front()).getExternalName()
             << "', but got " << argument.getType();

  SmallVector<StringAttr> variables{builder.getStringAttr(sweep.name)};
  SmallVector<Value> reads{
      train::ReadOp::create(builder, loc, type, sweep.name), sweep.gradient};
  SmallVector<train::Extent> extents = update.getArgumentExtents(*sweep.region);
  ArrayAttr names = matrix ? update.getMatrixStates() : update.getStates();
  for (auto [i, name] : llvm::enumerate(names.getAsValueRange<StringAttr>())) {
    auto group = createStates(sweep, name, extents[2 + i]);
    if (failed(group))
      return failure();
    variables.push_back(*group);
    auto symbol = symbols.lookup<train::GroupOp>(*group);
    reads.push_back(train::ReadOp::create(builder, loc, symbol.getTensorType(),
                                          group->getValue()));
  }
  auto copy = groupCopies(sweep);
  if (failed(copy))
    return failure();
  if (sweep.shape)
    updateShaped(sweep, variables, reads, *copy);
  else
    updateFlat(sweep, variables, reads, *copy);
  return success();
}

void UpdateExpander::updateShaped(const Sweep &sweep,
                                  ArrayRef<StringAttr> variables,
                                  ArrayRef<Value> reads, StringAttr copy) {
  Type element = sweep.type.getElementType();
  auto [rows, columns] = *sweep.shape;
  ShapedParameters parameters{int64_t(sweep.parameters.size()),
                              rows,
                              columns,
                              SmallVector<Value>(reads),
                              SmallVector<StringAttr>(variables),
                              coefficient ? convert(coefficient, element)
                                          : Value(),
                              finite,
                              copy,
                              sweep.copied};
  parameters.arguments.push_back(constant(f64.clone(element), sweep.decay));
  for (Value scalar : deriveFor(sweep.rateFactor))
    parameters.arguments.push_back(convert(scalar, element));
  buildShapedUpdate(builder, update, *sweep.region, parameters);
}

void UpdateExpander::updateFlat(const Sweep &sweep,
                                ArrayRef<StringAttr> variables,
                                ArrayRef<Value> reads, StringAttr copy) {
  RankedTensorType type = sweep.type;
  Block &block = sweep.region->front();
  SmallVector<Value> arguments(reads);
  if (coefficient)
    arguments[1] = nn::MulOp::create(builder, loc, type, arguments[1],
                                     spread(coefficient, type));
  arguments.push_back(constant(type, sweep.decay));
  for (Value scalar : deriveFor(sweep.rateFactor))
    arguments.push_back(spread(scalar, type));

  // Operations on scalars become the same on tensors of the group's length.
  IRMapping mapping;
  mapping.map(block.getArguments(), arguments);
  for (Operation &op : block.without_terminator()) {
    Operation *clone = builder.clone(op, mapping);
    bool isConstant = op.hasTrait<OpTrait::ConstantLike>();
    for (auto [from, to] : llvm::zip(op.getResults(), clone->getResults())) {
      Type wide = cast<RankedTensorType>(from.getType()).clone(type.getShape());
      if (isConstant)
        mapping.map(from, nn::BroadcastOp::create(builder, loc, wide, to,
                                                  ArrayRef<int64_t>())
                              .getResult());
      else
        to.setType(cast<RankedTensorType>(wide));
    }
  }
  for (auto [i, variable, value] :
       llvm::enumerate(variables, block.getTerminator()->getOperands())) {
    Value before = arguments[i == 0 ? 0 : i + 1]; // behind the gradient
    Value made = mapping.lookup(value);
    writeIfFinite(made, before, variable);
    if (i != 0 || !copy)
      continue;
    auto narrow = RankedTensorType::get(type.getShape(), sweep.copied);
    writeIfFinite(nn::CastOp::create(builder, loc, narrow, made),
                  train::ReadOp::create(builder, loc, narrow, copy), copy);
  }
}

} // namespace trainc::optimizer
