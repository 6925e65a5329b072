//===- PlanFinalizer.cpp - fills and computes a plan's hashes -------------===//
//
// The hashes are computed over the finished file, so they are written into it
// in place, at the position where flatbuffers put the field.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/PlanVerifier.h"
#include "runtime/abi/VerifierDetail.h"

#include "runtime/core/Hash.h"

using namespace trainc;
using namespace trainc::abi;

/// Position of a scalar field's bytes in the file; 0 when it is not stored.
template <typename Table>
static size_t fieldOffset(const Table *table, const uint8_t *data,
                          flatbuffers::voffset_t field) {
  // Generated tables are flatbuffers::Table and nothing more, but inherit it
  // privately.
  const uint8_t *address =
      reinterpret_cast<const flatbuffers::Table *>(table)->GetAddressOf(field);
  return address ? static_cast<size_t>(address - data) : 0;
}

static uint64_t hashAround(std::span<const uint8_t> data, size_t offset) {
  constexpr uint8_t zeros[sizeof(uint64_t)] = {};
  uint64_t hash = fnv1a64(data.data(), offset);
  hash = fnv1a64(zeros, sizeof zeros, hash);
  const size_t rest = offset + sizeof zeros;
  return fnv1a64(data.data() + rest, data.size() - rest, hash);
}

uint64_t abi::planContentHash(std::span<const uint8_t> data) {
  return hashAround(data, fieldOffset(flatbuffers::GetRoot<Plan>(data.data()),
                                      data.data(), Plan::VT_CONTENT_HASH));
}

Status abi::finalizePlan(std::span<uint8_t> data) {
  TRAINC_RETURN_IF_ERROR(detail::verifyEncoding(data));
  auto *plan = flatbuffers::GetMutableRoot<Plan>(data.data());
  for (uint32_t i = 0; i != plan->variants()->size(); ++i) {
    Variant *variant = plan->mutable_variants()->GetMutableObject(i);
    const auto *code = variant->code();
    if (!variant->mutate_code_hash(
            fnv1a64(code ? code->data() : nullptr, code ? code->size() : 0)))
      return Status::file(fmt::format(
          "expected variant {} of the plan to hold code_hash, but the field is "
          "absent; build it with hashPlaceholder",
          i));
  }
  if (fieldOffset(plan, data.data(), Plan::VT_CONTENT_HASH) == 0)
    return Status::file("expected the plan to hold content_hash, but the field "
                        "is absent; build "
                        "it with hashPlaceholder");
  plan->mutate_content_hash(planContentHash(data));
  return {};
}
