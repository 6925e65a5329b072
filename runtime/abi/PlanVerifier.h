//===- PlanVerifier.h - refuses damaged or inconsistent plans -----*- C++
//-*-===//
//
// Nothing of a plan is read before verifyPlan has accepted it: afterwards every
// offset, size, index, alias and launch is known to be sound, so the runtime
// runs it without checks. The compiler's emit stage ends with the same call.
// What is proved is listed in README.md. Machine code itself is trusted.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_ABI_PLANVERIFIER_H
#define TRAINC_RUNTIME_ABI_PLANVERIFIER_H

#include "runtime/core/Status.h"
#include <cstddef>
#include <cstdint>
#include <span>

namespace trainc::abi {

/// Plan.schema_version that this code reads and writes.
inline constexpr uint32_t schemaVersion = 1;
/// Bit of Plan.feature_bits: buffers that span variables.
inline constexpr uint64_t featureSpans = 1;
/// Bit of Plan.feature_bits: steps whose number of micro-batches grows.
inline constexpr uint64_t featureRamp = 2;
/// Most micro-batches of a step in a plan with a ramp.
inline constexpr uint32_t maximumRamp = 1u << 16;
/// Bit of Plan.feature_bits: copies of parameters in another float type.
inline constexpr uint64_t featureCopies = 4;
/// Bits of Plan.feature_bits that this code understands.
inline constexpr uint64_t knownFeatureBits =
    featureSpans | featureRamp | featureCopies;
/// Put this into Plan.content_hash and Variant.code_hash while building: a
/// default-valued field would not be stored and could not be filled in place.
inline constexpr uint64_t hashPlaceholder = 1;

/// Proves that `data` is a whole, undamaged and consistent plan. `data` must be
/// aligned to 8 bytes and must not change afterwards. Errors: File, saying
/// which rule is broken and where.
Status verifyPlan(const uint8_t *data, size_t size_bytes);

/// Fills code_hash of every variant and content_hash, in place, in a finished
/// flatbuffer whose hash fields hold hashPlaceholder. Errors: File when `data`
/// is no plan or lacks a hash field.
Status finalizePlan(std::span<uint8_t> data);

/// FNV-1a 64 over the file with the 8 bytes of content_hash as zeros. `data`
/// must have passed the flatbuffers verifier and hold the field.
uint64_t planContentHash(std::span<const uint8_t> data);

} // namespace trainc::abi

#endif // TRAINC_RUNTIME_ABI_PLANVERIFIER_H
