//===- recipe.cpp - recipes -----------------------------------------------===//
//
// TOML of any kind; the module of a small recipe that is accepted is built and
// must verify.
//
//===----------------------------------------------------------------------===//

#include "compiler/recipe/BuildModule.h"
#include "compiler/recipe/Check.h"
#include "compiler/recipe/RecipeFile.h"
#include "test/fuzz/Diagnostics.h"
#include "test/fuzz/MemoryFile.h"

using namespace trainc;

static bool isSmall(const recipe::Recipe &recipe) {
  constexpr int64_t kLayers = 2;
  return recipe.model.has("num_layers") &&
         recipe.model.integer("num_layers") <= kLayers;
}

void fuzz::read(std::span<const uint8_t> input) {
  static MemoryFile memory;
  static Diagnostics diagnostics;
  memory.write({reinterpret_cast<const char *>(input.data()), input.size()});
  mlir::MLIRContext &context = diagnostics.renew();
  auto file = recipe::readRecipe(context, memory.path(), {});
  bool accepted = false;
  if (succeeded(file)) {
    auto recipe = recipe::checkRecipe(*file);
    accepted = succeeded(recipe);
    if (accepted && isSmall(*recipe))
      accepted = bool(recipe::buildModule(context, *file, *recipe));
  }
  require(accepted == diagnostics.messages.empty(),
          "a refusal without a message, or a message without", "");
  for (const std::string &message : diagnostics.messages)
    requireClear(message);
}

std::vector<std::string> fuzz::seeds() {
  return {R"([model]
family = "gpt2"
vocab_size = 96
max_positions = 16
hidden_size = 32
num_layers = 1
num_heads = 2
dropout = 0.1
trainable = ["*.attn.*", "*wte*"]
[objective]
name = "causal_lm"
normalize = "tokens"
[tokens]
eos = 3
[batch]
sequences = 2
length = 16
micro_batches = 2
[optimizer]
name = "adamw"
learning_rate = 1e-3
beta1 = 0.9
weight_decay = 0.1
clip_norm = 1.0
[schedule]
name = "cosine"
warmup_steps = 10
total_tokens = 1000
final_ratio = 0.1
[precision]
compute = "float32"
loss_scale = "dynamic"
loss_scale_hysteresis = 2
[memory]
budget = "2GiB"
[run]
seed = 1
)"};
}
