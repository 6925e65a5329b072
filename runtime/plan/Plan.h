//===- Plan.h - a verified plan and its chosen variant ------------*- C++
//-*-===//
//
// Owns the bytes of a plan file, or looks at the caller's. A Plan exists only
// after verifyPlan accepted the bytes and a variant fits this machine, so its
// tables are read without checks.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_PLAN_PLAN_H
#define TRAINC_RUNTIME_PLAN_PLAN_H

#include "runtime/abi/plan_generated.h"
#include "runtime/core/Status.h"
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trainc {

/// Bytes of one element; 0 for Unspecified. I1 takes one byte.
uint64_t elementSizeBytes(abi::ElementType type);
/// "f32", "bf16", ...
std::string_view elementTypeName(abi::ElementType type);

inline std::string_view view(const flatbuffers::String *string) {
  return string ? std::string_view(string->c_str(), string->size())
                : std::string_view();
}

class Plan {
public:
  /// Reads and verifies the file and chooses a variant: the one whose target is
  /// `target` where that is not empty, else, of the CPU variants that this
  /// machine can run, the one that requires most features, ties to the first.
  /// Errors: User (no such file, no fitting variant: names the missing
  /// features), File (damaged), System (cannot read).
  static Result<std::unique_ptr<Plan>> load(const std::string &path,
                                            std::string_view target = {});
  /// As load, from bytes; `where` names them in errors.
  static Result<std::unique_ptr<Plan>> fromBytes(std::vector<uint8_t> bytes,
                                                 const std::string &where,
                                                 std::string_view target = {});
  /// As load, over bytes that stay the caller's: they are not copied and must
  /// neither change nor go away while the plan is used.
  static Result<std::unique_ptr<Plan>>
  fromMemory(std::span<const uint8_t> bytes, const std::string &where,
             std::string_view target = {});
  /// Reads and verifies the file without choosing a variant, for inspection on
  /// a machine that cannot run it: variant() is then the first one.
  static Result<std::unique_ptr<Plan>> inspect(const std::string &path);

  const abi::Plan &table() const { return *table_; }
  const abi::Variant &variant() const { return *variant_; }
  std::span<const uint8_t> bytes() const { return bytes_; }

  size_t variableCount() const { return table_->variables()->size(); }
  const abi::Variable &variable(size_t index) const {
    return *table_->variables()->Get(index);
  }
  /// Bytes of one variable.
  uint64_t variableSizeBytes(size_t index) const;
  /// Index into Plan.variables.
  std::optional<size_t> findVariable(std::string_view name) const;
  /// Index into Plan.inputs.
  std::optional<size_t> findInput(std::string_view name) const;
  /// Index into Variant.programs.
  std::optional<size_t> findProgram(std::string_view name) const;
  const abi::Program &program(size_t index) const {
    return *variant_->programs()->Get(index);
  }
  /// Index into Variant.buffers of the variable's place; none for Transient.
  std::optional<size_t> bufferOfVariable(size_t variable) const;

  /// Sum of the arenas of the variant, in bytes.
  uint64_t arenaBytes() const;
  /// Scratch that one worker thread needs: the largest of all kernels.
  uint64_t scratchBytesPerThread() const;

private:
  Plan() = default;
  Status open(const std::string &where, std::string_view target);
  Status parse(const std::string &where);
  Status choose(const std::string &where, std::string_view target);
  void index();

  std::vector<uint8_t> owned_; ///< empty where the caller owns the bytes
  std::span<const uint8_t> bytes_;
  const abi::Plan *table_ = nullptr;
  const abi::Variant *variant_ = nullptr;
  std::unordered_map<std::string_view, size_t> variables_, inputs_, programs_;
  std::vector<size_t> buffer_of_variable_; ///< index + 1; 0: none
};

} // namespace trainc

#endif // TRAINC_RUNTIME_PLAN_PLAN_H
