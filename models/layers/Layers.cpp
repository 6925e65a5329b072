//===- Layers.cpp - the layers that families share ------------------------===//

#include "models/layers/Layers.h"

using namespace mlir;

namespace trainc::models {

Value conv1d(ModelBuilder &model, llvm::StringRef name, Value rows,
             int64_t outputs, Init weight) {
  ModelBuilder::Scope scope(model, name);
  OpBuilder &builder = model.builder();
  int64_t inputs = shapeOf(rows).back();
  RankedTensorType type = model.floats({shapeOf(rows).front(), outputs});
  Value w = model.parameter("weight", {inputs, outputs},
                            model.initScheme().matrix(inputs, outputs, weight));
  Value b = model.parameter("bias", {outputs}, Init::constant(0));
  Value product = nn::MatmulOp::create(builder, model.loc(), type, rows, w);
  Value bias = nn::BroadcastOp::create(builder, model.loc(), type, b,
                                       llvm::ArrayRef<int64_t>{1});
  return nn::AddOp::create(builder, model.loc(), type, product, bias);
}

Value layerNorm(ModelBuilder &model, llvm::StringRef name, Value rows,
                double epsilon) {
  ModelBuilder::Scope scope(model, name);
  int64_t channels = shapeOf(rows).back();
  Value weight = model.parameter("weight", {channels}, Init::constant(1));
  Value bias = model.parameter("bias", {channels}, Init::constant(0));
  RankedTensorType statistics = model.floats(shapeOf(rows).drop_back());
  auto norm = nn::LayerNormOp::create(
      model.builder(), model.loc(), rows.getType(), statistics, statistics,
      rows, weight, bias, llvm::APFloat(epsilon));
  return norm.getResult();
}

Value embedding(ModelBuilder &model, llvm::StringRef name, Value ids,
                int64_t size, int64_t channels, Init init) {
  ModelBuilder::Scope scope(model, name);
  Value table = model.parameter("weight", {size, channels},
                                model.initScheme().table(init));
  model.markTable(table);
  llvm::SmallVector<int64_t> shape(shapeOf(ids));
  shape.push_back(channels);
  return nn::EmbeddingOp::create(model.builder(), model.loc(),
                                 model.floats(shape), table, ids);
}

Value positions(ModelBuilder &model, llvm::StringRef name, int64_t batch,
                int64_t time, int64_t size, int64_t channels, Init init) {
  ModelBuilder::Scope scope(model, name);
  OpBuilder &builder = model.builder();
  Value rows = model.parameter("weight", {size, channels},
                               model.initScheme().table(init));
  model.markTable(rows);
  if (time != size)
    rows = nn::SliceOp::create(builder, model.loc(),
                               model.floats({time, channels}), rows,
                               llvm::ArrayRef<int64_t>{0, 0});
  return nn::BroadcastOp::create(builder, model.loc(),
                                 model.floats({batch, time, channels}), rows,
                                 llvm::ArrayRef<int64_t>{1, 2});
}

Value activation(ModelBuilder &model, llvm::StringRef kind, Value input) {
  OpBuilder &builder = model.builder();
  if (kind == kRelu)
    return nn::ReluOp::create(builder, model.loc(), input.getType(), input);
  auto gelu = kind == kGeluErf ? nn::GeluKind::Erf : nn::GeluKind::Tanh;
  return nn::GeluOp::create(builder, model.loc(), gelu, input);
}

} // namespace trainc::models
