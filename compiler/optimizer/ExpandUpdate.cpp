//===- ExpandUpdate.cpp - the update rule as tensor code ------------------===//
//
// Decides what is computed once per update (norm, learning rate, step scalars,
// in f64) and what per element: parameters that take the same rule (of one
// element type, weight decay and learning rate) form a group, and so do their
// gradients and states, so the element region is cloned once per group, flat
// over all of its parameters. Later stages see one sweep, however many
// parameters there are.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace trainc::optimizer {

#define GEN_PASS_DEF_EXPANDUPDATEPASS
#include "compiler/optimizer/Passes.h.inc"

namespace {

/// Parameters that one clone of the element region updates.
struct Sweep {
  std::string name; ///< of the parameters' group; others append ".<what>"
  SmallVector<train::ParameterOp> parameters;
  RankedTensorType type; ///< flat
  double decay;
  double rateFactor;
  Value gradient;
};

class UpdateExpander {
public:
  UpdateExpander(train::UpdateOp update, SymbolTable &symbols)
      : update(update), program(update->getParentOfType<plan::ProgramOp>()),
        symbols(symbols), builder(update), loc(update.getLoc()),
        f64(RankedTensorType::get({}, builder.getF64Type())) {}

  LogicalResult run();

private:
  LogicalResult formSweeps(ModuleOp module);
  LogicalResult readGradients(Sweep &sweep);
  LogicalResult measureNorm();
  LogicalResult runSchedule();
  LogicalResult runStep();
  SmallVector<Value> deriveFor(double rateFactor);
  LogicalResult updateParameters(const Sweep &sweep);

  LogicalResult expectFree(StringRef name);
  FailureOr<StringAttr> createState(const std::string &name, train::Role role,
                                    RankedTensorType type, double value,
                                    train::ParameterOp parameter,
                                    const std::string &externalName);
  FailureOr<StringAttr> createGroup(const std::string &name,
                                    ArrayRef<Attribute> members,
                                    RankedTensorType type);
  SmallVector<Value> cloneScalars(Region &region, ValueRange arguments);

  Value constant(RankedTensorType type, double value) {
    Attribute element = builder.getFloatAttr(type.getElementType(), value);
    return nn::ConstantOp::create(builder, loc, type,
                                  SplatElementsAttr::get(type, element));
  }
  /// The f64 scalar `value` everywhere in `type`.
  Value spread(Value value, RankedTensorType type) {
    if (!type.getElementType().isF64())
      value = nn::CastOp::create(builder, loc, f64.clone(type.getElementType()),
                                 value);
    return nn::BroadcastOp::create(builder, loc, type, value,
                                   ArrayRef<int64_t>());
  }

  train::UpdateOp update;
  plan::ProgramOp program;
  SymbolTable &symbols;
  OpBuilder builder;
  Location loc;
  RankedTensorType f64;

  std::vector<Sweep> sweeps;
  /// Factor of clipping, f64; null without clipping.
  Value coefficient;
  Value learningRate;
  /// Scalar states before this update.
  SmallVector<Value> scalarsBefore;
  /// What region `step` hands to region `element`, for factor 1.
  SmallVector<Value> derived;
};

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

// ‖g‖ = √(Σ g²) over all gradients, sums in f64; coefficient
// min(1, c/(‖g‖ + ε)).
LogicalResult UpdateExpander::measureNorm() {
  SmallVector<Attribute> all;
  for (const Sweep &sweep : sweeps)
    all.push_back(
        FlatSymbolRefAttr::get(builder.getContext(), sweep.name + ".grad"));
  Value total =
      train::SumSquaresOp::create(builder, loc, f64, builder.getArrayAttr(all));
  Value norm = nn::SqrtOp::create(builder, loc, f64, total);
  auto metric =
      createState("metric.grad_norm", train::Role::Metric, f64, 0, {}, "");
  if (failed(metric))
    return failure();
  train::WriteOp::create(builder, loc, norm, *metric);

  double clip = update.getClipNorm().convertToDouble();
  if (!(clip > 0))
    return success();
  Value safe = nn::AddOp::create(
      builder, loc, f64, norm,
      constant(f64, update.getClipEpsilon().convertToDouble()));
  Value ratio = nn::DivOp::create(builder, loc, f64, constant(f64, clip), safe);
  coefficient =
      nn::MinimumOp::create(builder, loc, f64, ratio, constant(f64, 1));
  return success();
}

/// The region's operations at the insertion point; returns what it yields.
SmallVector<Value> UpdateExpander::cloneScalars(Region &region,
                                                ValueRange arguments) {
  Block &block = region.front();
  IRMapping mapping;
  mapping.map(block.getArguments(), arguments);
  for (Operation &op : block.without_terminator())
    builder.clone(op, mapping);
  SmallVector<Value> results;
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(value));
  return results;
}

LogicalResult UpdateExpander::runSchedule() {
  auto updates = createState("optimizer.updates", train::Role::Optimizer, f64,
                             0, {}, "optimizer.updates");
  auto metric =
      createState("metric.learning_rate", train::Role::Metric, f64, 0, {}, "");
  if (failed(updates) || failed(metric))
    return failure();
  Value before = train::ReadOp::create(builder, loc, f64, updates->getValue());
  Value number = nn::AddOp::create(builder, loc, f64, before, constant(f64, 1));
  train::WriteOp::create(builder, loc, number, *updates);
  learningRate = cloneScalars(update.getSchedule(), number).front();
  train::WriteOp::create(builder, loc, learningRate, *metric);
  return success();
}

LogicalResult UpdateExpander::runStep() {
  SmallVector<StringAttr> states;
  for (auto [name, value] :
       llvm::zip(update.getScalars().getAsValueRange<StringAttr>(),
                 update.getScalarValues().getAsRange<FloatAttr>())) {
    std::string full = ("optimizer." + name).str();
    auto state = createState(full, train::Role::Optimizer, f64,
                             value.getValueAsDouble(), {}, full);
    if (failed(state))
      return failure();
    states.push_back(*state);
    scalarsBefore.push_back(
        train::ReadOp::create(builder, loc, f64, state->getValue()));
  }
  SmallVector<Value> arguments{learningRate};
  llvm::append_range(arguments, scalarsBefore);
  SmallVector<Value> results = cloneScalars(update.getStep(), arguments);
  for (auto [state, value] : llvm::zip(states, results))
    train::WriteOp::create(builder, loc, value, state);
  derived.assign(results.begin() + states.size(), results.end());
  return success();
}

/// What region `step` derives for parameters of another learning rate.
SmallVector<Value> UpdateExpander::deriveFor(double rateFactor) {
  if (rateFactor == 1)
    return derived;
  SmallVector<Value> arguments{nn::MulOp::create(
      builder, loc, f64, learningRate, constant(f64, rateFactor))};
  llvm::append_range(arguments, scalarsBefore);
  SmallVector<Value> results = cloneScalars(update.getStep(), arguments);
  results.erase(results.begin(), results.begin() + scalarsBefore.size());
  return results;
}

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

LogicalResult UpdateExpander::run() {
  auto module = update->getParentOfType<ModuleOp>();
  if (!program)
    return update.emitOpError()
           << "expected train.update in a plan.program after the objective "
              "stage, but got it elsewhere";
  if (failed(formSweeps(module)) || failed(measureNorm()) ||
      failed(runSchedule()) || failed(runStep()))
    return failure();
  for (const Sweep &sweep : sweeps)
    if (failed(updateParameters(sweep)))
      return failure();
  module->setAttr("train.metrics",
                  builder.getStrArrayAttr({"learning_rate", "grad_norm"}));
  update.erase();
  return success();
}

struct ExpandUpdatePass : impl::ExpandUpdatePassBase<ExpandUpdatePass> {
  void runOnOperation() override {
    SmallVector<train::UpdateOp> updates;
    getOperation().walk([&](train::UpdateOp op) { updates.push_back(op); });
    if (updates.size() > 1) {
      updates[1].emitOpError()
          << "expected one train.update in a module, but got a second";
      return signalPassFailure();
    }
    SymbolTable symbols(getOperation());
    for (train::UpdateOp update : updates)
      if (failed(UpdateExpander(update, symbols).run()))
        return signalPassFailure();
  }
};

} // namespace
} // namespace trainc::optimizer
