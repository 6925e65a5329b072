//===- LossScale.cpp - the scale of the loss over an update ---------------===//
//
// Decides what becomes of the scale after a step: one rule for PyTorch's,
// Megatron's and GPT-NeoX's forms (training-semantics.md 5). Its state is saved
// with the optimizer's.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/UpdateExpander.h"

#include <limits>

using namespace mlir;

namespace trainc::optimizer {

/// Below it the reciprocal would leave the range of f32.
constexpr double kSmallestScale = std::numeric_limits<float>::min();
constexpr double kLargestScale = std::numeric_limits<float>::max();

LogicalResult UpdateExpander::readScale() {
  auto all = update->getParentOfType<ModuleOp>().getOps<train::ScaleLossOp>();
  if (all.empty())
    return success();
  scaling = *all.begin();
  StringRef needed =
      scaling.getDynamic() ? train::kLossScale : train::kUsedLossScale;
  if (!symbols.lookup<train::StateOp>(needed))
    return scaling.emitOpError()
           << "expected a state @" << needed
           << " of gradients that are scaled, but got none; differentiate with "
              "train.gradient";
  scale = scaling.getDynamic()
              ? train::ReadOp::create(builder, loc, f64, train::kLossScale)
                    .getResult()
              : constant(f64, scaling.getInitial().convertToDouble());
  return success();
}

// Where all are finite, `interval` times in a row, the scale grows, unless it
// would leave f32; where not, it shrinks once `hysteresis` is used up. Only
// growth refills that (Megatron's rule; with 1 it is PyTorch's).
LogicalResult UpdateExpander::updateScale() {
  auto choose = [&](Value condition, Value yes, Value no) -> Value {
    return nn::SelectOp::create(builder, loc, f64, condition, yes, no);
  };
  auto compare = [&](Value lhs, nn::ComparePredicate predicate, double rhs) {
    return nn::CompareOp::create(builder, loc, f64.clone(builder.getI1Type()),
                                 predicate, lhs, constant(f64, rhs));
  };
  auto skipped =
      createState("metric.skipped", train::Role::Metric, f64, 0, {}, "");
  if (failed(skipped))
    return failure();
  train::WriteOp::create(builder, loc,
                         choose(finite, constant(f64, 0), constant(f64, 1)),
                         *skipped);
  if (!scaling.getDynamic())
    return success();

  double hysteresis = double(scaling.getHysteresis());
  auto createCounter = [&](const std::string &name, double start) {
    return createState(name, train::Role::Optimizer, f64, start, {}, name);
  };
  auto cleanSteps = createCounter("optimizer.clean_steps", 0);
  auto overflowsLeft = createCounter("optimizer.overflows_left", hysteresis);
  if (failed(cleanSteps) || failed(overflowsLeft))
    return failure();
  Value clean =
      train::ReadOp::create(builder, loc, f64, cleanSteps->getValue());
  Value left =
      train::ReadOp::create(builder, loc, f64, overflowsLeft->getValue());
  Value one = constant(f64, 1), zero = constant(f64, 0);

  // A clean step.
  Value counted = nn::AddOp::create(builder, loc, f64, clean, one);
  Value due = compare(counted, nn::ComparePredicate::GreaterEqual,
                      double(scaling.getInterval()));
  Value larger =
      nn::MulOp::create(builder, loc, f64, scale,
                        constant(f64, scaling.getGrowth().convertToDouble()));
  Value fits = compare(larger, nn::ComparePredicate::LessEqual, kLargestScale);
  Value grown = choose(due, choose(fits, larger, scale), scale);
  Value refilled = choose(due, constant(f64, hysteresis), left);
  // One that overflowed.
  Value fewer = nn::MaximumOp::create(
      builder, loc, f64, nn::SubOp::create(builder, loc, f64, left, one), zero);
  Value spent = compare(fewer, nn::ComparePredicate::LessEqual, 0);
  Value smaller =
      nn::MulOp::create(builder, loc, f64, scale,
                        constant(f64, scaling.getBackoff().convertToDouble()));
  Value held = nn::MaximumOp::create(
      builder, loc, f64, smaller,
      constant(f64,
               std::max(scaling.getFloor().convertToDouble(), kSmallestScale)));
  Value shrunk = choose(spent, held, scale);

  auto write = [&](Value value, StringRef name) {
    train::WriteOp::create(builder, loc, value, name);
  };
  write(choose(finite, grown, shrunk), train::kLossScale);
  write(choose(finite, choose(due, zero, counted), zero),
        cleanSteps->getValue());
  write(choose(finite, refilled, fewer), overflowsLeft->getValue());
  return success();
}

} // namespace trainc::optimizer
