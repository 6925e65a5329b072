//===- SweepUpdate.cpp - region `element` over a group of parameters ------===//
//
// The element region is cloned once per group, flat over all of its parameters.
// Later stages see one sweep, however many parameters there are.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/UpdateExpander.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace trainc::optimizer {

LogicalResult UpdateExpander::updateParameters(const Sweep &sweep) {
  RankedTensorType type = sweep.type;
  Block &block = update.getElement().front();
  for (BlockArgument argument : block.getArguments())
    if (cast<RankedTensorType>(argument.getType()).getElementType() !=
        type.getElementType())
      return update.emitOpError()
             << "expected region 'element' in the type "
             << type.getElementType() << " of parameter '"
             << train::ParameterOp(sweep.parameters.front()).getExternalName()
             << "', but got " << argument.getType();

  Value gradient = sweep.gradient;
  if (coefficient)
    gradient = nn::MulOp::create(builder, loc, type, gradient,
                                 spread(coefficient, type));
  SmallVector<StringAttr> variables{builder.getStringAttr(sweep.name)};
  SmallVector<Value> arguments{
      train::ReadOp::create(builder, loc, type, sweep.name), gradient};
  for (StringRef name : update.getStates().getAsValueRange<StringAttr>()) {
    SmallVector<Attribute> members;
    for (train::ParameterOp parameter : sweep.parameters) {
      auto state = createState(
          (parameter.getSymName() + "." + name).str(), train::Role::Optimizer,
          parameter.getTensorType(), 0, parameter,
          (parameter.getExternalName() + "." + name).str());
      if (failed(state))
        return failure();
      members.push_back(FlatSymbolRefAttr::get(*state));
    }
    auto group = createGroup((sweep.name + "." + name).str(), members, type);
    if (failed(group))
      return failure();
    variables.push_back(*group);
    arguments.push_back(
        train::ReadOp::create(builder, loc, type, group->getValue()));
  }
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
  for (auto [variable, value] :
       llvm::zip(variables, block.getTerminator()->getOperands()))
    train::WriteOp::create(builder, loc, mapping.lookup(value), variable);
  return success();
}

} // namespace trainc::optimizer
