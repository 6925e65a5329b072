//===- Blocks.cpp - attention and feed-forward sublayers ------------------===//

#include "models/layers/Blocks.h"

#include <cmath>

using namespace mlir;

namespace trainc::models {

Value causalSelfAttention(ModelBuilder &model, Value rows,
                          const AttentionShape &shape) {
  OpBuilder &builder = model.builder();
  int64_t count = shape.batch * shape.time;
  int64_t channels = shapeOf(rows).back();
  int64_t width = shape.heads * shape.headSize;

  Value joint = conv1d(model, "c_attn", rows, 3 * width, shape.projection);
  llvm::SmallVector<Type> thirds(3, model.floats({count, width}));
  auto parts = nn::SplitOp::create(builder, model.loc(), thirds, joint);
  llvm::SmallVector<Value> heads;
  for (Value part : parts.getParts())
    heads.push_back(reshape(
        model, part, {shape.batch, shape.time, shape.heads, shape.headSize}));

  bool noise = model.hasNoise() && shape.dropout > 0;
  Value counters = noise ? model.counters() : Value();
  auto mask = shape.window ? nn::MaskKind::Window : nn::MaskKind::Causal;
  auto attention = nn::AttentionOp::create(
      builder, model.loc(), heads[0].getType(),
      model.floats({shape.batch, shape.heads, shape.time}), mask, heads[0],
      heads[1], heads[2], /*lengths=*/Value(), /*relative_bias=*/Value(),
      counters, llvm::APFloat(1.0 / std::sqrt(double(shape.headSize))),
      llvm::APFloat(noise ? shape.dropout : 0.0), shape.window,
      noise ? model.nextStream() : 0);
  Value joined = reshape(model, attention.getResult(), {count, width});
  return conv1d(model, "c_proj", joined, channels, shape.output);
}

Value feedForward(ModelBuilder &model, Value rows, int64_t size,
                  llvm::StringRef kind, Init inner, Init output) {
  int64_t channels = shapeOf(rows).back();
  Value hidden = conv1d(model, "c_fc", rows, size, inner);
  hidden = activation(model, kind, hidden);
  return conv1d(model, "c_proj", hidden, channels, output);
}

} // namespace trainc::models
