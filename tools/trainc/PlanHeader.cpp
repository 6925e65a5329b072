//===- PlanHeader.cpp - a plan's names and types as C++ -------------------===//
//
// Decides how names of a plan become identifiers: other characters than
// letters, digits and underscores turn to underscores, and names that C++ or
// the header itself uses get one behind. Names appear in the text only as
// escaped literals, so that no plan can write code.
//
//===----------------------------------------------------------------------===//

#include "tools/trainc/PlanHeader.h"

#include "runtime/abi/plan_generated.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace trainc::tools {
namespace {

bool isWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_';
}

bool isKeyword(llvm::StringRef word) {
  static const llvm::StringSet<> keywords = {
      "alignas",       "alignof",     "and",
      "and_eq",        "asm",         "auto",
      "bitand",        "bitor",       "bool",
      "break",         "case",        "catch",
      "char",          "char16_t",    "char32_t",
      "char8_t",       "class",       "co_await",
      "co_return",     "co_yield",    "compl",
      "concept",       "const",       "const_cast",
      "consteval",     "constexpr",   "constinit",
      "continue",      "decltype",    "default",
      "delete",        "do",          "double",
      "dynamic_cast",  "else",        "enum",
      "explicit",      "export",      "extern",
      "false",         "float",       "for",
      "friend",        "goto",        "if",
      "inline",        "int",         "long",
      "mutable",       "namespace",   "new",
      "noexcept",      "not",         "not_eq",
      "nullptr",       "operator",    "or",
      "or_eq",         "private",     "protected",
      "public",        "register",    "reinterpret_cast",
      "requires",      "return",      "short",
      "signed",        "sizeof",      "static",
      "static_assert", "static_cast", "struct",
      "switch",        "template",    "this",
      "thread_local",  "throw",       "true",
      "try",           "typedef",     "typeid",
      "typename",      "union",       "unsigned",
      "using",         "virtual",     "void",
      "volatile",      "wchar_t",     "while",
      "xor",           "xor_eq"};
  return keywords.contains(word);
}

/// No two underscores in a row and none in front: those are C++'s own.
std::string identifierOf(std::string_view name) {
  std::string word;
  for (char c : name)
    if (c != '_' && isWord(c))
      word += c;
    else if (!word.empty() && word.back() != '_')
      word += '_';
  if (word.empty() || (word[0] >= '0' && word[0] <= '9'))
    word.insert(word.begin(), 'v');
  // The header's own names inside its namespaces.
  if (isKeyword(word) || word == "Plan" || word == "trainc" || word == "std")
    word += '_';
  return word;
}

/// Identifiers of one namespace, all different.
class Scope {
public:
  std::string add(std::string_view name) {
    std::string word = identifierOf(name), unique = word;
    for (int count = 2; !used.insert(unique).second; ++count)
      unique =
          fmt::format("{}{}{}", word, word.back() == '_' ? "" : "_", count);
    return unique;
  }

private:
  llvm::StringSet<> used;
};

std::string literal(std::string_view text) {
  std::string result = "\"";
  for (unsigned char c : text)
    if (c == '"' || c == '\\' || c < 0x20 || c >= 0x7f)
      result += fmt::format("\\{:03o}", static_cast<unsigned>(c));
    else
      result += static_cast<char>(c);
  return result + '"';
}

std::string_view text(const flatbuffers::String *string) {
  return string ? std::string_view(string->c_str(), string->size())
                : std::string_view();
}

struct TypeNames {
  const char *enumerator, *element;
  unsigned size_bytes;
};

TypeNames namesOf(abi::ElementType type) {
  switch (type) {
  case abi::ElementType::F64:
    return {"F64", "double", 8};
  case abi::ElementType::I32:
    return {"I32", "std::int32_t", 4};
  case abi::ElementType::I64:
    return {"I64", "std::int64_t", 8};
  case abi::ElementType::I1:
    return {"I1", "bool", 1};
  case abi::ElementType::BF16:
    return {"BF16", "trainc::embed::BFloat16", 2};
  case abi::ElementType::F16:
    return {"F16", "trainc::embed::Float16", 2};
  case abi::ElementType::U8:
    return {"U8", "std::uint8_t", 1};
  case abi::ElementType::F32:
  case abi::ElementType::Unspecified: // refused by the verifier
    break;
  }
  return {"F32", "float", 4};
}

/// A namespace of the header per role, in this order.
struct RoleNames {
  abi::Role role;
  const char *enumerator, *group;
  bool readOnly;
};
constexpr RoleNames roles[] = {
    {abi::Role::Parameter, "Parameter", "parameters", false},
    {abi::Role::Gradient, "Gradient", "gradients", false},
    {abi::Role::Optimizer, "Optimizer", "optimizer", false},
    {abi::Role::Metric, "Metric", "metrics", true},
    {abi::Role::Input, "Input", "inputs", false},
    {abi::Role::Output, "Output", "outputs", true}};

const RoleNames *namesOf(abi::Role role) {
  for (const RoleNames &names : roles)
    if (names.role == role)
      return &names;
  return nullptr; // transient: no memory; copies: the programs' own
}

class Writer {
public:
  Writer(std::span<const uint8_t> bytes, std::string_view namespaceName)
      : bytes(bytes), plan(*abi::GetPlan(bytes.data())),
        namespaceName(namespaceName) {}

  std::string write() {
    std::string guard = "TRAINC_PLAN_";
    for (char c : namespaceName)
      if (c != ':' || guard.back() != '_')
        guard += c == ':' ? '_' : static_cast<char>(llvm::toUpper(c));
    line("// Written by `trainc header`; compiled from a recipe. Do not edit.");
    line("#ifndef {}_H\n#define {}_H\n", guard, guard);
    line("#include <trainc/embed.h>\n");
    line("namespace {} {{\n", namespaceName);
    writePlan();
    writeBatch();
    writePrograms();
    for (const RoleNames &role : roles)
      writeGroup(role);
    writeTables();
    line("}} // namespace {}\n\n#endif // {}_H", namespaceName, guard);
    return std::move(out);
  }

private:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args &&...args) {
    fmt::format_to(std::back_inserter(out), format,
                   std::forward<Args>(args)...);
    out += '\n';
  }

  void writePlan() {
    line("/// The plan, and the tag of what belongs to it.\n"
         "struct Plan {{\n"
         "  static constexpr std::string_view name = {};\n"
         "  static constexpr std::size_t size_bytes = {};\n"
         "  static constexpr std::uint64_t content_hash = {:#018x};\n"
         "  static const unsigned char *bytes() noexcept;\n"
         "}};\n\n"
         "using Session = trainc::embed::Session<Plan>;\n",
         literal(text(plan.name())), bytes.size(), plan.content_hash());
  }

  void writeBatch() {
    const abi::Batch &batch = *plan.batch();
    line("namespace batch {{");
    line("inline constexpr std::string_view objective = {};",
         literal(text(batch.objective())));
    std::pair<const char *, uint64_t> numbers[] = {
        {"sequences", batch.sequences()},
        {"length", batch.length()},
        {"micro_batches", batch.micro_batches()},
        {"total_steps", batch.total_steps()},
        {"vocab_size", batch.vocab_size()},
        {"seed", batch.seed()}};
    for (auto [name, value] : numbers)
      line("inline constexpr std::uint64_t {} = {}u;", name, value);
    line("inline constexpr std::int64_t ignore_index = {};",
         number(batch.ignore_index()));
    line("}} // namespace batch\n");
  }

  /// The most negative number has no literal of its own.
  static std::string number(int64_t value) {
    return value == INT64_MIN ? "INT64_MIN" : std::to_string(value);
  }

  void writePrograms() {
    line("namespace programs {{");
    Scope scope;
    for (const abi::Program *program : *firstVariant().programs())
      line("inline constexpr trainc::embed::Program<Plan> {}{{{}}};",
           scope.add(text(program->name())), literal(text(program->name())));
    line("}} // namespace programs\n");
  }

  void writeGroup(const RoleNames &role) {
    line("namespace {} {{", role.group);
    Scope scope;
    for (const abi::Variable *variable : *plan.variables())
      if (variable->role() == role.role)
        line("inline constexpr trainc::embed::Variable<Plan, {}{}{}{}>\n"
             "    {}{{{}}};",
             role.readOnly ? "const " : "",
             namesOf(variable->element_type()).element,
             variable->shape()->size() ? ", " : "",
             fmt::join(*variable->shape(), ", "),
             scope.add(text(variable->name())),
             literal(text(variable->name())));
    line("}} // namespace {}\n", role.group);
  }

  void writeTables() {
    size_t count = 0;
    for (const abi::Variable *variable : *plan.variables())
      count += namesOf(variable->role()) != nullptr;
    line("/// All of the above, in the plan's order.\n"
         "inline constexpr std::array<trainc::embed::VariableInfo, {}>\n"
         "    variable_infos{{{{",
         count);
    for (const abi::Variable *variable : *plan.variables()) {
      const RoleNames *role = namesOf(variable->role());
      if (!role)
        continue;
      TypeNames type = namesOf(variable->element_type());
      uint64_t size_bytes = type.size_bytes;
      for (uint64_t extent : *variable->shape())
        size_bytes *= extent;
      line("    {{{}, trainc::embed::Role::{},\n"
           "     trainc::embed::ElementType::{}, {}u, {}, {{{}}}}},",
           literal(text(variable->name())), role->enumerator, type.enumerator,
           size_bytes, variable->shape()->size(),
           fmt::join(*variable->shape(), ", "));
    }
    line("}}}};\n");
    line("inline constexpr std::array<trainc::embed::InputInfo, {}>\n"
         "    input_infos{{{{",
         plan.inputs()->size());
    for (const abi::Input *input : *plan.inputs())
      line("    {{{}, {}, {}u, {}, {}}},", literal(text(input->name())),
           input->source() == abi::InputSource::Data, input->limit(),
           input->has_ignore_value(), number(input->ignore_value()));
    line("}}}};\n");
    line("inline constexpr std::array<std::string_view, {}> program_names{{{{",
         firstVariant().programs()->size());
    for (const abi::Program *program : *firstVariant().programs())
      line("    {},", literal(text(program->name())));
    line("}}}};\n");
  }

  /// Variants of a plan have the same programs.
  const abi::Variant &firstVariant() const { return *plan.variants()->Get(0); }

  std::span<const uint8_t> bytes;
  const abi::Plan &plan;
  std::string_view namespaceName;
  std::string out;
};

} // namespace

bool isNamespace(std::string_view name) {
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(name).split(parts, "::");
  for (llvm::StringRef part : parts)
    if (part.empty() || identifierOf(part.str()) != part)
      return false;
  return true;
}

std::string planHeader(std::span<const uint8_t> plan,
                       std::string_view namespaceName) {
  return Writer(plan, namespaceName).write();
}

} // namespace trainc::tools
