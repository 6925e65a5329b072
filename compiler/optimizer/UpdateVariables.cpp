//===- UpdateVariables.cpp - states and groups of an update ---------------===//
//
// Decides the names of what the optimizer keeps, and which parameters form a
// group: those that take the same rule (of one element type, weight decay and
// learning rate, and of one shape where the rule has means); their gradients
// form one, too.
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

Value UpdateExpander::writeIfFinite(Value value, Value before,
                                    StringAttr variable) {
  auto type = cast<RankedTensorType>(value.getType());
  Value condition = finite;
  if (type.getRank())
    condition =
        nn::BroadcastOp::create(builder, loc, type.clone(builder.getI1Type()),
                                condition, ArrayRef<int64_t>());
  Value kept =
      nn::SelectOp::create(builder, loc, type, condition, value, before);
  train::WriteOp::create(builder, loc, kept, variable);
  return kept;
}

/// A vector as rows and columns, for rules that have no means over those: long
/// ones in rows, so that several workgroups have something to do.
static std::pair<int64_t, int64_t> cutVector(int64_t size) {
  constexpr int64_t longest = 1 << 14, most = 4096, least = 64;
  for (int64_t columns = most; size > longest && columns >= least; --columns)
    if (size % columns == 0)
      return {size / columns, columns};
  return {1, size};
}

/// The region that a parameter takes, and what else must agree for parameters
/// to be updated together.
Sweep UpdateExpander::describe(train::ParameterOp parameter) {
  RankedTensorType type = parameter.getTensorType();
  bool matrix = !update.getMatrix().empty() && parameter.getMatrix() &&
                type.getRank() == 2 &&
                llvm::all_of(type.getShape(), [&](int64_t size) {
                  return size >= int64_t(update.getMatrixMinimum());
                });
  Region &region = matrix ? update.getMatrix() : update.getElement();
  Sweep sweep{.name = "sweep." + std::to_string(sweeps.size()),
              .region = &region,
              .shape = {},
              .alone = false,
              .parameters = {parameter},
              .type = RankedTensorType::get({}, type.getElementType()),
              .decay = update.getWeightDecay().convertToDouble(),
              .rateFactor = parameter.getRateFactor().convertToDouble(),
              .copied = {},
              .gradient = {}};
  if (train::StateOp copy = copies.lookup(parameter.getSymName()))
    sweep.copied = copy.getTensorType().getElementType();
  Block &block = region.front();
  // What an orthogonalised matrix needs beside it is freed for the next one.
  sweep.alone = !block.getOps<train::OrthogonalizeOp>().empty();
  if (sweep.alone || !block.getOps<train::MeanOp>().empty())
    sweep.shape = matrix ? std::pair(type.getDimSize(0), type.getDimSize(1))
                         : cutVector(type.getNumElements());
  if (parameter.getWeightDecay())
    sweep.decay = parameter.getWeightDecay()->convertToDouble();
  // A rule that does not look at its weight decay is the same for all.
  unsigned states =
      matrix ? update.getMatrixStates().size() : update.getStates().size();
  if (!parameter.getDecay() || block.getArgument(2 + states).use_empty())
    sweep.decay = 0;
  return sweep;
}

/// Elements of the matrices of one shape that are updated together, beyond the
/// first: what several passes read should stay in a cache that cores share.
static constexpr int64_t togetherElements = 1 << 22;

/// Whether a further matrix would be too many.
static bool isFull(const Sweep &sweep) {
  if (!sweep.shape)
    return false;
  auto [rows, columns] = *sweep.shape;
  return int64_t(sweep.parameters.size() + 1) * rows * columns >
         togetherElements;
}

LogicalResult UpdateExpander::formSweeps(ModuleOp module) {
  for (auto parameter : module.getOps<train::ParameterOp>()) {
    if (!parameter.getTrainable())
      continue;
    Sweep own = describe(parameter);
    auto sweep = llvm::find_if(sweeps, [&](const Sweep &other) {
      return !own.alone && other.region == own.region &&
             other.shape == own.shape && other.type == own.type &&
             other.decay == own.decay && other.rateFactor == own.rateFactor &&
             other.copied == own.copied && !isFull(other);
    });
    if (sweep == sweeps.end())
      sweeps.push_back(own);
    else
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

/// A state `name` of each of the sweep's parameters, as a group.
FailureOr<StringAttr> UpdateExpander::createStates(const Sweep &sweep,
                                                   StringRef name,
                                                   train::Extent extent) {
  SmallVector<Attribute> members;
  int64_t size = 0;
  for (train::ParameterOp parameter : sweep.parameters) {
    RankedTensorType type = parameter.getTensorType();
    if (extent == train::Extent::Row)
      type = type.clone({type.getDimSize(0)});
    if (extent == train::Extent::Column)
      type = type.clone({type.getDimSize(1)});
    auto state = createState((parameter.getSymName() + "." + name).str(),
                             train::Role::Optimizer, type, 0, parameter,
                             (parameter.getExternalName() + "." + name).str());
    if (failed(state))
      return failure();
    members.push_back(FlatSymbolRefAttr::get(*state));
    size += train::GroupOp::getExtent(type);
  }
  return createGroup((sweep.name + "." + name).str(), members,
                     sweep.type.clone({size}));
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
