//===- UpdateVariables.cpp - states and groups of an update ---------------===//
//
// Decides the names of what the optimizer keeps, and which parameters form a
// group: those that take the same rule (of one element type, weight decay and
// learning rate); their gradients form one, too.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/UpdateExpander.h"

using namespace mlir;

namespace trainc::optimizer {

LogicalResult UpdateExpander::expectFree(StringRef name) {
  if (Operation *existing = symbols.lookup(name))
    return existing->emitOpError()
           << "expected the name @" << name
           << " to be free for a state of the optimizer, but got this; rename "
              "the parameter";
  return success();
}

FailureOr<StringAttr>
UpdateExpander::createState(const std::string &name, train::Role role,
                            RankedTensorType type, double value,
                            train::ParameterOp parameter,
                            const std::string &externalName) {
  if (failed(expectFree(name)))
    return failure();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(program);
  auto owner = parameter ? FlatSymbolRefAttr::get(parameter.getSymNameAttr())
                         : FlatSymbolRefAttr();
  auto external = role == train::Role::Optimizer
                      ? builder.getStringAttr(externalName)
                      : StringAttr();
  auto state = train::StateOp::create(builder, loc, name, role, type,
                                      APFloat(value), owner, external);
  symbols.insert(state);
  return state.getSymNameAttr();
}

FailureOr<StringAttr> UpdateExpander::createGroup(const std::string &name,
                                                  ArrayRef<Attribute> members,
                                                  RankedTensorType type) {
  if (failed(expectFree(name)))
    return failure();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(program);
  auto group = train::GroupOp::create(builder, loc, name,
                                      builder.getArrayAttr(members), type);
  symbols.insert(group);
  return group.getSymNameAttr();
}

LogicalResult UpdateExpander::formSweeps(ModuleOp module) {
  // A rule that does not look at its weight decay is the same for all.
  Block &element = update.getElement().front();
  unsigned decayIndex = 2 + update.getStates().size();
  bool usesDecay = !element.getArgument(decayIndex).use_empty();
  double decay = update.getWeightDecay().convertToDouble();
  for (auto parameter : module.getOps<train::ParameterOp>()) {
    if (!parameter.getTrainable())
      continue;
    double own = parameter.getWeightDecay()
                     ? parameter.getWeightDecay()->convertToDouble()
                     : decay;
    own = usesDecay && parameter.getDecay() ? own : 0;
    double factor = parameter.getRateFactor().convertToDouble();
    Type type = parameter.getTensorType().getElementType();
    auto sweep = llvm::find_if(sweeps, [&](const Sweep &other) {
      return other.type.getElementType() == type && other.decay == own &&
             other.rateFactor == factor;
    });
    if (sweep == sweeps.end()) {
      sweeps.push_back({.name = "sweep." + std::to_string(sweeps.size()),
                        .parameters = {},
                        .type = RankedTensorType::get({}, type),
                        .decay = own,
                        .rateFactor = factor,
                        .gradient = {}});
      sweep = std::prev(sweeps.end());
    }
    sweep->parameters.push_back(parameter);
  }
  for (Sweep &sweep : sweeps) {
    int64_t size = 0;
    SmallVector<Attribute> members;
    for (train::ParameterOp parameter : sweep.parameters) {
      size += train::GroupOp::getExtent(parameter.getTensorType());
      members.push_back(FlatSymbolRefAttr::get(parameter.getSymNameAttr()));
    }
    sweep.type = RankedTensorType::get(size, sweep.type.getElementType());
    if (failed(createGroup(sweep.name, members, sweep.type)) ||
        failed(readGradients(sweep)))
      return failure();
  }
  return success();
}

LogicalResult UpdateExpander::readGradients(Sweep &sweep) {
  SmallVector<Attribute> members;
  for (train::ParameterOp parameter : sweep.parameters) {
    std::string name = ("grad." + parameter.getSymName()).str();
    auto state = symbols.lookup<train::StateOp>(name);
    if (!state)
      return update.emitOpError()
             << "expected a gradient state @" << name
             << " of every trainable parameter, but got none; differentiate "
                "with train.gradient";
    members.push_back(FlatSymbolRefAttr::get(state.getSymNameAttr()));
  }
  auto group = createGroup(sweep.name + ".grad", members, sweep.type);
  if (failed(group))
    return failure();
  sweep.gradient = train::ReadOp::create(builder, loc, sweep.type, *group);
  return success();
}

} // namespace trainc::optimizer
