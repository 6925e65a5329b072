//===- Keys.cpp - reading a section by its keys ---------------------------===//

#include "compiler/recipe/Keys.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace mlir;
using trainc::models::Key;
using trainc::models::KeyKind;
using trainc::models::Settings;
using trainc::models::SettingValue;

namespace trainc::recipe {

std::string suggest(llvm::StringRef text,
                    llvm::ArrayRef<std::string> candidates,
                    llvm::StringRef open, llvm::StringRef close) {
  const std::string *nearest = nullptr;
  unsigned best = 0;
  for (const std::string &candidate : candidates) {
    unsigned distance = text.edit_distance(candidate);
    if (!nearest || distance < best) {
      nearest = &candidate;
      best = distance;
    }
  }
  // A name with more than half of its letters wrong is not a typing error.
  if (!nearest || best * 2 > std::max(text.size(), nearest->size()))
    return "";
  return ("; did you mean " + open + *nearest + close + "?").str();
}

static llvm::StringRef kindName(KeyKind kind) {
  switch (kind) {
  case KeyKind::Integer:
    return "an integer";
  case KeyKind::Number:
    return "a number";
  case KeyKind::Flag:
    return "true or false";
  case KeyKind::Text:
    return "a string";
  case KeyKind::TextList:
    return "an array of strings";
  }
  return "";
}

/// The value in the type of the key, or nothing.
static std::optional<SettingValue> coerce(KeyKind kind,
                                          const SettingValue &value) {
  if (kind == KeyKind::Number)
    if (const auto *integer = std::get_if<int64_t>(&value))
      return SettingValue(static_cast<double>(*integer));
  bool matches = false;
  switch (kind) {
  case KeyKind::Integer:
    matches = std::holds_alternative<int64_t>(value);
    break;
  case KeyKind::Number:
    matches = std::holds_alternative<double>(value);
    break;
  case KeyKind::Flag:
    matches = std::holds_alternative<bool>(value);
    break;
  case KeyKind::Text:
    matches = std::holds_alternative<std::string>(value);
    break;
  case KeyKind::TextList:
    matches = std::holds_alternative<std::vector<std::string>>(value);
    break;
  }
  return matches ? std::optional<SettingValue>(value) : std::nullopt;
}

/// Empty, or what was expected of a value of the right type.
static std::string checkValue(const Key &key, const SettingValue &value) {
  if (const auto *number = std::get_if<double>(&value)) {
    if (!std::isfinite(*number))
      return "finite";
    if (!key.range.contains(*number))
      return key.range.describe();
  }
  if (const auto *integer = std::get_if<int64_t>(&value))
    if (!key.range.contains(static_cast<double>(*integer)))
      return key.range.describe();
  if (const auto *text = std::get_if<std::string>(&value))
    if (!key.choices.empty() && !llvm::is_contained(key.choices, *text))
      return "one of " + llvm::join(key.choices, ", ");
  return "";
}

Settings readSection(const RecipeFile &file, llvm::StringRef section,
                     llvm::ArrayRef<Key> keys, unsigned &errors) {
  Settings settings;
  std::vector<std::string> names;
  for (const Key &key : keys) {
    names.push_back(key.name);
    if (key.value)
      settings.set(key.name, *key.value);
  }
  auto found = file.sections.find(section.str());
  if (found == file.sections.end())
    return settings;
  llvm::SmallVector<const Key *> conditional;
  for (const auto &[name, entry] : found->second.entries) {
    const Key *key = llvm::find_if(
        keys, [&, &name = name](const Key &key) { return key.name == name; });
    if (key == keys.end()) {
      ++errors;
      file.error(section, name)
          << "expected a key of [" << section << "], but got \"" << name << "\""
          << suggest(name, names);
      continue;
    }
    std::optional<SettingValue> value;
    if (entry.value)
      value = coerce(key->kind, *entry.value);
    if (!value) {
      ++errors;
      file.error(section, name)
          << "expected " << section << "." << name << " to be "
          << kindName(key->kind) << ", but got " << entry.written;
      continue;
    }
    if (std::string expected = checkValue(*key, *value); !expected.empty()) {
      ++errors;
      const auto *text = std::get_if<std::string>(&*value);
      llvm::StringRef written = entry.written;
      file.error(section, name)
          << "expected " << section << "." << name << " to be " << expected
          << ", but got " << written.split(' ').second
          << (text ? suggest(*text, key->choices) : "");
      continue;
    }
    settings.set(name, *value);
    if (!key->flag.empty() && value != key->value)
      conditional.push_back(key);
  }
  for (const Key *key : conditional)
    if (settings.flag(key->flag) != key->flagValue) {
      ++errors;
      file.error(section, key->name)
          << "expected " << section << "." << key->flag << " = "
          << (key->flagValue ? "true" : "false") << " with " << section << "."
          << key->name << ", but got " << (key->flagValue ? "false" : "true");
    }
  return settings;
}

void requireKey(const RecipeFile &file, const Settings &settings,
                llvm::StringRef section, llvm::StringRef key,
                unsigned &errors) {
  // An entry that is there but wrong has had its message.
  if (settings.has(key) || file.find(section, key))
    return;
  ++errors;
  file.error(section, key) << "expected " << section << "." << key
                           << ", but got a recipe without it";
}

} // namespace trainc::recipe
