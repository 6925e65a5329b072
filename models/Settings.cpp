//===- Settings.cpp - recipe keys and their values ------------------------===//

#include "models/Settings.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

namespace trainc::models {

bool Range::contains(double value) const {
  // Written so that NaN is outside every range.
  bool aboveMinimum = openMinimum ? value > minimum : value >= minimum;
  bool belowMaximum = openMaximum ? value < maximum : value <= maximum;
  return aboveMinimum && belowMaximum;
}

std::string formatNumber(double value) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (std::abs(value) < 1e15 && value == std::trunc(value))
    os << static_cast<int64_t>(value);
  else
    os << llvm::format("%g", value);
  return text;
}

std::string Range::describe() const {
  bool hasMinimum = minimum > -std::numeric_limits<double>::infinity();
  bool hasMaximum = maximum < std::numeric_limits<double>::infinity();
  if (hasMinimum && hasMaximum)
    return llvm::formatv("in {0}{1}, {2}{3}", openMinimum ? "(" : "[",
                         formatNumber(minimum), formatNumber(maximum),
                         openMaximum ? ")" : "]")
        .str();
  if (hasMinimum)
    return (openMinimum ? "above " : "at least ") + formatNumber(minimum);
  if (hasMaximum)
    return (openMaximum ? "below " : "at most ") + formatNumber(maximum);
  return "finite";
}

Key sizeKey(llvm::StringRef name, std::optional<int64_t> value, int64_t maximum,
            llvm::StringRef help) {
  return integerKey(name, value,
                    {.minimum = 1, .maximum = static_cast<double>(maximum)},
                    help);
}

Key integerKey(llvm::StringRef name, std::optional<int64_t> value, Range range,
               llvm::StringRef help) {
  Key key{name.str(), KeyKind::Integer, {}, range, {}, help.str()};
  if (value)
    key.value = *value;
  return key;
}

Key numberKey(llvm::StringRef name, std::optional<double> value, Range range,
              llvm::StringRef help) {
  Key key{name.str(), KeyKind::Number, {}, range, {}, help.str()};
  if (value)
    key.value = *value;
  return key;
}

Key flagKey(llvm::StringRef name, bool value, llvm::StringRef help) {
  return {name.str(), KeyKind::Flag, value, {}, {}, help.str()};
}

Key choiceKey(llvm::StringRef name, std::optional<std::string> value,
              std::vector<std::string> choices, llvm::StringRef help) {
  Key key{name.str(), KeyKind::Text, {}, {}, std::move(choices), help.str()};
  if (value)
    key.value = std::move(*value);
  return key;
}

template <typename T> T Settings::get(llvm::StringRef key) const {
  auto found = values_.find(key.str());
  if (found == values_.end())
    return T();
  const T *value = std::get_if<T>(&found->second);
  return value ? *value : T();
}

int64_t Settings::integer(llvm::StringRef key) const {
  return get<int64_t>(key);
}
double Settings::number(llvm::StringRef key) const { return get<double>(key); }
bool Settings::flag(llvm::StringRef key) const { return get<bool>(key); }
std::string Settings::text(llvm::StringRef key) const {
  return get<std::string>(key);
}
std::vector<std::string> Settings::texts(llvm::StringRef key) const {
  return get<std::vector<std::string>>(key);
}

} // namespace trainc::models
