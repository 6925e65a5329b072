//===- CausalData.cpp -----------------------------------------------------===//

#include "runtime/data/CausalData.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace trainc {

Result<std::unique_ptr<CausalData>>
CausalData::create(TokenFiles files, const DataOptions &options) {
  uint64_t size = files.size();
  if (size < uint64_t(options.length) + 1)
    return Status::user(fmt::format(
        "expected at least {} tokens of data (one window of length {} and its "
        "last target), but got {}; use more text or a shorter length",
        uint64_t(options.length) + 1, options.length, size));
  return std::unique_ptr<CausalData>(new CausalData(std::move(files), options));
}

uint64_t CausalData::windowStart(uint64_t example) const {
  return rowOf(example) * options_.length;
}

Status CausalData::fill(uint64_t step, uint32_t micro_batch,
                        std::span<const InputSlot> slots) {
  const size_t length = options_.length;
  const uint64_t first = firstExample(step, micro_batch);
  for (const InputSlot &slot : slots) {
    // A program with shapes of its own asks for "<program>.inputs".
    std::string_view name = slot.name.substr(slot.name.rfind('.') + 1);
    bool targets = name == "targets";
    if (!targets && name != "inputs")
      return Status::user(fmt::format(
          "expected the inputs 'inputs' and 'targets' of causal_lm, but got a "
          "plan that wants '{}'; this trainrun has no data for it",
          slot.name));
    if (slot.element_type != abi::ElementType::I32 || slot.shape.size() != 2 ||
        slot.shape[0] != options_.sequences || slot.shape[1] != length)
      return Status::file(fmt::format(
          "expected input '{}' as i32 {}, but got {} {}; compile the plan "
          "again",
          slot.name,
          formatShape(std::array<uint64_t, 2>{options_.sequences, length}),
          abi::EnumNameElementType(slot.element_type),
          formatShape(slot.shape)));
    auto *ids = reinterpret_cast<int32_t *>(slot.bytes.data());
    for (uint32_t row = 0; row < options_.sequences; ++row) {
      std::span<int32_t> out(ids + row * length, length);
      uint64_t example = first + row;
      if (isFilling(example)) {
        std::fill(out.begin(), out.end(),
                  targets ? static_cast<int32_t>(options_.ignore_index) : 0);
        continue;
      }
      TRAINC_RETURN_IF_ERROR(
          files_.read(windowStart(example) + (targets ? 1 : 0), out));
    }
  }
  return {};
}

} // namespace trainc
