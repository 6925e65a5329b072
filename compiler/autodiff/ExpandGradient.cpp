//===- ExpandGradient.cpp - reverse mode over a program -------------------===//
//
// Decides where gradients come from and where they go: from the losses,
// weighted and divided by their counts, to a state per trainable parameter.
//
//===----------------------------------------------------------------------===//

#include "compiler/autodiff/Passes.h"
#include "compiler/autodiff/ReverseMode.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace trainc::autodiff {

#define GEN_PASS_DEF_EXPANDGRADIENTPASS
#include "compiler/autodiff/Passes.h.inc"

namespace {

/// Differentiates one program and lowers its loss terms.
class ProgramDifferentiator {
public:
  ProgramDifferentiator(plan::ProgramOp program, SymbolTable &symbols,
                        int64_t microBatches)
      : program(program), block(&program.getBody().front()), symbols(symbols),
        microBatches(microBatches),
        builder(OpBuilder::atBlockEnd(&program.getBody().front())),
        mode(builder) {}

  LogicalResult run();

private:
  void findActive();
  LogicalResult readScale();
  LogicalResult seed();
  LogicalResult propagate();
  LogicalResult writeGradients();
  LogicalResult lowerLosses();

  Value keepFirst(Location loc, Value fresh, StringRef symbol);
  Value firstMicroBatch();
  LogicalResult ensureState(Location loc, const std::string &name,
                            train::Role role, APFloat value);
  LogicalResult ensureMetric(Location loc, const std::string &name);

  RankedTensorType scalarType() {
    return RankedTensorType::get({}, builder.getF64Type());
  }
  Value scalar(Location loc, double value) {
    return nn::ConstantOp::create(
        builder, loc, scalarType(),
        DenseElementsAttr::get(scalarType(), llvm::ArrayRef(value)));
  }

  plan::ProgramOp program;
  Block *block;
  SymbolTable &symbols;
  int64_t microBatches;
  OpBuilder builder;
  ReverseMode mode;
  /// micro_batch == 0, made on first use.
  Value isFirst;
  /// What the loss is multiplied with; null where nothing is.
  Value scale;
};

/// A value is active if it depends on a trainable parameter.
void ProgramDifferentiator::findActive() {
  for (Operation &op : *block) {
    auto read = dyn_cast<train::ReadOp>(op);
    if (!read) {
      mode.spread(op);
      continue;
    }
    auto parameter = symbols.lookup<train::ParameterOp>(read.getSymbol());
    if (parameter && parameter.getTrainable())
      mode.activate(read.getResult());
  }
}

/// The scale of the loss, which the host can read after the step. It lives in a
/// state where it moves.
LogicalResult ProgramDifferentiator::readScale() {
  auto module = program->getParentOfType<ModuleOp>();
  auto all = module.getOps<train::ScaleLossOp>();
  if (all.empty())
    return success();
  train::ScaleLossOp rule = *all.begin();
  Location loc = rule.getLoc();
  if (rule.getDynamic()) {
    if (failed(ensureState(loc, train::kLossScale.str(), train::Role::Optimizer,
                           rule.getInitial())))
      return failure();
    scale =
        train::ReadOp::create(builder, loc, scalarType(), train::kLossScale);
  } else {
    scale = scalar(loc, rule.getInitial().convertToDouble());
  }
  if (failed(ensureMetric(loc, train::kUsedLossScale.str())))
    return failure();
  train::WriteOp::create(builder, loc, scale, train::kUsedLossScale);
  return success();
}

// d(loss)/d(sum) = weight · scale / Σ count over the step
// (training-semantics.md 3.1), 0 where nothing counts.
LogicalResult ProgramDifferentiator::seed() {
  for (auto loss : block->getOps<train::LossOp>()) {
    if (!mode.isActive(loss.getSum()))
      continue;
    Location loc = loss.getLoc();
    Type type = loss.getSum().getType();
    std::string count = ("loss." + loss.getName() + ".count").str();
    if (failed(ensureMetric(loc, count)))
      return failure();
    Value total = train::ReadOp::create(builder, loc, type, count);
    Value zero = scalar(loc, 0);
    Value weight = scalar(loc, loss.getWeight().convertToDouble());
    if (scale)
      weight = nn::MulOp::create(builder, loc, type, weight, scale);
    Value quotient = nn::DivOp::create(builder, loc, type, weight, total);
    Value empty = nn::CompareOp::create(
        builder, loc, RankedTensorType::get({}, builder.getI1Type()),
        nn::ComparePredicate::Equal, total, zero);
    mode.accumulate(loss.getSum(), nn::SelectOp::create(builder, loc, type,
                                                        empty, zero, quotient));
  }
  return success();
}

LogicalResult ProgramDifferentiator::propagate() {
  // Operations from here on are the backward computation's own.
  SmallVector<Operation *> forward;
  for (Operation &op : *block)
    if (!isa<train::ReadOp>(op))
      forward.push_back(&op);
  return mode.propagate(forward);
}

Value ProgramDifferentiator::firstMicroBatch() {
  if (isFirst)
    return isFirst;
  Location loc = program.getLoc();
  Value index;
  for (auto [name, argument] :
       llvm::zip(program.getInputs().getAsValueRange<StringAttr>(),
                 block->getArguments()))
    if (name == train::kControlMicroBatch)
      index = argument;
  if (!index) {
    index = block->addArgument(RankedTensorType::get({}, builder.getI64Type()),
                               loc);
    SmallVector<Attribute> names(program.getInputs().begin(),
                                 program.getInputs().end());
    names.push_back(builder.getStringAttr(train::kControlMicroBatch));
    program.setInputsAttr(builder.getArrayAttr(names));
  }
  auto type = cast<RankedTensorType>(index.getType());
  Value zero = nn::ConstantOp::create(
      builder, loc, type,
      DenseElementsAttr::get(type, llvm::ArrayRef<int64_t>(0)));
  isFirst = nn::CompareOp::create(builder, loc, type.clone(builder.getI1Type()),
                                  nn::ComparePredicate::Equal, index, zero);
  return isFirst;
}

/// `fresh` in the first micro-batch of a step, added to the state `symbol` in
/// later ones.
Value ProgramDifferentiator::keepFirst(Location loc, Value fresh,
                                       StringRef symbol) {
  auto type = cast<RankedTensorType>(fresh.getType());
  Value first = firstMicroBatch();
  Value old = train::ReadOp::create(builder, loc, type, symbol);
  return nn::AccumulateOp::create(builder, loc, type, old, fresh, first);
}

LogicalResult ProgramDifferentiator::writeGradients() {
  // One parameter may be read in several places (tied tensors).
  llvm::StringMap<Value> totals;
  for (auto read : llvm::make_early_inc_range(block->getOps<train::ReadOp>())) {
    Value gradient = mode.gradientOf(read.getResult());
    if (!gradient)
      continue;
    Value &total = totals[read.getSymbol()];
    total = total ? nn::AddOp::create(builder, gradient.getLoc(),
                                      gradient.getType(), total, gradient)
                        .getResult()
                  : gradient;
  }
  auto module = program->getParentOfType<ModuleOp>();
  for (auto parameter : module.getOps<train::ParameterOp>()) {
    if (!parameter.getTrainable())
      continue;
    Value gradient = totals.lookup(parameter.getSymName());
    if (!gradient)
      return parameter.emitOpError()
             << "expected every trainable parameter to reach a loss, but got "
                "none for '"
             << parameter.getExternalName()
             << "'; use it, or freeze it with trainable = false";
    std::string name = gradientName(parameter.getSymName());
    if (!symbols.lookup(name)) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPoint(program);
      symbols.insert(train::StateOp::create(
          builder, parameter.getLoc(), name, train::Role::Gradient,
          parameter.getType(), APFloat(0.0),
          FlatSymbolRefAttr::get(parameter.getSymNameAttr()), StringAttr()));
    }
    if (microBatches != 1)
      gradient = keepFirst(parameter.getLoc(), gradient, name);
    train::WriteOp::create(builder, parameter.getLoc(), gradient, name);
  }
  return success();
}

/// A scalar state of that name, created where it is missing.
LogicalResult ProgramDifferentiator::ensureState(Location loc,
                                                 const std::string &name,
                                                 train::Role role,
                                                 APFloat value) {
  RankedTensorType type = scalarType();
  if (Operation *existing = symbols.lookup(name)) {
    auto state = dyn_cast<train::StateOp>(existing);
    if (state && state.getTensorType() == type && state.getRole() == role)
      return success();
    return existing->emitOpError()
           << "expected @" << name << " to be a train.state of type " << type
           << " and role " << train::stringifyRole(role) << ", but it is not";
  }
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(program);
  auto external = role == train::Role::Optimizer ? builder.getStringAttr(name)
                                                 : StringAttr();
  symbols.insert(train::StateOp::create(builder, loc, name, role, type, value,
                                        FlatSymbolRefAttr(), external));
  return success();
}

LogicalResult ProgramDifferentiator::ensureMetric(Location loc,
                                                  const std::string &name) {
  return ensureState(loc, name, train::Role::Metric, APFloat(0.0));
}

LogicalResult ProgramDifferentiator::lowerLosses() {
  for (auto loss : llvm::make_early_inc_range(block->getOps<train::LossOp>())) {
    std::string name = ("loss." + loss.getName() + ".sum").str();
    if (failed(ensureMetric(loss.getLoc(), name)))
      return failure();
    Value sum = keepFirst(loss.getLoc(), loss.getSum(), name);
    train::WriteOp::create(builder, loss.getLoc(), sum, name);
    loss.erase();
  }
  return success();
}

LogicalResult ProgramDifferentiator::run() {
  auto requests = llvm::to_vector(block->getOps<train::GradientOp>());
  if (requests.size() > 1)
    return requests[1].emitOpError()
           << "expected one train.gradient in a program, but got a second";
  if (!requests.empty()) {
    Operation *request = requests.front();
    for (auto loss : block->getOps<train::LossOp>())
      if (request->isBeforeInBlock(loss))
        return request->emitOpError()
               << "expected every train.loss before train.gradient, but got \""
               << loss.getName() << "\" after it";
    findActive();
    if (failed(readScale()) || failed(seed()) || failed(propagate()) ||
        failed(writeGradients()))
      return failure();
    request->erase();
  }
  return lowerLosses();
}

struct ExpandGradientPass : impl::ExpandGradientPassBase<ExpandGradientPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    int64_t microBatches = 1;
    if (auto attribute =
            module->getAttrOfType<IntegerAttr>("train.micro_batches"))
      microBatches = attribute.getInt();
    for (auto program :
         llvm::make_early_inc_range(module.getOps<plan::ProgramOp>()))
      if (failed(ProgramDifferentiator(program, symbols, microBatches).run()))
        return signalPassFailure();
  }
};

} // namespace
} // namespace trainc::autodiff
