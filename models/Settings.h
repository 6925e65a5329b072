//===- Settings.h - recipe keys and their values ----------------*- C++ -*-===//
//
// Families, objectives, optimizers and schedules describe their recipe keys as
// data (`Key`), so parsing, error messages, the nearest valid key and generated
// pages need no code per key. `Settings` holds the checked values of a section.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_SETTINGS_H
#define TRAINC_MODELS_SETTINGS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace trainc::models {

using SettingValue =
    std::variant<int64_t, double, bool, std::string, std::vector<std::string>>;

enum class KeyKind { Integer, Number, Flag, Text, TextList };

/// As people write it: "4", "0.1", "1e-05".
std::string formatNumber(double value);

/// Numbers allowed for a key; an open end excludes its bound.
struct Range {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool openMinimum = false;
  bool openMaximum = false;

  bool contains(double value) const;
  /// As in messages: "at least 1", "in [0, 1)".
  std::string describe() const;
};

/// One recipe key: its name, type, default and what it may be.
struct Key {
  std::string name;
  KeyKind kind;
  std::optional<SettingValue> value; ///< used where the recipe says nothing
  Range range;                       ///< of an Integer or Number
  std::vector<std::string> choices;  ///< of a Text; empty means any
  std::string help;
  /// The flag that must have this value where the key says other than its
  /// default; or empty.
  std::string flag = {};
  bool flagValue = true;
};

/// A key that means nothing unless a flag of its section has this value.
inline Key onlyWhere(llvm::StringRef flag, bool value, Key key) {
  key.flag = flag.str();
  key.flagValue = value;
  return key;
}

/// Positive sizes up to `maximum`; larger ones are typing errors, and would
/// overflow byte counts.
Key sizeKey(llvm::StringRef name, std::optional<int64_t> value, int64_t maximum,
            llvm::StringRef help);
Key integerKey(llvm::StringRef name, std::optional<int64_t> value, Range range,
               llvm::StringRef help);
Key numberKey(llvm::StringRef name, std::optional<double> value, Range range,
              llvm::StringRef help);
Key flagKey(llvm::StringRef name, bool value, llvm::StringRef help);
Key choiceKey(llvm::StringRef name, std::optional<std::string> value,
              std::vector<std::string> choices, llvm::StringRef help);

inline Range atLeast(double minimum) { return {.minimum = minimum}; }
inline Range above(double minimum) {
  return {.minimum = minimum, .openMinimum = true};
}
/// [0, 1).
inline Range fraction() {
  return {.minimum = 0, .maximum = 1, .openMaximum = true};
}
/// [0, 1].
inline Range ratio() { return {.minimum = 0, .maximum = 1}; }

/// The values of one recipe section, checked against its keys.
class Settings {
public:
  void set(llvm::StringRef key, SettingValue value) {
    values_[key.str()] = std::move(value);
  }
  bool has(llvm::StringRef key) const { return values_.count(key.str()) != 0; }

  /// The value of a key that has a default or was found by `has`; zero or
  /// empty where there is none.
  int64_t integer(llvm::StringRef key) const;
  double number(llvm::StringRef key) const;
  bool flag(llvm::StringRef key) const;
  std::string text(llvm::StringRef key) const;
  std::vector<std::string> texts(llvm::StringRef key) const;

private:
  template <typename T> T get(llvm::StringRef key) const;
  std::map<std::string, SettingValue> values_;
};

/// Sizes of one micro-batch and of a step.
struct BatchShape {
  int64_t sequences = 0;    ///< B, of one micro-batch
  int64_t length = 0;       ///< T
  int64_t microBatches = 0; ///< M, of a step
  int64_t rampFrom = 0;     ///< micro-batches of the first step; 0: M
  int64_t rampTokens = 0;   ///< until a step has M

  int64_t tokensPerStep() const { return sequences * length * microBatches; }
};

/// Takes an error about a key of a section: "expected X, but got Y".
using Report = llvm::function_ref<void(
    llvm::StringRef section, llvm::StringRef key, const llvm::Twine &message)>;

} // namespace trainc::models

#endif // TRAINC_MODELS_SETTINGS_H
