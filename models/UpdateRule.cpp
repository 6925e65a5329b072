//===- UpdateRule.cpp - optimizer and schedule as train.update ------------===//

#include "models/UpdateRule.h"

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

train::UpdateOp buildUpdate(ModelBuilder &model, const Optimizer &optimizer,
                            const Settings &optimizerSettings,
                            const Schedule &schedule,
                            const Settings &scheduleSettings,
                            const ScheduleShape &shape, Clipping clipping) {
  ModelBuilder::Scope scope(model, optimizer.name);
  OpBuilder &builder = model.builder();
  OpBuilder::InsertionGuard guard(builder);
  Location loc = model.loc();
  llvm::SmallVector<llvm::StringRef> states(optimizer.states.begin(),
                                            optimizer.states.end());
  llvm::SmallVector<llvm::StringRef> scalars;
  llvm::SmallVector<double> starts;
  for (const ScalarState &scalar : optimizer.scalars) {
    scalars.push_back(scalar.name);
    starts.push_back(scalar.start);
  }
  auto update = train::UpdateOp::create(
      builder, loc, optimizer.name, builder.getStrArrayAttr(states),
      builder.getStrArrayAttr(scalars), builder.getF64ArrayAttr(starts),
      llvm::APFloat(clipping.norm), llvm::APFloat(clipping.epsilon),
      shape.tokensPerUpdate > 0 ? builder.getF64FloatAttr(shape.tokensPerUpdate)
                                : FloatAttr(),
      llvm::APFloat(optimizerSettings.number("weight_decay")));

  Type f64 = builder.getF64Type(), f32 = builder.getF32Type();
  auto arguments = enterRegion(builder, update.getSchedule(), loc, 1, f64);
  yield(builder, loc,
        learningRate(schedule, scheduleSettings, shape, arguments[0]), {});

  arguments =
      enterRegion(builder, update.getStep(), loc, 1 + scalars.size(), f64);
  StepValues values =
      optimizer.step(optimizerSettings, arguments[0],
                     llvm::ArrayRef<Expression>(arguments).drop_front());
  yield(builder, loc, values.scalars, values.derived);

  size_t count = 3 + states.size() + values.derived.size();
  arguments = enterRegion(builder, update.getElement(), loc, count, f32);
  llvm::ArrayRef<Expression> all(arguments);
  Element element{.theta = all[0],
                  .gradient = all[1],
                  .states = all.slice(2, states.size()),
                  .decay = all[2 + states.size()],
                  .derived = all.drop_front(3 + states.size())};
  ElementValues results = optimizer.element(optimizerSettings, element);
  yield(builder, loc, results.theta, results.states);
  return update;
}

} // namespace trainc::models
