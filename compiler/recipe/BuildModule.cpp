//===- BuildModule.cpp - a checked recipe as a module ---------------------===//

#include "compiler/recipe/BuildModule.h"

#include "compiler/recipe/NamePatterns.h"
#include "compiler/recipe/Recipe.h"
#include "mlir/IR/Verifier.h"
#include "models/UpdateRule.h"

using namespace mlir;
using namespace trainc::models;

namespace trainc::recipe {

static void setAttributes(ModuleOp module, const Recipe &recipe) {
  OpBuilder builder(module.getContext());
  auto setText = [&](llvm::StringRef name, llvm::StringRef value) {
    module->setAttr(name, builder.getStringAttr(value));
  };
  auto setInteger = [&](llvm::StringRef name, int64_t value) {
    module->setAttr(name, builder.getI64IntegerAttr(value));
  };
  setText("train.name", recipe.name);
  setText("train.recipe", recipe.text);
  setText("train.objective", recipe.objective->name);
  setText("train.external_prefix", recipe.family->externalPrefix);
  setText("train.compute", recipe.precision.text("compute"));
  setInteger("train.sequences", recipe.batch.sequences);
  setInteger("train.length", recipe.batch.length);
  setInteger("train.micro_batches", recipe.batch.microBatches);
  if (recipe.batch.rampFrom) {
    setInteger("train.ramp_from", recipe.batch.rampFrom);
    setInteger("train.ramp_tokens", recipe.batch.rampTokens);
  }
  setInteger("train.seed", recipe.run.integer("seed"));
  setInteger("train.total_steps", recipe.totalSteps);
  setInteger("train.ignore_index", recipe.objective->ignoreIndex);
  setInteger("train.vocab_size", recipe.model.integer("vocab_size"));
  if (recipe.memoryBudgetBytes)
    setInteger("train.memory_budget_bytes", *recipe.memoryBudgetBytes);
  std::vector<std::string> buffers =
      recipe.family->ignoredBuffers(recipe.model);
  llvm::SmallVector<llvm::StringRef> names(buffers.begin(), buffers.end());
  module->setAttr("train.ignored_buffers", builder.getStrArrayAttr(names));
}

static void scaleLoss(ModelBuilder &model, const LossScale &scale) {
  OpBuilder builder(model.module().getBodyRegion());
  builder.setInsertionPointToEnd(model.module().getBody());
  auto number = [](double value) { return llvm::APFloat(value); };
  train::ScaleLossOp::create(builder, model.loc(), number(scale.initial),
                             scale.dynamic, number(scale.growth),
                             scale.interval, number(scale.backoff),
                             scale.hysteresis, number(scale.floor));
}

/// @prefill: logits after position `control.position` of one sequence. Only
/// that row goes through the vocabulary projection.
static void buildPrefill(ModelBuilder &model, const Recipe &recipe) {
  int64_t length = recipe.batch.length;
  int64_t vocabulary = recipe.model.integer("vocab_size");
  OpBuilder &builder = model.builder();
  builder.setInsertionPointToEnd(model.module().getBody());
  RankedTensorType type = model.floats({vocabulary});
  train::StateOp::create(builder, model.loc(), "next_logits",
                         train::Role::Output, type, llvm::APFloat(0.0),
                         FlatSymbolRefAttr(), StringAttr());
  auto program =
      model.beginProgram("prefill", {"inputs", train::kControlPosition},
                         {model.ids({1, length}), model.ids({1})});
  Block &block = program.getBody().front();
  Value hidden =
      recipe.family->buildHidden(model, recipe.model, block.getArgument(0));
  int64_t channels = shapeOf(hidden).back();
  Value rows = reshape(model, hidden, {length, channels});
  Value row =
      nn::EmbeddingOp::create(builder, model.loc(), model.floats({1, channels}),
                              rows, block.getArgument(1));
  Value logits = recipe.family->buildLogits(model, recipe.model, row);
  train::WriteOp::create(builder, model.loc(),
                         reshape(model, logits, {vocabulary}), "next_logits");
}

/// Tables of embeddings, positions and logits: those that the model's builder
/// knows, and in a module of one's own what an embedding looks up.
static void spareTables(ModuleOp module, const ModelBuilder &model) {
  llvm::StringSet<> tables = model.tables();
  module.walk([&](nn::EmbeddingOp op) {
    if (auto read = op.getTable().getDefiningOp<train::ReadOp>())
      tables.insert(read.getSymbol());
  });
  for (auto parameter : module.getOps<train::ParameterOp>())
    if (tables.contains(parameter.getSymName()))
      parameter.setMatrix(false);
}

/// What lists of patterns say of parameters: which are frozen, and which learn
/// in another way than the rest.
static LogicalResult choose(const ModelBuilder &model, ModuleOp module,
                            const RecipeFile &file, const Recipe &recipe) {
  const Settings &optimizer = recipe.optimizerSettings;
  if (optimizer.has("no_matrix") && !recipe.optimizer->matrix) {
    file.error("optimizer", "no_matrix")
        << "expected optimizer.no_matrix with a rule that treats matrices "
           "apart, but got \""
        << recipe.optimizer->name << "\", which does not";
    return failure();
  }
  if (recipe.optimizer->sparesTables && !optimizer.has("no_matrix"))
    spareTables(module, model);
  if (failed(matchParameters(module, file, "optimizer", "no_matrix", optimizer,
                             [](train::ParameterOp parameter, bool matches) {
                               parameter.setMatrix(!matches);
                             })) ||
      failed(matchParameters(module, file, "model", "trainable", recipe.model,
                             [](train::ParameterOp parameter, bool matches) {
                               parameter.setTrainable(matches);
                             })) ||
      failed(matchParameters(module, file, "optimizer", "no_decay", optimizer,
                             [](train::ParameterOp parameter, bool matches) {
                               parameter.setDecay(!matches);
                             })) ||
      failed(matchNumbers(module, file, "optimizer", "weight_decays", optimizer,
                          [](train::ParameterOp parameter, double decay) {
                            parameter.setDecay(true);
                            parameter.setWeightDecay(llvm::APFloat(decay));
                          })))
    return failure();
  return matchNumbers(module, file, "optimizer", "rate_factors", optimizer,
                      [](train::ParameterOp parameter, double factor) {
                        parameter.setRateFactor(llvm::APFloat(factor));
                      });
}

OwningOpRef<ModuleOp> buildModule(MLIRContext &context, const RecipeFile &file,
                                  const Recipe &recipe) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(file.location);
  setAttributes(*module, recipe);
  ModelBuilder model(*module, recipe.family->name,
                     recipe.family->externalPrefix);
  if (recipe.lossScale)
    scaleLoss(model, *recipe.lossScale);
  train::StepOp step =
      model.beginStep(recipe.batch.sequences, recipe.batch.length);
  Block &block = step.getBody().front();
  recipe.objective->build(model, *recipe.family, recipe.model,
                          recipe.objectiveSettings, block.getArgument(0),
                          block.getArgument(1));
  train::GradientOp::create(model.builder(), model.loc());
  buildUpdate(model, *recipe.optimizer, recipe.optimizerSettings,
              *recipe.schedule, recipe.scheduleSettings, recipe.shape,
              {.norm = recipe.optimizerSettings.number("clip_norm"),
               .epsilon = recipe.optimizerSettings.number("clip_epsilon")});
  if (recipe.family->generates)
    buildPrefill(model, recipe);
  if (failed(choose(model, *module, file, recipe)) || failed(verify(*module)))
    return nullptr;
  return module;
}

void registerRecipeDialects(DialectRegistry &registry) {
  registry.insert<nn::NNDialect, train::TrainDialect, plan::PlanDialect>();
}

OwningOpRef<ModuleOp> loadRecipe(MLIRContext &context, llvm::StringRef path,
                                 llvm::ArrayRef<std::string> overrides) {
  DialectRegistry registry;
  registerRecipeDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  FailureOr<RecipeFile> file = readRecipe(context, path, overrides);
  if (failed(file))
    return nullptr;
  FailureOr<Recipe> recipe = checkRecipe(*file);
  if (failed(recipe))
    return nullptr;
  return buildModule(context, *file, *recipe);
}

} // namespace trainc::recipe
