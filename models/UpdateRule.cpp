//===- UpdateRule.cpp - optimizer and schedule as train.update ------------===//

#include "models/UpdateRule.h"

#include "llvm/ADT/SmallVectorExtras.h"
#include <algorithm>

using namespace mlir;

namespace trainc::models {

/// A new block of `count` scalars of `type`; the builder moves to its end.
static std::vector<Expression> enterRegion(OpBuilder &builder, Region &region,
                                           Location loc, size_t count,
                                           Type type) {
  Block &block = region.emplaceBlock();
  builder.setInsertionPointToEnd(&block);
  std::vector<Expression> arguments;
  for (size_t index = 0; index < count; ++index)
    arguments.emplace_back(
        builder, block.addArgument(RankedTensorType::get({}, type), loc));
  return arguments;
}

static void yield(OpBuilder &builder, Location loc,
                  llvm::ArrayRef<Expression> first,
                  llvm::ArrayRef<Expression> second) {
  llvm::SmallVector<Value> values;
  for (const Expression &expression : first)
    values.push_back(expression.value());
  for (const Expression &expression : second)
    values.push_back(expression.value());
  train::YieldOp::create(builder, loc, values);
}

Expression ScheduleMoment::progress() const {
  // A warm-up as long as the schedule leaves no update to decay over.
  return (update - shape.warmup) / std::max(shape.total - shape.warmup, 1.0);
}

Expression ScheduleMoment::warming() const {
  return now * shape.peak / shape.warmup;
}

static Expression learningRate(const Schedule &schedule,
                               const Settings &settings,
                               const ScheduleShape &shape, Expression update) {
  Expression held = shape.total > 0 ? minimum(update, shape.total) : update;
  const ScheduleMoment moment{held, update, shape};
  Expression rate = schedule.rate(settings, moment);
  if (shape.warmup <= 0 || (schedule.warms && !schedule.warms(settings)))
    return rate;
  Expression warming = moment.warming();
  return select(update.compare(nn::ComparePredicate::LessEqual,
                               update.constant(shape.warmup)),
                warming, rate);
}

/// The states that a recipe with these settings keeps.
static std::vector<State> kept(const std::vector<State> &all,
                               const Settings &settings) {
  std::vector<State> states;
  for (const State &state : all)
    if (state.key.empty() || settings.number(state.key) != 0)
      states.push_back(state);
  return states;
}

static llvm::SmallVector<llvm::StringRef>
namesOf(const std::vector<State> &states) {
  return llvm::map_to_vector(
      states, [](const State &state) { return llvm::StringRef(state.name); });
}

static void buildRule(OpBuilder &builder, Region &region, Location loc,
                      const Settings &settings, const ElementRule &rule,
                      size_t states, size_t derived) {
  auto arguments = enterRegion(builder, region, loc, 3 + states + derived,
                               builder.getF32Type());
  llvm::ArrayRef<Expression> all(arguments);
  ElementValues results =
      rule(settings, {.theta = all[0],
                      .gradient = all[1],
                      .states = all.slice(2, states),
                      .decay = all[2 + states],
                      .derived = all.drop_front(3 + states)});
  yield(builder, loc, results.theta, results.states);
}

train::UpdateOp buildUpdate(ModelBuilder &model, const Optimizer &optimizer,
                            const Settings &optimizerSettings,
                            const Schedule &schedule,
                            const Settings &scheduleSettings,
                            const ScheduleShape &shape, Clipping clipping) {
  ModelBuilder::Scope scope(model, optimizer.name);
  OpBuilder &builder = model.builder();
  OpBuilder::InsertionGuard guard(builder);
  Location loc = model.loc();
  std::vector<State> states = kept(optimizer.states, optimizerSettings);
  std::vector<State> matrixStates =
      kept(optimizer.matrixStates, optimizerSettings);
  llvm::SmallVector<int32_t> extents;
  for (const State &state : matrixStates)
    extents.push_back(int32_t(state.extent));
  int64_t minimum = optimizer.matrixMinimum.empty()
                        ? 0
                        : optimizerSettings.integer(optimizer.matrixMinimum);
  llvm::SmallVector<llvm::StringRef> scalars;
  llvm::SmallVector<double> starts;
  for (const ScalarState &scalar : optimizer.scalars) {
    scalars.push_back(scalar.name);
    starts.push_back(scalar.start);
  }
  auto update = train::UpdateOp::create(
      builder, loc, optimizer.name, builder.getStrArrayAttr(namesOf(states)),
      builder.getStrArrayAttr(scalars), builder.getF64ArrayAttr(starts),
      llvm::APFloat(clipping.norm), llvm::APFloat(clipping.epsilon),
      shape.tokensPerUpdate > 0 ? builder.getF64FloatAttr(shape.tokensPerUpdate)
                                : FloatAttr(),
      llvm::APFloat(optimizerSettings.number("weight_decay")),
      builder.getStrArrayAttr(namesOf(matrixStates)),
      builder.getDenseI32ArrayAttr(extents), minimum);

  Type f64 = builder.getF64Type();
  auto arguments = enterRegion(builder, update.getSchedule(), loc, 1, f64);
  yield(builder, loc,
        learningRate(schedule, scheduleSettings, shape, arguments[0]), {});

  arguments =
      enterRegion(builder, update.getStep(), loc, 1 + scalars.size(), f64);
  StepValues values =
      optimizer.step(optimizerSettings, arguments[0],
                     llvm::ArrayRef<Expression>(arguments).drop_front());
  yield(builder, loc, values.scalars, values.derived);

  size_t derived = values.derived.size();
  buildRule(builder, update.getElement(), loc, optimizerSettings,
            optimizer.element, states.size(), derived);
  if (!optimizer.matrix)
    return update;
  buildRule(builder, update.getMatrix(), loc, optimizerSettings,
            optimizer.matrix, matrixStates.size(), derived);
  return update;
}

} // namespace trainc::models
