//===- NamePatterns.cpp - parameters chosen by name -----------------------===//

#include "compiler/recipe/NamePatterns.h"

#include "llvm/Support/GlobPattern.h"

using namespace mlir;
using namespace trainc::models;

namespace trainc::recipe {
namespace {

struct Item {
  std::string text;
  double number = 0;
  llvm::GlobPattern pattern;
  bool used = false;
};

class Items {
public:
  Items(const RecipeFile &file, llvm::StringRef section, llvm::StringRef key)
      : file(file), section(section), key(key) {}

  LogicalResult read(const std::vector<std::string> &texts, bool numbers) {
    // Patterns refer to their text.
    items.reserve(texts.size());
    for (const std::string &text : texts) {
      Item &item = items.emplace_back();
      item.text = text;
      if (numbers && failed(takeNumber(item)))
        return failure();
      auto pattern = llvm::GlobPattern::create(item.text);
      if (!pattern)
        return file.error(section, key)
               << "expected a pattern such as \"*.attn.*\", but got \""
               << item.text << "\": " << llvm::toString(pattern.takeError());
      item.pattern = std::move(*pattern);
    }
    return success();
  }

  /// The last item that matches, or null.
  const Item *find(llvm::StringRef name) {
    const Item *last = nullptr;
    for (Item &item : items)
      if (item.pattern.match(name)) {
        item.used = true;
        last = &item;
      }
    return last;
  }

  LogicalResult expectUsed() const {
    for (const Item &item : items)
      if (!item.used)
        return file.error(section, key)
               << "expected a pattern that matches a parameter, but got \""
               << item.text << "\"";
    return success();
  }

private:
  LogicalResult takeNumber(Item &item) {
    auto [pattern, number] = llvm::StringRef(item.text).rsplit('=');
    if (number.trim().getAsDouble(item.number) || !(item.number >= 0) ||
        !(item.number < 1e30))
      return file.error(section, key)
             << "expected items such as \"*.attn.* = 0.1\" with a number of at "
                "least 0, but got \""
             << item.text << "\"";
    item.text = pattern.trim().str();
    return success();
  }

  const RecipeFile &file;
  llvm::StringRef section, key;
  std::vector<Item> items;
};

LogicalResult visitParameters(
    ModuleOp module, const RecipeFile &file, llvm::StringRef section,
    llvm::StringRef key, const Settings &settings, bool numbers,
    llvm::function_ref<void(train::ParameterOp, const Item *)> visit) {
  if (!settings.has(key))
    return success();
  Items items(file, section, key);
  if (failed(items.read(settings.texts(key), numbers)))
    return failure();
  for (auto parameter : module.getOps<train::ParameterOp>())
    visit(parameter, items.find(parameter.getExternalName()));
  return items.expectUsed();
}

} // namespace

LogicalResult
matchParameters(ModuleOp module, const RecipeFile &file,
                llvm::StringRef section, llvm::StringRef key,
                const Settings &settings,
                llvm::function_ref<void(train::ParameterOp, bool)> visit) {
  return visitParameters(module, file, section, key, settings,
                         /*numbers=*/false,
                         [&](train::ParameterOp parameter, const Item *item) {
                           visit(parameter, item != nullptr);
                         });
}

LogicalResult
matchNumbers(ModuleOp module, const RecipeFile &file, llvm::StringRef section,
             llvm::StringRef key, const Settings &settings,
             llvm::function_ref<void(train::ParameterOp, double)> visit) {
  return visitParameters(module, file, section, key, settings,
                         /*numbers=*/true,
                         [&](train::ParameterOp parameter, const Item *item) {
                           if (item)
                             visit(parameter, item->number);
                         });
}

} // namespace trainc::recipe
