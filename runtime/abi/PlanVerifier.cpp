//===- PlanVerifier.cpp - the order of proof ------------------------------===//
//
// From the outside in: encoding, version, hashes, then the tables layer by
// layer. Damage is told from inconsistency by the hashes, which come first.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/PlanVerifier.h"

#include "runtime/abi/VerifierDetail.h"
#include "runtime/core/Hash.h"

using namespace trainc;
using namespace trainc::abi;

Status detail::verifyEncoding(std::span<const uint8_t> data) {
  // Root offset, identifier, and a table with a vtable: less cannot be a plan.
  constexpr size_t minimum_bytes = 16;
  if (data.size() < minimum_bytes || data.size() >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return Status::file(
        fmt::format("expected a plan of {} bytes to 2 GiB, but got {} bytes",
                    minimum_bytes, data.size()));
  if (reinterpret_cast<uintptr_t>(data.data()) % alignof(uint64_t) != 0)
    return Status::file("expected the plan's bytes at an address aligned to 8, "
                        "but got an unaligned one; copy them first");
  if (!PlanBufferHasIdentifier(data.data()))
    return Status::file(fmt::format("expected a plan (identifier {}), but got "
                                    "another kind of file",
                                    PlanIdentifier()));
  constexpr flatbuffers::uoffset_t maximum_depth = 16;
  constexpr flatbuffers::uoffset_t maximum_tables = 1u << 24;
  flatbuffers::Verifier verifier(data.data(), data.size(), maximum_depth,
                                 maximum_tables);
  if (!VerifyPlanBuffer(verifier))
    return Status::file(
        "expected a well-formed plan, but got offsets that leave "
        "the file or lack required fields; the file is damaged "
        "or cut short: compile or copy it again");
  return {};
}

static Status verifyVersion(const Plan &plan) {
  if (plan.schema_version() != schemaVersion)
    return Status::file(fmt::format("expected schema version {}, but got {}; "
                                    "use the trainrun of the trainc "
                                    "that compiled it ({})",
                                    schemaVersion, plan.schema_version(),
                                    detail::text(plan.producer())));
  if (const uint64_t unknown = plan.feature_bits() & ~knownFeatureBits)
    return Status::file(
        fmt::format("expected feature bits within {:#x}, but got unknown bits "
                    "{:#x}; use a newer trainrun",
                    knownFeatureBits, unknown));
  return {};
}

Status abi::verifyPlan(const uint8_t *data, size_t size_bytes) {
  const std::span<const uint8_t> bytes(data, size_bytes);
  TRAINC_RETURN_IF_ERROR(detail::verifyEncoding(bytes));
  const Plan &plan = *GetPlan(data);
  TRAINC_RETURN_IF_ERROR(verifyVersion(plan));

  if (const uint64_t actual = planContentHash(bytes);
      actual != plan.content_hash())
    return Status::file(fmt::format(
        "expected content hash {:016x}, but got {:016x}; the file is damaged: "
        "compile or copy it again",
        plan.content_hash(), actual));

  TRAINC_RETURN_IF_ERROR(detail::verifyEffort(plan, size_bytes));
  TRAINC_RETURN_IF_ERROR(detail::verifyTables(plan));
  if (plan.variants()->size() == 0)
    return Status::file(
        "variants: expected at least one variant, but got none");
  detail::UniqueNames targets("variants", "target");
  for (const Variant *variant : *plan.variants()) {
    TRAINC_RETURN_IF_ERROR(targets.add(variant->target()));
    const std::string where =
        fmt::format("variant '{}'", detail::text(variant->target()));
    TRAINC_RETURN_IF_ERROR(detail::verifyVariant(plan, *variant, where));
    TRAINC_RETURN_IF_ERROR(detail::verifyPrograms(plan, *variant, where));
  }
  return {};
}

uint64_t detail::elementSize(ElementType type) {
  switch (type) {
  case ElementType::F64:
  case ElementType::I64:
    return 8;
  case ElementType::F32:
  case ElementType::I32:
    return 4;
  case ElementType::BF16:
  case ElementType::F16:
    return 2;
  case ElementType::I1:
  case ElementType::U8:
    return 1;
  case ElementType::Unspecified:
    break;
  }
  return 0;
}

std::optional<uint64_t>
detail::arraySize(ElementType type,
                  const flatbuffers::Vector<uint64_t> &shape) {
  constexpr uint32_t maximum_rank = 8;
  uint64_t size_bytes = elementSize(type);
  if (size_bytes == 0 || shape.size() > maximum_rank)
    return {};
  // flatbuffers' verifier aligns a vector's length, not its 64-bit elements.
  if (shape.size() != 0 &&
      reinterpret_cast<uintptr_t>(shape.Data()) % alignof(uint64_t) != 0)
    return {};
  for (const uint64_t extent : shape)
    if (extent == 0 || __builtin_mul_overflow(size_bytes, extent, &size_bytes))
      return {};
  if (size_bytes > INT64_MAX)
    return {};
  return size_bytes;
}
