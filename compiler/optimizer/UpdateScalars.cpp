//===- UpdateScalars.cpp - what is computed once per update ---------------===//
//
// In f64: the norm of the gradients, the learning rate of the schedule and the
// scalars that region `step` derives.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/UpdateExpander.h"
#include "mlir/IR/IRMapping.h"

#include <limits>

using namespace mlir;

namespace trainc::optimizer {

// ‖g‖ = √(Σ g²) over all gradients without the loss scale, sums in f64; the
// coefficient is min(1, c/(‖g‖ + ε)), over the scale. The sum is not finite
// exactly where a gradient is not: squares of f32 fit in f64 many times over.
LogicalResult UpdateExpander::measureNorm() {
  SmallVector<Attribute> all;
  for (const Sweep &sweep : sweeps)
    all.push_back(
        FlatSymbolRefAttr::get(builder.getContext(), sweep.name + ".grad"));
  Value total =
      train::SumSquaresOp::create(builder, loc, f64, builder.getArrayAttr(all));
  // Where terms of it are differences, rounding may leave less than nothing.
  total = nn::MaximumOp::create(builder, loc, f64, total, constant(f64, 0));
  Value norm = nn::SqrtOp::create(builder, loc, f64, total);
  if (scale) {
    coefficient = nn::DivOp::create(builder, loc, f64, constant(f64, 1), scale);
    norm = nn::MulOp::create(builder, loc, f64, norm, coefficient);
  }
  constexpr double kLargest = std::numeric_limits<double>::max();
  finite = nn::CompareOp::create(builder, loc, f64.clone(builder.getI1Type()),
                                 nn::ComparePredicate::LessEqual, norm,
                                 constant(f64, kLargest));
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
  Value clipping =
      nn::MinimumOp::create(builder, loc, f64, ratio, constant(f64, 1));
  coefficient =
      coefficient ? nn::MulOp::create(builder, loc, f64, clipping, coefficient)
                        .getResult()
                  : clipping;
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
  writeIfFinite(number, before, *updates);
  if (update.getTokensPerUpdate())
    number = countInTokens();
  learningRate = cloneScalars(update.getSchedule(), number).front();
  train::WriteOp::create(builder, loc, learningRate, *metric);
  return success();
}

/// Tokens consumed over those of a whole step: steps that the batch's ramp
/// makes smaller count less.
Value UpdateExpander::countInTokens() {
  auto i64 = RankedTensorType::get({}, builder.getI64Type());
  SmallVector<StringRef> names(
      program.getInputs().getAsValueRange<StringAttr>());
  names.push_back(train::kControlTokens);
  program.setInputsAttr(builder.getStrArrayAttr(names));
  Value consumed = nn::CastOp::create(
      builder, loc, f64, program.getBody().front().addArgument(i64, loc));
  return nn::DivOp::create(
      builder, loc, f64, consumed,
      constant(f64, update.getTokensPerUpdate()->convertToDouble()));
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
  for (auto [state, value, before] : llvm::zip(states, results, scalarsBefore))
    writeIfFinite(value, before, state);
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

} // namespace trainc::optimizer
