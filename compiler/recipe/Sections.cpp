//===- Sections.cpp - the sections of a recipe and their keys -------------===//

#include "compiler/recipe/Sections.h"

#include "compiler/recipe/LossScale.h"
#include "runtime/core/StepShapes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace trainc::models;

namespace trainc::recipe {

constexpr int64_t kMaximumSequences = 1 << 20;
constexpr int64_t kMaximumLength = 1 << 20;
constexpr double kMaximumSteps = 1e12;
constexpr double kMaximumTokens = 1e18;

const std::vector<std::string> &sectionNames() {
  static const std::vector<std::string> names = {
      "model",    "objective", "tokens", "batch", "optimizer",
      "schedule", "precision", "memory", "run"};
  return names;
}

const std::vector<std::string> &tokenNames() {
  static const std::vector<std::string> names = {
      "pad", "bos", "eos", "cls", "sep", "mask", "unk", "sentinel_first"};
  return names;
}

static Key patternsKey(llvm::StringRef name, llvm::StringRef help) {
  return {name.str(), KeyKind::TextList, {}, {}, {}, help.str()};
}

std::vector<Key> commonKeys(llvm::StringRef section) {
  if (section == "model")
    return {patternsKey("trainable",
                        "patterns of parameter names; others are frozen")};
  if (section == "tokens") {
    std::vector<Key> keys;
    for (const std::string &name : tokenNames())
      keys.push_back(integerKey(name, std::nullopt, atLeast(0),
                                "id of the special token"));
    return keys;
  }
  if (section == "batch")
    return {sizeKey("sequences", std::nullopt, kMaximumSequences,
                    "B, sequences of one micro-batch"),
            sizeKey("length", std::nullopt, kMaximumLength,
                    "T, tokens of a sequence"),
            sizeKey("micro_batches", 1, kMaximumSequences,
                    "M, micro-batches of a step"),
            sizeKey("ramp_from", std::nullopt, StepShapes::kMaxRamp,
                    "micro-batches of the first step; their number grows "
                    "linearly with the tokens consumed"),
            integerKey("ramp_tokens", std::nullopt,
                       {.minimum = 1, .maximum = 0x1p60},
                       "consumed until a step has M micro-batches")};
  if (section == "optimizer")
    return {numberKey("learning_rate", std::nullopt, atLeast(0),
                      "peak of the schedule"),
            numberKey("clip_norm", 0.0, atLeast(0),
                      "c, largest global gradient norm; 0 for any"),
            numberKey("clip_epsilon", 1e-6, atLeast(0),
                      "e of the factor min(1, c / (norm + e)): PyTorch's 1e-6, "
                      "TensorFlow's 0"),
            patternsKey("no_decay", "patterns of parameter names that weight "
                                    "decay spares, instead of one-dimensional "
                                    "ones"),
            patternsKey("no_matrix", "patterns of names of matrices that take "
                                     "the rule of vectors, where matrices have "
                                     "their own"),
            patternsKey("weight_decays",
                        "\"PATTERN = DECAY\": other weight "
                        "decays; the last that matches counts"),
            patternsKey("rate_factors", "\"PATTERN = FACTOR\": learning rates "
                                        "over the schedule's")};
  if (section == "schedule")
    return {integerKey("warmup_steps", std::nullopt,
                       {.minimum = 0, .maximum = kMaximumSteps},
                       "updates of linear warm-up"),
            integerKey("warmup_tokens", std::nullopt,
                       {.minimum = 0, .maximum = kMaximumTokens},
                       "the same in tokens"),
            integerKey("total_steps", std::nullopt,
                       {.minimum = 1, .maximum = kMaximumSteps},
                       "updates until the end of the decay"),
            integerKey("total_tokens", std::nullopt,
                       {.minimum = 1, .maximum = kMaximumTokens},
                       "the same in tokens")};
  if (section == "precision") {
    std::vector<Key> keys = {
        choiceKey("compute", "float32", {"float32", "bfloat16", "float16"},
                  "type of what is multiplied and of activations in memory; "
                  "parameters, sums and optimizer stay float32")};
    llvm::append_range(keys, lossScaleKeys());
    return keys;
  }
  if (section == "memory")
    return {choiceKey(
        "budget", std::nullopt, {},
        "most bytes of the arena, such as \"2GiB\"; more is an error")};
  if (section == "run")
    return {integerKey("seed", 1, atLeast(0),
                       "of initialisation, noise and order")};
  return {};
}

std::vector<Key> moduleKeys() {
  return {
      choiceKey("module", std::nullopt, {},
                "text module of the model, beside the recipe's file"),
      sizeKey("vocab_size", std::nullopt, 1 << 24, "V, columns of the logits"),
      choiceKey("token_table", std::nullopt, {},
                "parameter [V, C] of the module that makes the logits; a "
                "lm_head.weight of their own by default")};
}

std::vector<Key> ruleKeys() {
  return {choiceKey("rule", std::nullopt, {},
                    "text of one train.update, beside the recipe's file"),
          numberKey("weight_decay", 0.0, atLeast(0),
                    "what the rule gets as its decay; spares one-dimensional "
                    "parameters")};
}

static std::string describeDefault(const Key &key) {
  if (!key.value)
    return "";
  if (const auto *value = std::get_if<int64_t>(&*key.value))
    return ("`" + llvm::Twine(*value) + "`").str();
  if (const auto *value = std::get_if<double>(&*key.value))
    return ("`" + llvm::Twine(formatNumber(*value)) + "`").str();
  if (const auto *value = std::get_if<bool>(&*key.value))
    return *value ? "`true`" : "`false`";
  if (const auto *value = std::get_if<std::string>(&*key.value))
    return ("`\"" + llvm::Twine(*value) + "\"`").str();
  return "";
}

static std::string describeValues(const Key &key) {
  switch (key.kind) {
  case KeyKind::Integer:
    return "integer " + key.range.describe();
  case KeyKind::Number:
    return "number " + key.range.describe();
  case KeyKind::Flag:
    return "`true` or `false`";
  case KeyKind::Text:
    return key.choices.empty()
               ? "string"
               : "`\"" + llvm::join(key.choices, "\"`, `\"") + "\"`";
  case KeyKind::TextList:
    return "array of strings";
  }
  return "";
}

static void printKeys(llvm::raw_ostream &os, llvm::ArrayRef<Key> keys) {
  if (keys.empty())
    return;
  os << "\n| key | values | default | |\n|---|---|---|---|\n";
  for (const Key &key : keys)
    os << "| `" << key.name << "` | " << describeValues(key) << " | "
       << describeDefault(key) << " | " << key.help << " |\n";
}

template <typename Entry>
static void printEntries(llvm::raw_ostream &os, llvm::StringRef nameKey,
                         llvm::ArrayRef<Entry> entries) {
  for (const Entry &entry : entries) {
    os << "\nWith `" << nameKey << " = \"" << entry.name << "\"`"
       << (entry.keys.empty() ? ": no other keys.\n" : ":\n");
    printKeys(os, entry.keys);
  }
}

std::string recipeReference() {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "# Recipe keys\n\nGenerated from the declarations in models/ and "
        "compiler/recipe/Sections.cpp;\nrecipe-tests compares it.\n";
  for (const std::string &section : sectionNames()) {
    os << "\n## [" << section << "]\n";
    printKeys(os, commonKeys(section));
    if (section == "model") {
      printEntries(os, "family", families());
      os << "\nWith a `module` of one's own instead of a `family`:\n";
      printKeys(os, moduleKeys());
    }
    if (section == "objective")
      printEntries(os, "name", objectives());
    if (section == "optimizer") {
      printEntries(os, "name", optimizers());
      os << "\nWith a `rule` of one's own instead of a `name`:\n";
      printKeys(os, ruleKeys());
    }
    if (section == "schedule")
      printEntries(os, "name", schedules());
  }
  return text;
}

} // namespace trainc::recipe
