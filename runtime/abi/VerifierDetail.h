//===- VerifierDetail.h - the parts of the plan verifier ----------*- C++
//-*-===//
//
// Private to this folder. Each part proves one layer and relies on those before
// it: encoding, tables, variants, programs.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_ABI_VERIFIERDETAIL_H
#define TRAINC_RUNTIME_ABI_VERIFIERDETAIL_H

#include "runtime/abi/plan_generated.h"
#include "runtime/core/Status.h"
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_set>

namespace trainc::abi::detail {

/// Identifier, and flatbuffers' own proof that every offset stays inside
/// `data`.
Status verifyEncoding(std::span<const uint8_t> data);

/// That proving and running the plan takes time in proportion to its bytes.
Status verifyEffort(const Plan &plan, uint64_t size_bytes);

/// Variables, inputs, loss terms, metrics, batch: everything said once.
Status verifyTables(const Plan &plan);

/// Arenas, buffers, code and kernels of one variant. `where` names it.
Status verifyVariant(const Plan &plan, const Variant &variant,
                     std::string_view where);

/// Launches, copies and the flow of data in every program of one variant.
Status verifyPrograms(const Plan &plan, const Variant &variant,
                      std::string_view where);

/// "expected X, but got Y at W", as a Status of kind File.
template <typename... Args>
Status broken(std::string_view where, fmt::format_string<Args...> format,
              Args &&...args) {
  return Status::file(fmt::format(
      "{}: {}", where, fmt::format(format, std::forward<Args>(args)...)));
}

inline std::string_view text(const flatbuffers::String *string) {
  return string ? std::string_view(string->c_str(), string->size())
                : std::string_view();
}

/// Whether a buffer is a range of variables that have buffers of their own.
inline bool isSpan(const Buffer &buffer) {
  return buffer.spans() && buffer.spans()->size() != 0;
}

/// Bytes of one element; 0 for unknown types.
uint64_t elementSize(ElementType type);

/// Bytes of a dense array; none when the type is unknown, an extent is 0, there
/// are more than 8 extents, the product does not fit 63 bits, or the extents
/// are not aligned.
std::optional<uint64_t> arraySize(ElementType type,
                                  const flatbuffers::Vector<uint64_t> &shape);

/// Longer names make the messages, and the time to find them, grow.
inline constexpr uint32_t maximumNameBytes = 1024;

/// Refuses empty, endless and repeated names of one kind of thing.
class UniqueNames {
public:
  UniqueNames(std::string_view where, std::string_view kind)
      : where_(where), kind_(kind) {}
  Status add(const flatbuffers::String *name) {
    if (text(name).empty())
      return broken(where_,
                    "expected every {} to have a name, but got an empty one",
                    kind_);
    if (name->size() > maximumNameBytes)
      return broken(where_,
                    "expected names of {}s of at most {} bytes, but got {}",
                    kind_, maximumNameBytes, name->size());
    if (!seen_.insert(text(name)).second)
      return broken(where_, "expected unique names of {}s, but got '{}' twice",
                    kind_, text(name));
    return {};
  }

private:
  std::string_view where_, kind_;
  std::unordered_set<std::string_view> seen_;
};

} // namespace trainc::abi::detail

#endif // TRAINC_RUNTIME_ABI_VERIFIERDETAIL_H
