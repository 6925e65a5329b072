//===- LossScale.cpp - how a recipe scales its loss -----------------------===//

#include "compiler/recipe/LossScale.h"

#include "compiler/recipe/Keys.h"
#include "compiler/recipe/Sections.h"

#include <limits>

using namespace mlir;
using namespace trainc::models;

namespace trainc::recipe {

/// Normal numbers of float32: the scale and its reciprocal meet gradients
/// there.
static Range scaleRange() {
  return {.minimum = std::numeric_limits<float>::min(),
          .maximum = std::numeric_limits<float>::max()};
}

/// Those of the dynamic rule; defaults are PyTorch's.
static std::vector<Key> dynamicKeys() {
  return {
      numberKey("loss_scale_initial", 65536.0, scaleRange(),
                "dynamic: the scale of the first step"),
      numberKey("loss_scale_growth", 2.0,
                {.minimum = 1,
                 .maximum = std::numeric_limits<float>::max(),
                 .openMinimum = true},
                "dynamic: factor after `loss_scale_interval` steps in a "
                "row without overflow"),
      integerKey("loss_scale_interval", 2000, atLeast(1),
                 "dynamic: those steps"),
      numberKey("loss_scale_backoff", 0.5,
                {.minimum = 0,
                 .maximum = 1,
                 .openMinimum = true,
                 .openMaximum = true},
                "dynamic: factor after an overflow"),
      integerKey("loss_scale_hysteresis", 1, atLeast(1),
                 "dynamic: overflows from which on it backs off; only "
                 "growth counts anew (Megatron's rule, with 2)"),
      numberKey("loss_scale_floor", 0.0,
                {.minimum = 0, .maximum = std::numeric_limits<float>::max()},
                "dynamic: least scale")};
}

std::vector<Key> lossScaleKeys() {
  std::vector<Key> keys = {
      choiceKey("loss_scale", std::nullopt, {"none", "dynamic"},
                "what gradients are scaled by, or a number for a constant; by "
                "default `\"dynamic\"` with float16, else `\"none\"`")};
  llvm::append_range(keys, dynamicKeys());
  return keys;
}

/// The number of an entry, if it is one.
static std::optional<double> numberOf(const Entry &entry) {
  if (!entry.value)
    return std::nullopt;
  if (const auto *integer = std::get_if<int64_t>(&*entry.value))
    return static_cast<double>(*integer);
  if (const auto *number = std::get_if<double>(&*entry.value))
    return *number;
  return std::nullopt;
}

Settings readPrecision(const RecipeFile &file, std::optional<LossScale> &scale,
                       unsigned &errors) {
  auto error = [&](llvm::StringRef key) {
    ++errors;
    return file.error("precision", key);
  };
  // A scale is a number or a name, so its key has no one type.
  RecipeFile rest = file;
  const Entry *entry = file.find("precision", "loss_scale");
  std::optional<double> constant = entry ? numberOf(*entry) : std::nullopt;
  bool isText = entry && entry->value &&
                std::holds_alternative<std::string>(*entry->value);
  if (entry && !isText) {
    rest.sections.at("precision").entries.erase("loss_scale");
    if (!constant)
      error("loss_scale") << "expected precision.loss_scale to be \"none\", "
                             "\"dynamic\" or a number, but got "
                          << entry->written;
    else if (!scaleRange().contains(*constant))
      error("loss_scale")
          << "expected precision.loss_scale above 0 and finite in float32, "
             "but got "
          << formatNumber(*constant);
  }
  unsigned before = errors;
  Settings settings =
      readSection(rest, "precision", commonKeys("precision"), errors);
  if (errors != before || (entry && !isText && !constant))
    return settings;
  std::string name = settings.text("loss_scale");
  if (!entry)
    name = settings.text("compute") == "float16" ? "dynamic" : "none";
  bool dynamic = !constant && name == "dynamic";
  for (const Key &key : dynamicKeys())
    if (!dynamic && file.find("precision", key.name))
      error(key.name) << "expected precision.loss_scale = \"dynamic\" with "
                         "precision."
                      << key.name << ", but got "
                      << (constant ? formatNumber(*constant)
                                   : "\"" + name + "\"");
  double initial = settings.number("loss_scale_initial");
  if (dynamic && settings.number("loss_scale_floor") > initial)
    error("loss_scale_floor")
        << "expected precision.loss_scale_floor of at most "
           "precision.loss_scale_initial = "
        << formatNumber(initial) << ", but got "
        << formatNumber(settings.number("loss_scale_floor"));
  if (constant)
    scale = LossScale{.initial = *constant};
  else if (dynamic)
    scale = LossScale{.initial = initial,
                      .dynamic = true,
                      .growth = settings.number("loss_scale_growth"),
                      .interval = settings.integer("loss_scale_interval"),
                      .backoff = settings.number("loss_scale_backoff"),
                      .hysteresis = settings.integer("loss_scale_hysteresis"),
                      .floor = settings.number("loss_scale_floor")};
  return settings;
}

} // namespace trainc::recipe
