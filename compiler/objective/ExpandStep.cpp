//===- ExpandStep.cpp - slices train.step into programs -------------------===//
//
// Every program is a copy of the step's body whose sinks (loss terms, outputs,
// gradient, update) are replaced by what the program is for; then whatever no
// sink needs is dead, inputs included.
//
//===----------------------------------------------------------------------===//

#include "compiler/objective/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace trainc::objective {

#define GEN_PASS_DEF_EXPANDSTEPPASS
#include "compiler/objective/Passes.h.inc"

namespace {

/// One pass over a module with one train.step.
class StepExpander {
public:
  StepExpander(train::StepOp step, ModuleOp module)
      : step_(step), module_(module), symbols_(module),
        builder_(module.getContext()) {}

  LogicalResult run();

private:
  LogicalResult createStates();
  LogicalResult createState(Location loc, const std::string &name,
                            train::Role role, Type type);
  /// A copy of the step as program `name`, before the step.
  plan::ProgramOp cloneStep(llvm::StringRef name);
  /// The argument control.micro_batch, i64 scalar, added to the program.
  Value addMicroBatch(plan::ProgramOp program);
  void buildCount();
  void buildAccumulate();
  void buildEvaluate();
  void buildPredict();
  void buildApply();

  RankedTensorType scalar() {
    return RankedTensorType::get({}, builder_.getF64Type());
  }

  train::StepOp step_;
  ModuleOp module_;
  SymbolTable symbols_;
  OpBuilder builder_;
};

template <typename... Ops> void eraseAll(plan::ProgramOp program) {
  for (Operation &op :
       llvm::make_early_inc_range(program.getBody().front().getOperations()))
    if (isa<Ops...>(op))
      op.erase();
}

void removeNoise(plan::ProgramOp program) {
  IRRewriter rewriter(program.getContext());
  for (Operation &op :
       llvm::make_early_inc_range(program.getBody().front().getOperations()))
    if (auto stochastic = dyn_cast<nn::StochasticOpInterface>(op)) {
      rewriter.setInsertionPoint(&op);
      stochastic.removeNoise(rewriter);
    }
}

/// Erases operations without users or effects, then inputs without users,
/// except those of `kept`.
void removeDead(plan::ProgramOp program, llvm::StringRef kept = "") {
  Block &block = program.getBody().front();
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(block.getOperations())))
    if (isOpTriviallyDead(&op))
      op.erase();
  llvm::SmallVector<llvm::StringRef> names(
      program.getInputs().getAsValueRange<StringAttr>());
  llvm::SmallVector<llvm::StringRef> left;
  llvm::BitVector dead(block.getNumArguments());
  for (auto [index, name] : llvm::enumerate(names)) {
    if (block.getArgument(index).use_empty() && name != kept)
      dead.set(index);
    else
      left.push_back(name);
  }
  block.eraseArguments(dead);
  program.setInputsAttr(Builder(program.getContext()).getStrArrayAttr(left));
}

LogicalResult StepExpander::createState(Location loc, const std::string &name,
                                        train::Role role, Type type) {
  if (Operation *other = symbols_.lookup(name)) {
    InFlightDiagnostic diagnostic =
        emitError(loc) << "expected @" << name
                       << " to be free for the state that this makes, but got "
                          "a symbol of that name";
    diagnostic.attachNote(other->getLoc()) << "the other one is here";
    return diagnostic;
  }
  builder_.setInsertionPoint(step_);
  auto state = train::StateOp::create(builder_, loc, name, role, type,
                                      llvm::APFloat(0.0), FlatSymbolRefAttr(),
                                      StringAttr());
  symbols_.insert(state, Block::iterator(step_));
  return success();
}

LogicalResult StepExpander::createStates() {
  llvm::SmallVector<Attribute> terms;
  for (auto loss : step_.getOps<train::LossOp>()) {
    for (llvm::StringRef part :
         {"sum", "count", "evaluate_sum", "evaluate_count"})
      if (failed(createState(loss.getLoc(), lossName(loss.getName(), part),
                             train::Role::Metric, scalar())))
        return failure();
    terms.push_back(builder_.getDictionaryAttr(
        {builder_.getNamedAttr("name", loss.getNameAttr()),
         builder_.getNamedAttr("weight", loss.getWeightAttr()),
         builder_.getNamedAttr("normalize", loss.getNormalizeAttr())}));
  }
  module_->setAttr("train.loss_terms", builder_.getArrayAttr(terms));
  for (auto output : step_.getOps<train::OutputOp>())
    if (failed(createState(output.getLoc(), output.getName().str(),
                           train::Role::Output, output.getValue().getType())))
      return failure();
  return success();
}

plan::ProgramOp StepExpander::cloneStep(llvm::StringRef name) {
  builder_.setInsertionPoint(step_);
  auto program = plan::ProgramOp::create(builder_, step_.getLoc(), name,
                                         step_.getInputs());
  IRMapping mapping;
  step_.getBody().cloneInto(&program.getBody(), mapping);
  builder_.setInsertionPointToEnd(&program.getBody().front());
  return program;
}

Value StepExpander::addMicroBatch(plan::ProgramOp program) {
  llvm::SmallVector<Attribute> names(program.getInputs().getValue());
  Block &block = program.getBody().front();
  auto name = builder_.getStringAttr(train::kControlMicroBatch);
  if (auto *found = llvm::find(names, name); found != names.end())
    return block.getArgument(found - names.begin());
  names.push_back(name);
  program.setInputsAttr(builder_.getArrayAttr(names));
  return block.addArgument(RankedTensorType::get({}, builder_.getI64Type()),
                           program.getLoc());
}

void StepExpander::buildCount() {
  plan::ProgramOp program = cloneStep("count");
  Value microBatch = addMicroBatch(program);
  Location loc = program.getLoc();
  auto constant = [&](RankedTensorType type, Attribute value) -> Value {
    return nn::ConstantOp::create(builder_, loc,
                                  DenseElementsAttr::get(type, value));
  };
  auto integer = cast<RankedTensorType>(microBatch.getType());
  Value first =
      nn::CompareOp::create(builder_, loc, integer.clone(builder_.getI1Type()),
                            nn::ComparePredicate::Equal, microBatch,
                            constant(integer, builder_.getI64IntegerAttr(0)));
  Value zero = constant(scalar(), builder_.getF64FloatAttr(0));
  for (auto loss : program.getOps<train::LossOp>()) {
    std::string name = lossName(loss.getName(), "count");
    Value before = train::ReadOp::create(builder_, loc, scalar(), name);
    before = nn::SelectOp::create(builder_, loc, first, zero, before);
    Value total =
        nn::AddOp::create(builder_, loc, scalar(), before, loss.getCount());
    train::WriteOp::create(builder_, loc, total, name);
  }
  eraseAll<train::LossOp, train::OutputOp, train::GradientOp, train::UpdateOp>(
      program);
  removeDead(program);
}

void StepExpander::buildAccumulate() {
  plan::ProgramOp program = cloneStep("accumulate");
  addMicroBatch(program);
  eraseAll<train::OutputOp, train::UpdateOp>(program);
  // The gradient is summed over micro-batches, so it needs their number.
  removeDead(program, /*kept=*/train::kControlMicroBatch);
}

void StepExpander::buildEvaluate() {
  plan::ProgramOp program = cloneStep("evaluate");
  for (auto loss : program.getOps<train::LossOp>()) {
    train::WriteOp::create(builder_, loss.getLoc(), loss.getSum(),
                           lossName(loss.getName(), "evaluate_sum"));
    train::WriteOp::create(builder_, loss.getLoc(), loss.getCount(),
                           lossName(loss.getName(), "evaluate_count"));
  }
  eraseAll<train::LossOp, train::OutputOp, train::GradientOp, train::UpdateOp>(
      program);
  removeNoise(program);
  removeDead(program);
}

void StepExpander::buildPredict() {
  if (step_.getOps<train::OutputOp>().empty())
    return;
  plan::ProgramOp program = cloneStep("predict");
  for (auto output : program.getOps<train::OutputOp>())
    train::WriteOp::create(builder_, output.getLoc(), output.getValue(),
                           output.getName());
  eraseAll<train::LossOp, train::OutputOp, train::GradientOp, train::UpdateOp>(
      program);
  removeNoise(program);
  removeDead(program);
}

void StepExpander::buildApply() {
  if (step_.getOps<train::UpdateOp>().empty())
    return;
  plan::ProgramOp program = cloneStep("apply");
  eraseAll<train::LossOp, train::OutputOp, train::GradientOp>(program);
  removeDead(program);
}

LogicalResult StepExpander::run() {
  if (failed(createStates()))
    return failure();
  buildCount();
  buildAccumulate();
  buildApply();
  buildEvaluate();
  buildPredict();
  step_.erase();
  return success();
}

struct ExpandStepPass : impl::ExpandStepPassBase<ExpandStepPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto step : llvm::make_early_inc_range(module.getOps<train::StepOp>()))
      if (failed(StepExpander(step, module).run()))
        return signalPassFailure();
  }
};

} // namespace
} // namespace trainc::objective
