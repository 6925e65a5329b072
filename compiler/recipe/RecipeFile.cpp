//===- RecipeFile.cpp - a TOML recipe as sections and keys ----------------===//

#include "compiler/recipe/RecipeFile.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/Support/MemoryBuffer.h"

#define TOML_EXCEPTIONS 0
#include <sstream>
#include <toml++/toml.h>

using namespace mlir;

namespace trainc::recipe {
namespace {

/// "string", "integer", … as TOML calls the type of a value.
llvm::StringRef typeName(const toml::node &node) {
  switch (node.type()) {
  case toml::node_type::table:
    return "table";
  case toml::node_type::array:
    return "array";
  case toml::node_type::string:
    return "string";
  case toml::node_type::integer:
    return "integer";
  case toml::node_type::floating_point:
    return "number";
  case toml::node_type::boolean:
    return "boolean";
  default:
    return "date or time";
  }
}

std::string describe(const toml::node &node) {
  if (node.is_table())
    return "a table";
  std::ostringstream stream;
  if (const auto *text = node.as_string())
    stream << '"' << text->get() << '"';
  else
    node.visit([&](const auto &value) { stream << value; });
  return typeName(node).str() + " " + stream.str();
}

std::optional<models::SettingValue> convert(const toml::node &node) {
  if (const auto *value = node.as_integer())
    return models::SettingValue(value->get());
  if (const auto *value = node.as_floating_point())
    return models::SettingValue(value->get());
  if (const auto *value = node.as_boolean())
    return models::SettingValue(value->get());
  if (const auto *value = node.as_string())
    return models::SettingValue(value->get());
  const toml::array *array = node.as_array();
  if (!array)
    return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node &element : *array) {
    const auto *text = element.as_string();
    if (!text)
      return std::nullopt;
    texts.push_back(text->get());
  }
  return models::SettingValue(std::move(texts));
}

/// Inserts "section.key=value" into the table and notes it in `origins`.
LogicalResult applyOverride(toml::table &table, llvm::StringRef text,
                            Location location,
                            std::map<std::string, std::string> &origins) {
  auto [path, value] = text.split('=');
  auto [section, key] = path.trim().split('.');
  if (!text.contains('=') || section.empty() || key.empty() ||
      key.contains('.'))
    return emitError(location)
           << "expected --set section.key=value, but got \"" << text << "\"";
  std::string written = value.trim().str();
  toml::parse_result parsed = toml::parse("value = " + written);
  if (!parsed) // A bare word is a string: quotes are a nuisance in shells.
    parsed = toml::parse("value = '" + written + "'");
  if (!parsed || parsed.table().size() != 1)
    return emitError(location) << "expected a TOML value in --set " << text
                               << ", but got \"" << written << "\"";
  auto [position, inserted] = table.insert(std::string(section), toml::table());
  toml::table *target = position->second.as_table();
  if (!target)
    return emitError(location)
           << "expected [" << section << "] to be a section, but got a value";
  target->insert_or_assign(std::string(key), *parsed.table().get("value"));
  origins[path.trim().str()] = ("--set " + text).str();
  return success();
}

} // namespace

const Entry *RecipeFile::find(llvm::StringRef section,
                              llvm::StringRef key) const {
  auto found = sections.find(section.str());
  if (found == sections.end())
    return nullptr;
  auto entry = found->second.entries.find(key.str());
  return entry == found->second.entries.end() ? nullptr : &entry->second;
}

InFlightDiagnostic RecipeFile::error(llvm::StringRef section,
                                     llvm::StringRef key) const {
  if (const Entry *entry = find(section, key))
    return emitError(entry->location);
  auto found = sections.find(section.str());
  return emitError(found == sections.end() ? location : found->second.location);
}

FailureOr<RecipeFile> readRecipe(MLIRContext &context, llvm::StringRef path,
                                 llvm::ArrayRef<std::string> overrides) {
  auto at = [&](const toml::source_position &position) -> Location {
    return FileLineColLoc::get(&context, path, std::max(position.line, 1u),
                               std::max(position.column, 1u));
  };
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return emitError(at({}), "expected a recipe to read, but got \"")
           << buffer.getError().message() << "\"";

  std::string text = (*buffer)->getBuffer().str();
  toml::parse_result parsed = toml::parse(text);
  if (!parsed)
    return emitError(at(parsed.error().source().begin))
           << "expected TOML, but got an error: "
           << std::string(parsed.error().description());

  toml::table table = std::move(parsed).table();
  std::map<std::string, std::string> origins;
  for (const std::string &text : overrides)
    if (failed(applyOverride(table, text, at({}), origins)))
      return failure();

  RecipeFile recipe{path.str(), text, at({}), {}};
  if (!overrides.empty()) {
    std::ostringstream stream;
    stream << toml::toml_formatter{table} << "\n";
    recipe.text = stream.str();
  }
  for (auto &&[name, node] : table) {
    std::string section(name.str());
    const toml::table *keys = node.as_table();
    if (!keys)
      return emitError(at(node.source().begin))
             << "expected a section such as [model], but got key \"" << section
             << "\" outside of every section";
    Section &target =
        recipe.sections.emplace(section, Section{at(keys->source().begin), {}})
            .first->second;
    for (auto &&[keyName, value] : *keys) {
      std::string key(keyName.str());
      auto origin = origins.find(section + "." + key);
      // An override has no line: its location is its text.
      Location location = origin != origins.end()
                              ? Location(NameLoc::get(
                                    StringAttr::get(&context, origin->second)))
                              : at(keyName.source().begin);
      target.entries.emplace(key,
                             Entry{convert(value), describe(value), location});
    }
  }
  return recipe;
}

} // namespace trainc::recipe
