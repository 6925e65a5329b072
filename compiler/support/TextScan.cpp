//===- TextScan.cpp - what MLIR's parser relies on ------------------------===//

#include "compiler/support/TextScan.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"

#include <vector>

using llvm::StringRef;

namespace trainc {
namespace {

constexpr unsigned kMaxNesting = 128;

bool isNameCharacter(char c) {
  return llvm::isAlnum(c) || c == '_' || c == '$' || c == '.' || c == '-';
}

class Scan {
public:
  explicit Scan(StringRef text) : text(text) {}

  std::optional<TextFinding> run() {
    scopes.emplace_back();
    while (at < text.size() && !finding)
      step();
    return std::move(finding);
  }

private:
  /// What is between braces, or the whole text.
  struct Scope {
    llvm::StringSet<> values;
    unsigned parentheses = 0;
    /// Within the parentheses of a block's arguments.
    bool header = false;
  };

  void find(const llvm::Twine &message) {
    StringRef before = text.take_front(at);
    finding =
        TextFinding{static_cast<unsigned>(before.count('\n') + 1),
                    static_cast<unsigned>(at - (before.rfind('\n') + 1) + 1),
                    message.str()};
  }

  void step() {
    const char c = text[at];
    Scope &scope = scopes.back();
    switch (c) {
    case '"': // to its end
      for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at)
        at += text[at] == '\\';
      break;
    case '/': // a comment: to the end of the line
      if (text.substr(at).starts_with("//"))
        at = std::min(text.find('\n', at), text.size());
      break;
    case '{':
      open();
      scopes.emplace_back();
      break;
    case '(':
      open();
      ++scope.parentheses;
      break;
    case '[':
    case '<':
      open();
      break;
    case '}':
      close();
      if (scopes.size() > 1)
        scopes.pop_back();
      break;
    case ')':
      close();
      scope.parentheses -= scope.parentheses != 0;
      scope.header &= scope.parentheses != 0;
      break;
    case ']':
      close();
      break;
    case '>': // of an arrow it closes nothing
      if (at == 0 || text[at - 1] != '-')
        close();
      break;
    case '^': {
      const size_t end = nameEnd(at + 1);
      // Only a label has parentheses right behind it.
      scope.header =
          scope.parentheses == 0 && end < text.size() && text[end] == '(';
      at = end - 1;
      break;
    }
    case '%':
      value();
      return;
    }
    ++at;
  }

  void open() {
    if (++depth > kMaxNesting)
      find("expected brackets nested at most " + llvm::Twine(kMaxNesting) +
           " deep, but got more");
  }
  void close() { depth -= depth != 0; }

  size_t nameEnd(size_t from) const {
    while (from < text.size() && isNameCharacter(text[from]))
      ++from;
    return from;
  }
  size_t spacesEnd(size_t from) const {
    return std::min(text.find_first_not_of(" \t\r\n", from), text.size());
  }

  /// Definitions are the arguments of a block, and names outside parentheses
  /// that `=` follows, as in `%a, %b:2 = `.
  void value() {
    Scope &scope = scopes.back();
    const size_t end = nameEnd(at + 1);
    const StringRef name = text.slice(at, end);
    const bool argument = scope.header && spacesEnd(end) < text.size() &&
                          text[spacesEnd(end)] == ':';
    if (argument || (scope.parentheses == 0 && definesUpTo(end))) {
      scope.values.insert(name);
    } else if (llvm::none_of(scopes, [&](const Scope &outer) {
                 return outer.values.contains(name);
               })) {
      find("expected a value that is defined before it is used, but got '" +
           name + "'");
      return;
    }
    at = end;
  }

  /// Whether names separated by commas and then `=` follow.
  bool definesUpTo(size_t from) const {
    while (true) {
      if (from < text.size() && text[from] == ':')
        from = nameEnd(from + 1);
      from = spacesEnd(from);
      if (from == text.size() || text[from] != ',')
        return from < text.size() && text[from] == '=';
      from = spacesEnd(from + 1);
      if (from == text.size() || text[from] != '%')
        return false;
      from = nameEnd(from + 1);
    }
  }

  StringRef text;
  size_t at = 0;
  unsigned depth = 0;
  std::vector<Scope> scopes;
  std::optional<TextFinding> finding;
};

} // namespace

std::optional<TextFinding> scanText(StringRef text) { return Scan(text).run(); }

} // namespace trainc
