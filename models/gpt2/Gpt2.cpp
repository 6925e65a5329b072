//===- Gpt2.cpp - the GPT-2 family ----------------------------------------===//

#include "models/gpt2/Gpt2.h"

#include "models/layers/Blocks.h"

#include <cmath>

using namespace mlir;

namespace trainc::models {
namespace {

constexpr int64_t kMaximumSize = 1 << 20;

int64_t headSize(const Settings &model) {
  return model.has("head_size")
             ? model.integer("head_size")
             : model.integer("hidden_size") / model.integer("num_heads");
}

/// The named dropout rate, or the one that sets them all.
double dropoutRate(const Settings &model, llvm::StringRef key) {
  return model.number(model.has(key) ? key : "dropout");
}

/// h + drop(c_proj(…)) for one block: h += attn(ln_1(h)); h += mlp(ln_2(h)).
Value buildBlock(ModelBuilder &model, const Settings &settings, Value hidden,
                 int64_t batch, int64_t time) {
  OpBuilder &builder = model.builder();
  double epsilon = settings.number("norm_epsilon");
  double rate = dropoutRate(settings, "hidden_dropout");
  double deviation = settings.number("init_deviation");
  Init inner = Init::normal(deviation);
  // Two residual additions per layer: the variance of their sum stays that of
  // one (Radford et al. 2019, section 2.3).
  Init residual =
      Init::normal(deviation / std::sqrt(2.0 * settings.integer("num_layers")));

  auto add = [&](llvm::StringRef name, auto sublayer) {
    ModelBuilder::Scope scope(model, name);
    Value output = model.dropout(sublayer(), rate);
    hidden = nn::AddOp::create(builder, model.loc(), hidden.getType(), hidden,
                               output);
  };
  Value normed = layerNorm(model, "ln_1", hidden, epsilon);
  add("attn", [&] {
    return causalSelfAttention(
        model, normed,
        {.batch = batch,
         .time = time,
         .heads = settings.integer("num_heads"),
         .headSize = headSize(settings),
         .window = settings.integer("attention_window"),
         .dropout = dropoutRate(settings, "attention_dropout"),
         .projection = inner,
         .output = residual});
  });
  normed = layerNorm(model, "ln_2", hidden, epsilon);
  add("mlp", [&] {
    int64_t size = settings.has("ffn_size")
                       ? settings.integer("ffn_size")
                       : 4 * settings.integer("hidden_size");
    return feedForward(model, normed, size, settings.text("activation"), inner,
                       residual);
  });
  return hidden;
}

Value buildHidden(ModelBuilder &model, const Settings &settings, Value ids) {
  int64_t batch = shapeOf(ids)[0], time = shapeOf(ids)[1];
  int64_t channels = settings.integer("hidden_size");
  model.setInitScheme({.name = settings.text("init"),
                       .deviation = settings.number("init_deviation")});
  Init init = Init::normal(settings.number("init_deviation"));
  Value hidden = embedding(model, "wte", ids, settings.integer("vocab_size"),
                           channels, init);
  Value places = positions(model, "wpe", batch, time,
                           settings.integer("max_positions"), channels, init);
  hidden = nn::AddOp::create(model.builder(), model.loc(), hidden.getType(),
                             hidden, places);
  hidden = model.dropout(hidden, dropoutRate(settings, "embedding_dropout"));
  hidden = reshape(model, hidden, {batch * time, channels});
  for (int64_t layer = 0; layer < settings.integer("num_layers"); ++layer) {
    ModelBuilder::Scope scope(model, "h." + llvm::Twine(layer));
    hidden = buildBlock(model, settings, hidden, batch, time);
  }
  hidden = layerNorm(model, "ln_f", hidden, settings.number("norm_epsilon"));
  return reshape(model, hidden, {batch, time, channels});
}

Value buildLogits(ModelBuilder &model, const Settings &settings, Value rows) {
  int64_t vocabulary = settings.integer("vocab_size");
  int64_t channels = settings.integer("hidden_size");
  ModelBuilder::Scope scope(model, "lm_head");
  llvm::StringRef table = settings.flag("tie_embeddings")
                              ? "transformer.wte.weight"
                              : "lm_head.weight";
  Init init = Init::normal(settings.number("init_deviation"));
  Value weight = model.namedParameter(
      table, {vocabulary, channels},
      settings.flag("tie_embeddings")
          ? init
          : model.initScheme().matrix(channels, vocabulary, init));
  model.markTable(weight);
  return nn::MatmulOp::create(model.builder(), model.loc(),
                              model.floats({shapeOf(rows)[0], vocabulary}),
                              rows, weight, /*transpose_lhs=*/false,
                              /*transpose_rhs=*/true);
}

void check(const Settings &model, const BatchShape &batch, Report report) {
  int64_t hidden = model.integer("hidden_size");
  int64_t heads = model.integer("num_heads");
  if (!model.has("head_size") && hidden % heads != 0)
    report("model", "hidden_size",
           "expected model.hidden_size to be a multiple of model.num_heads = " +
               llvm::Twine(heads) +
               " where model.head_size is not given, but "
               "got " +
               llvm::Twine(hidden));
  // Each factor is a sane size; their product may be none.
  if (heads * headSize(model) > kMaximumSize)
    report("model", "num_heads",
           "expected heads of together at most " + llvm::Twine(kMaximumSize) +
               " channels, but got " + llvm::Twine(heads * headSize(model)));
  if (batch.length > model.integer("max_positions"))
    report("batch", "length",
           "expected batch.length to be at most model.max_positions = " +
               llvm::Twine(model.integer("max_positions")) + ", but got " +
               llvm::Twine(batch.length));
}

std::vector<std::string> ignoredBuffers(const Settings &model) {
  std::vector<std::string> names = {".attn.bias", ".attn.masked_bias"};
  if (model.flag("tie_embeddings"))
    names.push_back("lm_head.weight");
  return names;
}

} // namespace

Family describeGpt2() {
  Family family;
  family.name = "gpt2";
  family.externalPrefix = "transformer.";
  family.generates = true;
  family.keys = {
      sizeKey("vocab_size", 50257, 1 << 24, "V, rows of the token table"),
      sizeKey("max_positions", 1024, kMaximumSize,
              "rows of the position table"),
      sizeKey("hidden_size", 768, kMaximumSize,
              "C, width of the residual stream"),
      sizeKey("num_layers", 12, 10000, "transformer blocks"),
      sizeKey("num_heads", 12, kMaximumSize, "H, attention heads"),
      sizeKey("head_size", std::nullopt, kMaximumSize,
              "D, width of a head; hidden_size / num_heads by default"),
      sizeKey("ffn_size", std::nullopt, 4 * kMaximumSize,
              "F, width of the feed-forward layer; 4 * hidden_size by default"),
      choiceKey("activation", kGeluTanh.str(),
                {kGeluTanh.str(), kGeluErf.str(), kRelu.str()},
                "of the feed-forward layer"),
      numberKey("norm_epsilon", 1e-5, above(0), "of every layer norm"),
      choiceKey(
          "init", initSchemes().front(), initSchemes().vec(),
          "how matrices and tables start; the family's own way scales "
          "what is added to the residual stream by 1/sqrt(2 num_layers); t5 "
          "is N(0, 1/inputs) with tables of N(0, 1), of which a tied head "
          "makes logits sqrt(hidden_size) wider than T5's, which scales them"),
      numberKey("init_deviation", 0.02, above(0),
                "standard deviation of what no fan decides"),
      flagKey("tie_embeddings", true, "logits use the token table"),
      integerKey("attention_window", 0,
                 {.minimum = 0, .maximum = double(kMaximumSize)},
                 "keys a query sees, itself included; 0 for all before it"),
      numberKey("dropout", 0.1, fraction(), "sets every dropout"),
      numberKey("embedding_dropout", std::nullopt, fraction(),
                "of the embedding sum"),
      numberKey("attention_dropout", std::nullopt, fraction(),
                "of attention probabilities"),
      numberKey("hidden_dropout", std::nullopt, fraction(),
                "of both sublayer outputs"),
  };
  family.ignoredBuffers = ignoredBuffers;
  family.check = check;
  family.buildHidden = buildHidden;
  family.buildLogits = buildLogits;
  return family;
}

} // namespace trainc::models
