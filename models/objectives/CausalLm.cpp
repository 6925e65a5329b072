//===- CausalLm.cpp - next-token prediction -------------------------------===//
//
// Maximum likelihood of the next token (training-semantics.md 3.2). The data
// already holds the targets, so logits and targets are not shifted against
// each other here.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

using namespace mlir;

namespace trainc::models {
namespace {

constexpr int64_t kIgnoreIndex = -100;

Value scalarConstant(ModelBuilder &model, double value) {
  OpBuilder &builder = model.builder();
  auto type = RankedTensorType::get({}, builder.getF64Type());
  return nn::ConstantOp::create(
      builder, model.loc(),
      DenseElementsAttr::get(type, builder.getF64FloatAttr(value)));
}

/// Σ(targets != ignore) as an f64 scalar; targets i32 [N].
Value countTargets(ModelBuilder &model, Value targets) {
  OpBuilder &builder = model.builder();
  auto type = cast<RankedTensorType>(targets.getType());
  auto ignore = builder.getI32IntegerAttr(kIgnoreIndex);
  Value ignored = nn::ConstantOp::create(builder, model.loc(),
                                         DenseElementsAttr::get(type, ignore));
  Value counted = nn::CompareOp::create(
      builder, model.loc(), type.clone(builder.getI1Type()),
      nn::ComparePredicate::NotEqual, targets, ignored);
  Value ones = nn::CastOp::create(builder, model.loc(),
                                  type.clone(builder.getF64Type()), counted);
  return nn::ReduceSumOp::create(
      builder, model.loc(), RankedTensorType::get({}, builder.getF64Type()),
      ones, llvm::ArrayRef<int64_t>{0});
}

void build(ModelBuilder &model, const Family &family,
           const Settings &modelSettings, const Settings &objective,
           Value inputs, Value targets) {
  OpBuilder &builder = model.builder();
  Value hidden = family.buildHidden(model, modelSettings, inputs);
  int64_t batch = shapeOf(hidden)[0], time = shapeOf(hidden)[1];
  int64_t rows = batch * time;
  Value logits = family.buildLogits(
      model, modelSettings, reshape(model, hidden, {rows, shapeOf(hidden)[2]}));

  ModelBuilder::Scope scope(model, "causal_lm");
  Value flat = reshape(model, targets, {rows});
  auto entropy = nn::CrossEntropyOp::create(
      builder, model.loc(), model.floats({rows}), model.floats({rows}), logits,
      flat, kIgnoreIndex, llvm::APFloat(objective.number("label_smoothing")),
      llvm::APFloat(objective.number("z_loss")));
  Value sum = nn::ReduceSumOp::create(
      builder, model.loc(), RankedTensorType::get({}, builder.getF64Type()),
      entropy.getLoss(), llvm::ArrayRef<int64_t>{0});
  std::string normalize = objective.text("normalize");
  Value count = normalize == "sequences" ? scalarConstant(model, batch)
                : normalize == "padded"  ? scalarConstant(model, rows)
                                         : countTargets(model, flat);
  train::LossOp::create(builder, model.loc(), "causal_lm", sum, count,
                        llvm::APFloat(1.0), normalize);
  train::OutputOp::create(builder, model.loc(), "hidden_states", hidden);
  train::OutputOp::create(
      builder, model.loc(), "logits",
      reshape(model, logits, {batch, time, shapeOf(logits)[1]}));
}

} // namespace

Objective describeCausalLm() {
  Objective objective;
  objective.name = "causal_lm";
  objective.ignoreIndex = kIgnoreIndex;
  objective.keys = {
      choiceKey("normalize", "tokens", {"tokens", "sequences", "padded"},
                "what the loss is divided by"),
      numberKey("label_smoothing", 0.0, fraction(),
                "share of the target spread over the vocabulary"),
      numberKey("z_loss", 0.0, atLeast(0), "weight of ln(Z)^2 per token"),
  };
  objective.build = build;
  return objective;
}

} // namespace trainc::models
