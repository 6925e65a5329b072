//===- module.cpp - text modules ------------------------------------------===//
//
// What the reader accepts goes through the stages that work on nn and train;
// after each the module must verify. Later stages see only what these made.
//
//===----------------------------------------------------------------------===//

#include "compiler/autodiff/Autodiff.h"
#include "compiler/objective/Objective.h"
#include "compiler/optimizer/Optimizer.h"
#include "compiler/precision/Precision.h"
#include "compiler/recipe/Recipe.h"
#include "compiler/support/TextModule.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "test/fuzz/Diagnostics.h"
#include "test/fuzz/MemoryFile.h"
#include "llvm/Support/raw_ostream.h"

using namespace trainc;

static mlir::DialectRegistry registry() {
  mlir::DialectRegistry registry;
  autodiff::registerAutodiffInterfaces(registry);
  return registry;
}

void fuzz::read(std::span<const uint8_t> input) {
  static Diagnostics diagnostics(registry());
  mlir::MLIRContext &context = diagnostics.renew();
  auto module = parseTextModule(
      context, {reinterpret_cast<const char *>(input.data()), input.size()},
      "module.mlir");
  for (auto *build :
       {objective::buildObjectivePipeline, autodiff::buildAutodiffPipeline,
        precision::buildPrecisionPipeline, optimizer::buildOptimizerPipeline}) {
    mlir::PassManager manager(&context);
    manager.enableVerifier(false);
    if (module)
      build(manager);
    if (!module || failed(manager.run(*module))) {
      require(!diagnostics.messages.empty(), "a refusal without a message", "");
      return;
    }
    require(succeeded(mlir::verify(*module)), "a stage left a broken module",
            diagnostics.messages.empty() ? "" : diagnostics.messages.front());
  }
}

/// The text of a recipe's module.
static std::string moduleOf(const std::string &recipe) {
  fuzz::MemoryFile memory;
  memory.write(recipe);
  fuzz::Diagnostics diagnostics;
  auto module = recipe::loadRecipe(diagnostics.renew(), memory.path(), {});
  fuzz::require(bool(module), "no seed",
                diagnostics.messages.empty() ? "" : diagnostics.messages[0]);
  std::string text;
  llvm::raw_string_ostream(text) << *module;
  return text;
}

std::vector<std::string> fuzz::seeds() {
  const std::string recipe = R"([model]
family = "gpt2"
vocab_size = 11
max_positions = 4
hidden_size = 4
num_layers = 1
num_heads = 2
dropout = 0.1
[objective]
name = "causal_lm"
[batch]
sequences = 2
length = 3
[optimizer]
learning_rate = 1e-3
name = )";
  return {
      moduleOf(recipe + "\"sgd\"\n"), moduleOf(recipe + "\"adamw\"\n"),
      R"(module attributes {train.length = 4 : i64, train.sequences = 2 : i64,
    train.vocab_size = 8 : i64, train.ignored_buffers = [".b"]} {
  train.parameter @e normal : tensor<8x6xf32> {external_name = "e", scale = 0.02 : f64}
  train.step @step ["inputs", "targets"] {
  ^bb0(%i: tensor<2x4xi32>, %t: tensor<2x4xi32>):
    %e = train.read @e : tensor<8x6xf32>
    %x = nn.embedding %e, %i : tensor<8x6xf32>, tensor<2x4xi32> -> tensor<2x4x6xf32>
    %r = nn.reshape %x : tensor<2x4x6xf32> -> tensor<8x6xf32>
    %l = nn.reduce_sum %r [0, 1] : tensor<8x6xf32> -> tensor<f32>
    train.output "hidden_states" %x : tensor<2x4x6xf32>
    train.gradient
  }
})"};
}
