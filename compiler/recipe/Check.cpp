//===- Check.cpp - recipes with meaning -----------------------------------===//
//
// Decides which sections and keys a recipe may have and which values fit
// together. Families, objectives, optimizers and schedules bring their keys.
//
//===----------------------------------------------------------------------===//

#include "compiler/recipe/Check.h"

#include "compiler/recipe/Keys.h"
#include "compiler/recipe/OwnModel.h"
#include "compiler/recipe/OwnRule.h"
#include "compiler/recipe/Sections.h"
#include "runtime/core/StepShapes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

#include <cmath>

using namespace mlir;
using namespace trainc::models;

namespace trainc::recipe {
namespace {

/// Elements of one activation; more is a typing error, and larger products
/// could overflow byte counts.
constexpr double kMaximumElements = double(1ull << 40);

template <typename Entry>
std::vector<std::string> namesOf(llvm::ArrayRef<Entry> entries) {
  std::vector<std::string> names;
  for (const Entry &entry : entries)
    names.push_back(entry.name);
  return names;
}

class Checker {
public:
  explicit Checker(const RecipeFile &file) : file_(file) {}

  FailureOr<Recipe> run();

private:
  /// Reads a section that names an entry of a registry; null after an error.
  template <typename Entry>
  const Entry *readNamed(llvm::StringRef section, llvm::StringRef nameKey,
                         std::optional<std::string> defaultName,
                         llvm::ArrayRef<Entry> entries, Settings &settings);
  void checkSections();
  void readModule();
  void readRule();
  void readBatch();
  void readSchedule();
  void readMemory();
  void checkSizes(const Settings &tokens);

  InFlightDiagnostic error(llvm::StringRef section, llvm::StringRef key) {
    ++errors_;
    return file_.error(section, key);
  }

  const RecipeFile &file_;
  Recipe recipe_;
  unsigned errors_ = 0;
};

template <typename Entry>
const Entry *
Checker::readNamed(llvm::StringRef section, llvm::StringRef nameKey,
                   std::optional<std::string> defaultName,
                   llvm::ArrayRef<Entry> entries, Settings &settings) {
  std::vector<Key> common = commonKeys(section);
  Key name = choiceKey(nameKey, defaultName, namesOf(entries), "");
  const std::string *text = defaultName ? &*defaultName : nullptr;
  if (const auto *written = file_.find(section, nameKey))
    text =
        written->value ? std::get_if<std::string>(&*written->value) : nullptr;
  const Entry *entry = text ? findEntry(entries, *text) : nullptr;
  common.push_back(name);
  if (entry)
    common.insert(common.end(), entry->keys.begin(), entry->keys.end());
  else if (file_.find(section, nameKey)) {
    // Without the entry the other keys have no meaning: only the name's error.
    RecipeFile onlyName = file_;
    std::erase_if(onlyName.sections.at(section.str()).entries,
                  [&](const auto &item) { return item.first != nameKey; });
    readSection(onlyName, section, common, errors_);
    return nullptr;
  } else {
    requireKey(file_, settings, section, nameKey, errors_);
    return nullptr;
  }
  settings = readSection(file_, section, common, errors_);
  return entry;
}

void Checker::checkSections() {
  for (const auto &[name, section] : file_.sections) {
    if (llvm::is_contained(sectionNames(), name))
      continue;
    ++errors_;
    emitError(section.location)
        << "expected a section of a recipe ("
        << llvm::join(sectionNames(), ", ") << "), but got [" << name << "]"
        << suggest(name, sectionNames(), "[", "]");
  }
}

void Checker::readModule() {
  if (file_.find("model", "family")) {
    error("model", "module") << "expected model.family or model.module, but "
                                "got both";
    return;
  }
  std::vector<Key> keys = commonKeys("model");
  llvm::append_range(keys, moduleKeys());
  recipe_.model = readSection(file_, "model", keys, errors_);
  requireKey(file_, recipe_.model, "model", "vocab_size", errors_);
}

void Checker::readRule() {
  if (file_.find("optimizer", "name")) {
    error("optimizer", "rule") << "expected optimizer.name or optimizer.rule, "
                                  "but got both";
    return;
  }
  std::vector<Key> keys = commonKeys("optimizer");
  llvm::append_range(keys, ruleKeys());
  recipe_.optimizerSettings = readSection(file_, "optimizer", keys, errors_);
}

void Checker::readBatch() {
  Settings batch = readSection(file_, "batch", commonKeys("batch"), errors_);
  requireKey(file_, batch, "batch", "sequences", errors_);
  requireKey(file_, batch, "batch", "length", errors_);
  recipe_.batch = {batch.integer("sequences"), batch.integer("length"),
                   batch.integer("micro_batches"), batch.integer("ramp_from"),
                   batch.integer("ramp_tokens")};
  if (batch.has("ramp_from") != batch.has("ramp_tokens"))
    error("batch", batch.has("ramp_from") ? "ramp_from" : "ramp_tokens")
        << "expected batch.ramp_from and batch.ramp_tokens, but got one alone";
  if (recipe_.batch.rampFrom > recipe_.batch.microBatches ||
      (recipe_.batch.rampFrom &&
       recipe_.batch.microBatches > StepShapes::kMaxRamp))
    error("batch", "ramp_from")
        << "expected a ramp from at most batch.micro_batches, which are at "
           "most "
        << StepShapes::kMaxRamp << " then, but got " << recipe_.batch.rampFrom
        << " of " << recipe_.batch.microBatches;
}

/// Updates until a schedule of `tokens` ends.
static int64_t stepsOf(const BatchShape &batch, int64_t tokens) {
  StepSizes sizes{static_cast<uint32_t>(batch.sequences),
                  static_cast<uint32_t>(batch.length),
                  static_cast<uint32_t>(batch.microBatches),
                  static_cast<uint32_t>(batch.rampFrom),
                  static_cast<uint64_t>(batch.rampTokens)};
  return static_cast<int64_t>(StepShapes(sizes).stepThatReaches(tokens));
}

void Checker::readSchedule() {
  recipe_.schedule = readNamed<Schedule>("schedule", "name", "constant",
                                         schedules(), recipe_.scheduleSettings);
  const Settings &schedule = recipe_.scheduleSettings;
  if (!recipe_.schedule || errors_)
    return;
  double tokensPerStep = recipe_.batch.tokensPerStep();
  auto length = [&](llvm::StringRef name) {
    std::string inSteps = (name + "_steps").str();
    std::string inTokens = (name + "_tokens").str();
    if (schedule.has(inSteps) && schedule.has(inTokens))
      error("schedule", inTokens)
          << "expected schedule." << inSteps << " or schedule." << inTokens
          << ", but got both";
    return schedule.has(inTokens) ? schedule.integer(inTokens) / tokensPerStep
                                  : double(schedule.integer(inSteps));
  };
  recipe_.shape = {.peak = recipe_.optimizerSettings.number("learning_rate"),
                   .warmup = length("warmup"),
                   .total = length("total")};
  bool inSteps = schedule.has("warmup_steps") || schedule.has("total_steps");
  bool inTokens = schedule.has("warmup_tokens") || schedule.has("total_tokens");
  if (inTokens && !inSteps)
    recipe_.shape.tokensPerUpdate = tokensPerStep;
  if (inTokens && inSteps && recipe_.batch.rampFrom)
    error("schedule",
          schedule.has("warmup_tokens") ? "warmup_tokens" : "total_tokens")
        << "expected a schedule all in tokens or all in steps where "
           "batch.ramp_from lets steps grow, but got both";
  recipe_.totalSteps =
      schedule.has("total_tokens")
          ? stepsOf(recipe_.batch, schedule.integer("total_tokens"))
          : schedule.integer("total_steps");
  bool hasTotal = recipe_.shape.total > 0;
  if (recipe_.schedule->decays && !hasTotal)
    error("schedule", "name")
        << "expected schedule.total_steps or schedule.total_tokens for "
           "schedule \""
        << recipe_.schedule->name << "\", but got neither";
  if (hasTotal && recipe_.shape.warmup > recipe_.shape.total)
    error("schedule",
          schedule.has("warmup_steps") ? "warmup_steps" : "warmup_tokens")
        << "expected a warm-up of at most the schedule's total of "
        << recipe_.totalSteps << " steps, but got "
        << static_cast<int64_t>(std::ceil(recipe_.shape.warmup));
}

/// Bytes of "2GiB", "512 MiB", "1000000"; nothing where it is not a size.
std::optional<int64_t> parseBytes(llvm::StringRef text) {
  uint64_t factor = 1;
  text = text.trim();
  for (auto [suffix, value] :
       {std::pair("KiB", 1ull << 10), std::pair("MiB", 1ull << 20),
        std::pair("GiB", 1ull << 30), std::pair("TiB", 1ull << 40),
        std::pair("B", 1ull)})
    if (text.consume_back(suffix)) {
      factor = value;
      break;
    }
  double count = 0;
  if (text.trim().getAsDouble(count) || !(count > 0) ||
      !(count * factor < 0x1p62))
    return std::nullopt;
  return static_cast<int64_t>(count * factor);
}

void Checker::readMemory() {
  Settings memory = readSection(file_, "memory", commonKeys("memory"), errors_);
  if (!memory.has("budget"))
    return;
  recipe_.memoryBudgetBytes = parseBytes(memory.text("budget"));
  if (!recipe_.memoryBudgetBytes)
    error("memory", "budget")
        << "expected memory.budget to be a size such as \"2GiB\" or "
           "\"512MiB\", but got \""
        << memory.text("budget") << "\"";
}

void Checker::checkSizes(const Settings &tokens) {
  int64_t vocabulary = recipe_.model.integer("vocab_size");
  for (const std::string &token : tokenNames())
    if (tokens.has(token) && tokens.integer(token) >= vocabulary)
      error("tokens", token) << "expected tokens." << token
                             << " to be below model.vocab_size = " << vocabulary
                             << ", but got " << tokens.integer(token);
  double rows = double(recipe_.batch.sequences) * recipe_.batch.length;
  double width = std::max({vocabulary, 4 * recipe_.model.integer("hidden_size"),
                           recipe_.model.integer("ffn_size"),
                           3 * recipe_.model.integer("num_heads") *
                               recipe_.model.integer("head_size")});
  if (rows * width > kMaximumElements)
    error("batch", "sequences")
        << "expected at most 2^40 elements in the largest activation, but got "
           "batch.sequences * batch.length * "
        << static_cast<int64_t>(width) << " = " << rows * width;
  recipe_.family->check(
      recipe_.model, recipe_.batch,
      [&](llvm::StringRef section, llvm::StringRef key,
          const llvm::Twine &message) { error(section, key) << message; });
}

FailureOr<Recipe> Checker::run() {
  recipe_.name = llvm::sys::path::stem(file_.path).str();
  recipe_.text = file_.text;
  checkSections();
  const bool own = file_.find("model", "module");
  if (own)
    readModule();
  else
    recipe_.family = readNamed<Family>("model", "family", std::nullopt,
                                       families(), recipe_.model);
  recipe_.objective =
      readNamed<Objective>("objective", "name", std::nullopt, objectives(),
                           recipe_.objectiveSettings);
  const bool ownRule = file_.find("optimizer", "rule");
  if (ownRule)
    readRule();
  else
    recipe_.optimizer =
        readNamed<Optimizer>("optimizer", "name", std::nullopt, optimizers(),
                             recipe_.optimizerSettings);
  if (recipe_.optimizer || ownRule)
    requireKey(file_, recipe_.optimizerSettings, "optimizer", "learning_rate",
               errors_);
  readBatch();
  readSchedule();
  recipe_.precision = readPrecision(file_, recipe_.lossScale, errors_);
  readMemory();
  Settings tokens = readSection(file_, "tokens", commonKeys("tokens"), errors_);
  recipe_.run = readSection(file_, "run", commonKeys("run"), errors_);
  if (errors_)
    return failure();
  if (own) {
    recipe_.ownFamily =
        loadOwnModel(file_, recipe_.model, recipe_.batch, recipe_.text);
    recipe_.family = recipe_.ownFamily.get();
    if (!recipe_.family)
      return failure();
  }
  if (ownRule) {
    recipe_.ownOptimizer =
        loadOwnRule(file_, recipe_.optimizerSettings, recipe_.text);
    recipe_.optimizer = recipe_.ownOptimizer.get();
    if (!recipe_.optimizer)
      return failure();
  }
  checkSizes(tokens);
  if (errors_)
    return failure();
  return std::move(recipe_);
}

} // namespace

FailureOr<Recipe> checkRecipe(const RecipeFile &file) {
  return Checker(file).run();
}

} // namespace trainc::recipe
