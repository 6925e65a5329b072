//===- ModuleTest.cpp - what recipes become -------------------------------===//

#include "test/unit/compiler/recipe/LoadRecipe.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include <gtest/gtest.h>

#include <cmath>

using namespace trainc::test;
using namespace trainc;

namespace {

int64_t parameterCount(LoadedRecipe &recipe) {
  int64_t count = 0;
  for (auto parameter : recipe.all<train::ParameterOp>())
    count += parameter.getTensorType().getNumElements();
  return count;
}

std::vector<std::string> inputsOf(mlir::ArrayAttr names) {
  std::vector<std::string> result;
  for (auto name : names.getAsValueRange<mlir::StringAttr>())
    result.push_back(name.str());
  return result;
}

// training-semantics.md 1.8.
TEST(RecipeModule, ParameterCounts) {
  std::pair<const char *, int64_t> sizes[] = {{"gpt2-124m", 124439808},
                                              {"gpt2-355m", 354823168},
                                              {"gpt2-774m", 774030080},
                                              {"gpt2-1.5b", 1557611200}};
  for (auto [name, count] : sizes) {
    LoadedRecipe recipe = loadReady(name);
    ASSERT_TRUE(recipe.module) << name << recipe.errors[0];
    EXPECT_EQ(parameterCount(recipe), count) << name;
  }
}

TEST(RecipeModule, EveryReadyRecipeLoads) {
  unsigned count = 0;
  for (const auto &entry :
       std::filesystem::directory_iterator(TRAINC_RECIPES)) {
    LoadedRecipe recipe = loadFile(entry.path().string());
    EXPECT_TRUE(recipe.module) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 6u);
}

// Dynamic by default with float16 only (training-semantics.md 5).
TEST(RecipeModule, LossScale) {
  auto scaling = [](std::vector<std::string> overrides) {
    LoadedRecipe recipe = loadText(kRecipe, std::move(overrides));
    EXPECT_TRUE(recipe.module) << recipe.errors[0];
    auto all = recipe.all<train::ScaleLossOp>();
    if (all.empty())
      return std::string("none");
    std::string text;
    llvm::raw_string_ostream(text) << all.front();
    return text;
  };
  const std::string half = "precision.compute=float16";
  EXPECT_EQ(scaling({}), "none");
  EXPECT_EQ(scaling({"precision.compute=bfloat16"}), "none");
  EXPECT_EQ(scaling({half}), "train.scale_loss 6.553600e+04 dynamic");
  EXPECT_EQ(scaling({half, "precision.loss_scale=none"}), "none");
  EXPECT_EQ(scaling({half, "precision.loss_scale=128"}),
            "train.scale_loss 1.280000e+02");
  EXPECT_EQ(scaling({"precision.loss_scale=0.75"}),
            "train.scale_loss 7.500000e-01");
  EXPECT_EQ(scaling({"precision.loss_scale=dynamic",
                     "precision.loss_scale_initial=4294967296",
                     "precision.loss_scale_growth=4",
                     "precision.loss_scale_interval=1000",
                     "precision.loss_scale_backoff=0.25",
                     "precision.loss_scale_hysteresis=2",
                     "precision.loss_scale_floor=1"}),
            "train.scale_loss 0x41F0000000000000 dynamic {backoff = "
            "2.500000e-01 : f64, floor = 1.000000e+00 : f64, growth = "
            "4.000000e+00 : f64, hysteresis = 2 : i64, interval = 1000 : i64}");
}

TEST(RecipeModule, Attributes) {
  LoadedRecipe recipe = loadText(
      kRecipe, {"batch.micro_batches=3", "run.seed=7", "memory.budget=1.5KiB"});
  ASSERT_TRUE(recipe.module);
  EXPECT_EQ(recipe.integer("train.sequences"), 2);
  EXPECT_EQ(recipe.integer("train.length"), 16);
  EXPECT_EQ(recipe.integer("train.micro_batches"), 3);
  EXPECT_EQ(recipe.integer("train.seed"), 7);
  EXPECT_EQ(recipe.integer("train.total_steps"), 110);
  EXPECT_EQ(recipe.integer("train.ignore_index"), -100);
  EXPECT_EQ(recipe.integer("train.vocab_size"), 96);
  EXPECT_EQ(recipe.integer("train.memory_budget_bytes"), 1536);
  auto text = [&](llvm::StringRef name) {
    return (*recipe.module)->getAttrOfType<mlir::StringAttr>(name).getValue();
  };
  EXPECT_EQ(text("train.name"), "recipe");
  EXPECT_EQ(text("train.objective"), "causal_lm");
  EXPECT_EQ(text("train.compute"), "float32");
  EXPECT_EQ(text("train.external_prefix"), "transformer.");
  EXPECT_EQ(
      inputsOf((*recipe.module)
                   ->getAttrOfType<mlir::ArrayAttr>("train.ignored_buffers")),
      (std::vector<std::string>{".attn.bias", ".attn.masked_bias",
                                "lm_head.weight"}));
  // The text of the recipe holds its overrides and loads to the same module.
  LoadedRecipe again = loadText(text("train.recipe").str());
  ASSERT_TRUE(again.module);
  EXPECT_EQ(again.integer("train.micro_batches"), 3);
  EXPECT_EQ(again.integer("train.seed"), 7);
}

// Names, layouts and initialisation of training-semantics.md 1.1 and 6.3.
TEST(RecipeModule, ParametersAreHuggingFaces) {
  LoadedRecipe recipe = loadText(kRecipe);
  ASSERT_TRUE(recipe.module);
  struct Expected {
    std::string name;
    std::vector<int64_t> shape;
    train::InitKind init;
    double offset, scale;
  };
  auto normal = train::InitKind::Normal, constant = train::InitKind::Constant;
  double residual = 0.02 / std::sqrt(4.0);
  std::vector<Expected> expected = {{"wte.weight", {96, 32}, normal, 0, 0.02},
                                    {"wpe.weight", {16, 32}, normal, 0, 0.02}};
  for (std::string h : {"h.0.", "h.1."}) {
    expected.push_back({h + "ln_1.weight", {32}, constant, 1, 0});
    expected.push_back({h + "ln_1.bias", {32}, constant, 0, 0});
    expected.push_back({h + "attn.c_attn.weight", {32, 96}, normal, 0, 0.02});
    expected.push_back({h + "attn.c_attn.bias", {96}, constant, 0, 0});
    expected.push_back(
        {h + "attn.c_proj.weight", {32, 32}, normal, 0, residual});
    expected.push_back({h + "attn.c_proj.bias", {32}, constant, 0, 0});
    expected.push_back({h + "ln_2.weight", {32}, constant, 1, 0});
    expected.push_back({h + "ln_2.bias", {32}, constant, 0, 0});
    expected.push_back({h + "mlp.c_fc.weight", {32, 128}, normal, 0, 0.02});
    expected.push_back({h + "mlp.c_fc.bias", {128}, constant, 0, 0});
    expected.push_back(
        {h + "mlp.c_proj.weight", {128, 32}, normal, 0, residual});
    expected.push_back({h + "mlp.c_proj.bias", {32}, constant, 0, 0});
  }
  expected.push_back({"ln_f.weight", {32}, constant, 1, 0});
  expected.push_back({"ln_f.bias", {32}, constant, 0, 0});
  auto parameters = recipe.all<train::ParameterOp>();
  ASSERT_EQ(parameters.size(), expected.size());
  for (auto [parameter, e] : llvm::zip(parameters, expected)) {
    EXPECT_EQ(parameter.getExternalName(), "transformer." + e.name);
    EXPECT_EQ(parameter.getSymName(), parameter.getExternalName());
    EXPECT_EQ(parameter.getTensorType().getShape().vec(), e.shape) << e.name;
    EXPECT_EQ(parameter.getInit(), e.init) << e.name;
    EXPECT_EQ(parameter.getOffset().convertToDouble(), e.offset) << e.name;
    EXPECT_NEAR(parameter.getScale().convertToDouble(), e.scale, 1e-15);
    EXPECT_EQ(parameter.getDecay(), e.shape.size() > 1) << e.name;
    EXPECT_TRUE(parameter.getTrainable());
  }
}

TEST(RecipeModule, StepHasNoiseWhereAsked) {
  LoadedRecipe recipe = loadText(kRecipe);
  ASSERT_TRUE(recipe.module);
  auto step = recipe.all<train::StepOp>().front();
  EXPECT_EQ(inputsOf(step.getInputs()),
            (std::vector<std::string>{"inputs", "targets", "control.random"}));
  // One for the embeddings, two per layer; attention draws its own.
  auto dropouts = recipe.all<nn::DropoutOp>();
  auto attentions = recipe.all<nn::AttentionOp>();
  EXPECT_EQ(dropouts.size(), 5u);
  llvm::DenseSet<int64_t> streams;
  for (auto dropout : dropouts) {
    EXPECT_EQ(dropout.getRate().convertToDouble(), 0.1);
    EXPECT_EQ(dropout.getBatchRows(), 2u);
    streams.insert(dropout.getStream());
  }
  unsigned noisy = 0;
  for (auto attention : attentions) {
    EXPECT_EQ(attention.getMask(), nn::MaskKind::Causal);
    EXPECT_EQ(attention.getScale().convertToDouble(), 0.25); // 1/√16
    if (!attention.getCounters())
      continue;
    EXPECT_EQ(attention.getDropout().convertToDouble(), 0.1);
    streams.insert(attention.getStream());
    ++noisy;
  }
  EXPECT_EQ(noisy, 2u); // of the step; those of @prefill have no noise
  EXPECT_EQ(attentions.size(), 4u);
  EXPECT_EQ(streams.size(), 7u);

  LoadedRecipe quiet = loadText(kRecipe, {"model.dropout=0"});
  ASSERT_TRUE(quiet.module);
  EXPECT_TRUE(quiet.all<nn::DropoutOp>().empty());
  EXPECT_EQ(inputsOf(quiet.all<train::StepOp>().front().getInputs()),
            (std::vector<std::string>{"inputs", "targets"}));
  LoadedRecipe some = loadText(
      kRecipe, {"model.attention_dropout=0", "model.embedding_dropout=0"});
  ASSERT_TRUE(some.module);
  EXPECT_EQ(some.all<nn::DropoutOp>().size(), 4u);
}

TEST(RecipeModule, LogitsUseTheTokenTable) {
  auto weightOfLogits = [](LoadedRecipe &recipe) -> std::string {
    for (auto matmul : recipe.all<nn::MatmulOp>())
      if (matmul.getTransposeRhs())
        return matmul.getRhs().getDefiningOp<train::ReadOp>().getSymbol().str();
    return "";
  };
  LoadedRecipe tied = loadText(kRecipe);
  ASSERT_TRUE(tied.module);
  EXPECT_EQ(weightOfLogits(tied), "transformer.wte.weight");
  LoadedRecipe untied = loadText(kRecipe, {"model.tie_embeddings=false"});
  ASSERT_TRUE(untied.module);
  EXPECT_EQ(weightOfLogits(untied), "lm_head.weight");
  EXPECT_EQ(parameterCount(untied), parameterCount(tied) + 96 * 32);
}

TEST(RecipeModule, LocationsNameLayers) {
  LoadedRecipe recipe = loadText(kRecipe);
  ASSERT_TRUE(recipe.module);
  llvm::StringSet<> names;
  for (auto matmul : recipe.all<nn::MatmulOp>())
    if (auto name = llvm::dyn_cast<mlir::NameLoc>(matmul.getLoc()))
      names.insert(name.getName().getValue());
  for (llvm::StringRef name :
       {"gpt2.h.0.attn.c_attn", "gpt2.h.1.attn.c_proj", "gpt2.h.1.mlp.c_fc",
        "gpt2.h.0.mlp.c_proj", "gpt2.lm_head"})
    EXPECT_TRUE(names.contains(name)) << name.str();
}

TEST(RecipeModule, PrefillProjectsOneRow) {
  LoadedRecipe recipe = loadText(kRecipe);
  ASSERT_TRUE(recipe.module);
  auto program = recipe.all<plan::ProgramOp>().front();
  EXPECT_EQ(program.getSymName(), "prefill");
  EXPECT_EQ(inputsOf(program.getInputs()),
            (std::vector<std::string>{"inputs", "control.position"}));
  unsigned projections = 0;
  for (auto matmul : program.getOps<nn::MatmulOp>()) {
    if (!matmul.getTransposeRhs())
      continue;
    ++projections;
    EXPECT_EQ(matmul.getResult().getType().getShape().vec(),
              (std::vector<int64_t>{1, 96}));
  }
  EXPECT_EQ(projections, 1u);
  auto writes = program.getOps<train::WriteOp>();
  ASSERT_EQ(std::distance(writes.begin(), writes.end()), 1);
  EXPECT_EQ((*writes.begin()).getSymbol(), "next_logits");
}

TEST(RecipeModule, TrainablePatterns) {
  std::string text = replaced(
      kRecipe, "num_heads = 2",
      "num_heads = 2\ntrainable = [\"*.attn.*\", \"transformer.ln_f.*\"]");
  LoadedRecipe recipe = loadText(text);
  ASSERT_TRUE(recipe.module);
  unsigned trainable = 0;
  for (auto parameter : recipe.all<train::ParameterOp>()) {
    EXPECT_EQ(parameter.getTrainable(),
              parameter.getExternalName().contains(".attn.") ||
                  parameter.getExternalName().contains("ln_f"));
    trainable += parameter.getTrainable();
  }
  EXPECT_EQ(trainable, 10u);
}

TEST(RecipeModule, ParametersThatLearnInAnotherWay) {
  LoadedRecipe plain = loadText(kRecipe);
  ASSERT_TRUE(plain.module);
  for (auto parameter : plain.all<train::ParameterOp>()) {
    EXPECT_EQ(parameter.getDecay(), parameter.getTensorType().getRank() > 1);
    EXPECT_EQ(parameter.getRateFactor().convertToDouble(), 1);
    EXPECT_FALSE(parameter.getWeightDecay());
  }
  // BERT's exclusions decay embeddings and spare norms and biases by name.
  LoadedRecipe recipe = loadText(replaced(
      kRecipe, "learning_rate = 1e-3",
      "learning_rate = 1e-3\nno_decay = [\"*.ln_?.*\", \"*.c_*.bias\"]\n"
      "weight_decays = [\"*.wte.*=0.5\"]\n"
      "rate_factors = [\"*.h.0.* = 0.5\", \"*.h.*.mlp.* = 1e-1\"]\n"
      "clip_epsilon = 0"));
  ASSERT_TRUE(recipe.module);
  for (auto parameter : recipe.all<train::ParameterOp>()) {
    llvm::StringRef name = parameter.getExternalName();
    EXPECT_EQ(parameter.getDecay(),
              !name.contains(".ln_") && !name.ends_with(".bias"))
        << name.str();
    double factor = name.contains(".mlp.")  ? 0.1
                    : name.contains(".h.0") ? 0.5
                                            : 1.0;
    EXPECT_EQ(parameter.getRateFactor().convertToDouble(), factor)
        << name.str();
    ASSERT_EQ(parameter.getWeightDecay().has_value(), name.contains("wte"));
    if (parameter.getWeightDecay())
      EXPECT_EQ(parameter.getWeightDecay()->convertToDouble(), 0.5);
  }
  auto updates = recipe.all<train::UpdateOp>();
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].getClipEpsilon().convertToDouble(), 0);
}

/// The worked numbers of training-semantics.md 6.3.
TEST(RecipeModule, InitSchemes) {
  struct Wanted {
    const char *scheme;
    train::InitKind kind;
    double feedForward, projection, table; ///< c_fc 768 -> 3072, c_proj, wpe
  };
  using train::InitKind;
  const double glorot = 0.02282177, xavier = 0.03608439;
  for (const Wanted &wanted : {
           Wanted{"family", InitKind::Normal, 0.02, 0.02 / std::sqrt(4), 0.02},
           Wanted{"normal", InitKind::Normal, 0.02, 0.02, 0.02},
           Wanted{"truncated_normal", InitKind::Truncated, 0.02, 0.02, 0.02},
           Wanted{"xavier", InitKind::Normal, xavier, 1 / std::sqrt(3072.0),
                  0.02},
           Wanted{"glorot_normal", InitKind::Normal, glorot, glorot, 0.02},
           // In [-b, b): the scale is the width.
           Wanted{"glorot_uniform", InitKind::Uniform, 2 * 0.03952847,
                  2 * 0.03952847, 0.02},
           Wanted{"t5", InitKind::Normal, xavier, 0.01804220, 1},
       }) {
    std::string text =
        replaced(kRecipe, "hidden_size = 32", "hidden_size = 768");
    text = replaced(text, "num_heads = 2",
                    std::string("num_heads = 2\ninit = \"") + wanted.scheme +
                        "\"");
    LoadedRecipe recipe = loadText(text);
    ASSERT_TRUE(recipe.module) << wanted.scheme;
    unsigned found = 0;
    for (auto parameter : recipe.all<train::ParameterOp>()) {
      llvm::StringRef name = parameter.getExternalName();
      bool feedForward = name.ends_with("mlp.c_fc.weight"),
           projection = name.ends_with("mlp.c_proj.weight"),
           table = name.ends_with("wpe.weight");
      if (!feedForward && !projection && !table)
        continue;
      ++found;
      if (!table)
        EXPECT_EQ(parameter.getInit(), wanted.kind) << wanted.scheme;
      EXPECT_NEAR(parameter.getScale().convertToDouble(),
                  feedForward  ? wanted.feedForward
                  : projection ? wanted.projection
                               : wanted.table,
                  1e-8)
          << wanted.scheme << " " << name.str();
      if (parameter.getInit() == InitKind::Uniform)
        EXPECT_NEAR(parameter.getOffset().convertToDouble(), -0.03952847, 1e-8);
    }
    EXPECT_EQ(found, 5u); // two layers
  }
}

/// 6.3: GPT-2's residual projections, 0.02/√(2N) of N layers.
TEST(RecipeModule, ResidualProjectionsStartSmaller) {
  for (auto [layers, deviation] :
       {std::pair("12", 0.00408248), {"48", 0.00204124}, {"96", 0.00144338}}) {
    LoadedRecipe recipe =
        loadText(kRecipe, {std::string("model.num_layers=") + layers});
    ASSERT_TRUE(recipe.module);
    unsigned found = 0;
    for (auto parameter : recipe.all<train::ParameterOp>()) {
      llvm::StringRef name = parameter.getExternalName();
      if (name.ends_with("c_proj.weight")) {
        ++found;
        EXPECT_NEAR(parameter.getScale().convertToDouble(), deviation, 1e-8);
      }
    }
    EXPECT_EQ(found, 2u * std::stoi(layers));
  }
}

TEST(RecipeModule, CountsFollowNormalize) {
  for (std::string normalize : {"tokens", "sequences", "padded"}) {
    LoadedRecipe recipe =
        loadText(kRecipe, {"objective.normalize=" + normalize});
    ASSERT_TRUE(recipe.module);
    auto loss = recipe.all<train::LossOp>().front();
    EXPECT_EQ(loss.getName(), "causal_lm");
    EXPECT_EQ(loss.getNormalize(), normalize);
    auto constant = loss.getCount().getDefiningOp<nn::ConstantOp>();
    if (normalize == "tokens") {
      EXPECT_TRUE(loss.getCount().getDefiningOp<nn::ReduceSumOp>());
      continue;
    }
    ASSERT_TRUE(constant);
    EXPECT_EQ(llvm::cast<mlir::DenseElementsAttr>(constant.getValue())
                  .getSplatValue<double>(),
              normalize == "sequences" ? 2 : 32);
  }
}

} // namespace
