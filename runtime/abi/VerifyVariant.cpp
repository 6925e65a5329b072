//===- VerifyVariant.cpp - memory and kernels of one target ---------------===//
//
// Proves that every buffer lies in its arena, that what keeps its contents
// between programs is never overwritten through another name (other than a
// range that says so), and that kernels start inside the code.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/KernelAbi.h"
#include "runtime/abi/PlanVerifier.h"
#include "runtime/abi/VerifierDetail.h"
#include "runtime/core/Hash.h"

#include <algorithm>
#include <vector>

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::abi::detail;

namespace {

constexpr uint32_t maximumArenas = 64;
constexpr uint64_t maximumArenaBytes = uint64_t{1} << 46;
constexpr uint64_t maximumScratchBytes = uint64_t{1} << 32;
constexpr uint64_t maximumAlignment = uint64_t{2} << 20;
constexpr uint32_t maximumWorkgroups = 1u << 24;
constexpr uint32_t maximumParameters = 256;

Status verifyArena(const Arena &arena, std::string_view variant) {
  const std::string where =
      fmt::format("{}, arena '{}'", variant, text(arena.name()));
  if (arena.size_bytes() > maximumArenaBytes)
    return broken(where, "expected at most {} bytes, but got {}",
                  maximumArenaBytes, arena.size_bytes());
  const uint64_t alignment = arena.alignment_bytes();
  if (alignment < TRAINC_BUFFER_ALIGNMENT || alignment > maximumAlignment ||
      (alignment & (alignment - 1)) != 0)
    return broken(where,
                  "expected an alignment that is a power of two from {} to {}, "
                  "but got {}",
                  TRAINC_BUFFER_ALIGNMENT, maximumAlignment, alignment);
  if (!arena.segments())
    return {};
  uint64_t end = 0;
  UniqueNames names(where, "segment");
  for (const Segment *segment : *arena.segments()) {
    TRAINC_RETURN_IF_ERROR(names.add(segment->name()));
    if (segment->offset_bytes() < end)
      return broken(where,
                    "expected ordered, disjoint segments, but got '{}' at {} "
                    "before the end {} of the one before",
                    text(segment->name()), segment->offset_bytes(), end);
    if (segment->offset_bytes() > arena.size_bytes() ||
        segment->size_bytes() > arena.size_bytes() - segment->offset_bytes())
      return broken(where, "expected segments inside the arena, but got '{}'",
                    text(segment->name()));
    end = segment->offset_bytes() + segment->size_bytes();
  }
  return {};
}

Status verifyBuffer(const Plan &plan, const Variant &variant,
                    const Buffer &buffer, std::string_view where) {
  if (buffer.arena() >= variant.arenas()->size())
    return broken(where, "expected an arena below {}, but got {}",
                  variant.arenas()->size(), buffer.arena());
  const auto size_bytes = arraySize(buffer.element_type(), *buffer.shape());
  if (!size_bytes)
    return broken(where,
                  "expected a known element type and a shape of positive "
                  "extents that fits 63 bits, but got another");
  if (*size_bytes != buffer.size_bytes())
    return broken(where, "expected the size of its shape, {} bytes, but got {}",
                  *size_bytes, buffer.size_bytes());
  const Arena &arena = *variant.arenas()->Get(buffer.arena());
  if (buffer.offset_bytes() > arena.size_bytes() ||
      buffer.size_bytes() > arena.size_bytes() - buffer.offset_bytes())
    return broken(where,
                  "expected a place inside arena '{}' of {} bytes, but got {} "
                  "bytes at {}",
                  text(arena.name()), arena.size_bytes(), buffer.size_bytes(),
                  buffer.offset_bytes());
  if (buffer.offset_bytes() % TRAINC_BUFFER_ALIGNMENT != 0)
    return broken(where, "expected an offset aligned to {}, but got {}",
                  TRAINC_BUFFER_ALIGNMENT, buffer.offset_bytes());
  if (buffer.variable() == 0)
    return {};

  if (buffer.variable() > plan.variables()->size())
    return broken(where, "expected a variable below {}, but got {}",
                  plan.variables()->size(), buffer.variable() - 1);
  const Variable &variable = *plan.variables()->Get(buffer.variable() - 1);
  if (variable.role() == Role::Transient)
    return broken(where,
                  "expected no buffer for the transient variable '{}', "
                  "but got one",
                  text(variable.name()));
  const bool same =
      variable.element_type() == buffer.element_type() &&
      std::equal(variable.shape()->begin(), variable.shape()->end(),
                 buffer.shape()->begin(), buffer.shape()->end());
  if (!same)
    return broken(
        where, "expected the type and shape of variable '{}', but got others",
        text(variable.name()));
  return {};
}

Status verifyPlaces(const Plan &plan, const Variant &variant,
                    std::string_view where) {
  std::vector<uint32_t> uses(plan.variables()->size());
  for (uint32_t i = 0; i != variant.buffers()->size(); ++i) {
    const Buffer &buffer = *variant.buffers()->Get(i);
    TRAINC_RETURN_IF_ERROR(verifyBuffer(
        plan, variant, buffer, fmt::format("{}, buffer {}", where, i)));
    if (buffer.variable() != 0)
      ++uses[buffer.variable() - 1];
  }
  for (uint32_t i = 0; i != uses.size(); ++i) {
    const Variable &variable = *plan.variables()->Get(i);
    const uint32_t expected = variable.role() == Role::Transient ? 0 : 1;
    if (uses[i] != expected)
      return broken(where, "expected {} buffer for variable '{}', but got {}",
                    expected, text(variable.name()), uses[i]);
  }
  return {};
}

uint64_t endOf(const Buffer &buffer) {
  return buffer.offset_bytes() + buffer.size_bytes();
}

/// Ranges of variables: each holds its variables whole and in order, all of one
/// role that persists and none an input, and overlaps no other buffer.
class SpanVerifier {
public:
  SpanVerifier(const Plan &plan, const Variant &variant, std::string_view where)
      : plan_(plan), variant_(variant), where_(where),
        place_(plan.variables()->size()), owner_(plan.variables()->size()) {}

  Status verify() {
    for (const Buffer *buffer : *variant_.buffers())
      if (isSpan(*buffer))
        spans_.push_back(buffer);
      else if (buffer->variable() != 0)
        place_[buffer->variable() - 1] = buffer;
    if (spans_.empty())
      return {};
    if ((plan_.feature_bits() & featureSpans) == 0)
      return broken(where_,
                    "expected feature bit {} with buffers that span variables, "
                    "but got feature bits {:#x}",
                    featureSpans, plan_.feature_bits());
    std::sort(spans_.begin(), spans_.end(), before);
    for (size_t i = 0; i != spans_.size(); ++i) {
      if (i != 0 && spans_[i]->arena() == spans_[i - 1]->arena() &&
          spans_[i]->offset_bytes() < endOf(*spans_[i - 1]))
        return broken(where_,
                      "expected ranges of variables to be disjoint, but "
                      "got two that overlap at {}",
                      spans_[i]->offset_bytes());
      TRAINC_RETURN_IF_ERROR(verifyMembers(*spans_[i]));
    }
    for (const Buffer *buffer : *variant_.buffers())
      if (!isSpan(*buffer))
        TRAINC_RETURN_IF_ERROR(verifyOutsider(*buffer));
    return {};
  }

private:
  static bool before(const Buffer *a, const Buffer *b) {
    if (a->arena() != b->arena())
      return a->arena() < b->arena();
    return a->offset_bytes() < b->offset_bytes();
  }

  Status verifyMembers(const Buffer &span) {
    uint64_t end = span.offset_bytes();
    Role role = Role::Unspecified;
    for (const uint32_t index : *span.spans()) {
      if (span.variable() != 0 || index >= place_.size() || !place_[index])
        return broken(where_,
                      "expected a range of variables that have buffers, and no "
                      "variable of its own, but got variable {} in one",
                      index);
      const Variable &variable = *plan_.variables()->Get(index);
      const Buffer &place = *place_[index];
      if (place.arena() != span.arena() || place.offset_bytes() < end ||
          endOf(place) > endOf(span) ||
          place.element_type() != span.element_type())
        return broken(where_,
                      "expected variable '{}' inside the range of {} bytes at "
                      "{} that spans it, behind the one before and of the "
                      "range's type, but got another place or type",
                      text(variable.name()), span.size_bytes(),
                      span.offset_bytes());
      if ((variable.role() > Role::Metric && variable.role() != Role::Copy) ||
          (role != Role::Unspecified && variable.role() != role))
        return broken(where_,
                      "expected a range of parameters, gradients, optimizer "
                      "states or metrics, but got '{}' in one",
                      text(variable.name()));
      role = variable.role();
      owner_[index] = &span;
      end = endOf(place);
    }
    return {};
  }

  /// A buffer that is no range lies in none that does not span it.
  Status verifyOutsider(const Buffer &buffer) {
    // Of disjoint ranges, the last to begin before the buffer ends is the last
    // it can overlap; if that one spans it, it lies inside and meets no other.
    const auto next = std::partition_point(
        spans_.begin(), spans_.end(), [&](const Buffer *span) {
          return span->arena() < buffer.arena() ||
                 (span->arena() == buffer.arena() &&
                  span->offset_bytes() < endOf(buffer));
        });
    if (next == spans_.begin())
      return {};
    const Buffer &span = **std::prev(next);
    if (span.arena() != buffer.arena() ||
        endOf(span) <= buffer.offset_bytes() ||
        (buffer.variable() != 0 && owner_[buffer.variable() - 1] == &span))
      return {};
    return broken(
        where_,
        "expected a range of variables to overlap only those, but got "
        "a buffer of {} bytes at {} in one",
        buffer.size_bytes(), buffer.offset_bytes());
  }

  const Plan &plan_;
  const Variant &variant_;
  std::string_view where_;
  std::vector<const Buffer *> spans_;
  std::vector<const Buffer *> place_, owner_; // per variable
};

/// Buffers that keep their contents between programs overlap nothing; transient
/// ones and outputs may overlap each other.
Status verifyDisjoint(const Plan &plan, const Variant &variant,
                      std::string_view where) {
  std::vector<const Buffer *> order;
  for (const Buffer *buffer : *variant.buffers())
    if (!isSpan(*buffer))
      order.push_back(buffer);
  std::sort(order.begin(), order.end(), [](const Buffer *a, const Buffer *b) {
    if (a->arena() != b->arena())
      return a->arena() < b->arena();
    return a->offset_bytes() < b->offset_bytes();
  });
  // In order of offsets, a buffer overlaps an earlier one exactly when it
  // starts before the furthest end so far, of all buffers or of the persistent
  // ones.
  const auto persists = [&](const Buffer *b) {
    return b->variable() != 0 &&
           plan.variables()->Get(b->variable() - 1)->role() != Role::Output;
  };
  const Buffer *persistent = nullptr, *furthest = nullptr;
  const auto end = [](const Buffer *b) {
    return b->offset_bytes() + b->size_bytes();
  };
  for (const Buffer *buffer : order) {
    if (furthest && furthest->arena() != buffer->arena())
      persistent = furthest = nullptr;
    const Buffer *rival = persists(buffer) ? furthest : persistent;
    if (rival && buffer->offset_bytes() < end(rival)) {
      const Buffer *named = persists(buffer) ? buffer : rival;
      return broken(
          where,
          "expected the buffer of variable '{}' to overlap no other, but "
          "got one of {} bytes at {} and one of {} bytes at {}",
          text(plan.variables()->Get(named->variable() - 1)->name()),
          rival->size_bytes(), rival->offset_bytes(), buffer->size_bytes(),
          buffer->offset_bytes());
    }
    if (!furthest || end(buffer) > end(furthest))
      furthest = buffer;
    if (persists(buffer) && (!persistent || end(buffer) > end(persistent)))
      persistent = buffer;
  }
  return {};
}

Status verifyKernel(const Kernel &kernel, uint64_t code_bytes,
                    std::string_view variant) {
  const std::string where =
      fmt::format("{}, kernel '{}'", variant, text(kernel.name()));
  if (kernel.abi_version() < TRAINC_KERNEL_ABI_OLDEST_VERSION ||
      kernel.abi_version() > TRAINC_KERNEL_ABI_VERSION)
    return broken(where,
                  "expected kernel ABI version {} to {}, but got {}; use the "
                  "trainrun of the trainc that compiled it",
                  TRAINC_KERNEL_ABI_OLDEST_VERSION, TRAINC_KERNEL_ABI_VERSION,
                  kernel.abi_version());
  constexpr uint32_t firstWithConstant = 2;
  if (kernel.reads_constant() && kernel.abi_version() < firstWithConstant)
    return broken(where,
                  "expected kernel ABI version {} of a kernel that reads a "
                  "constant, but got {}",
                  firstWithConstant, kernel.abi_version());
  if (kernel.entry_offset() >= code_bytes)
    return broken(where, "expected an entry below {} bytes of code, but got {}",
                  code_bytes, kernel.entry_offset());
  if (kernel.workgroups() == 0 || kernel.workgroups() > maximumWorkgroups)
    return broken(where, "expected 1 to {} workgroups, but got {}",
                  maximumWorkgroups, kernel.workgroups());
  if (kernel.scratch_bytes() > maximumScratchBytes)
    return broken(where, "expected at most {} bytes of scratch, but got {}",
                  maximumScratchBytes, kernel.scratch_bytes());
  if (kernel.parameters()->size() > maximumParameters)
    return broken(where, "expected at most {} parameters, but got {}",
                  maximumParameters, kernel.parameters()->size());
  for (const KernelParameter *parameter : *kernel.parameters()) {
    if (parameter->access() < Access::Read ||
        parameter->access() > Access::ReadWrite)
      return broken(where, "expected a known access, but got {}",
                    static_cast<unsigned>(parameter->access()));
    if (elementSize(parameter->element_type()) == 0)
      return broken(where, "expected a known element type, but got {}",
                    static_cast<unsigned>(parameter->element_type()));
  }
  return {};
}

} // namespace

Status detail::verifyVariant(const Plan &plan, const Variant &variant,
                             std::string_view where) {
  const auto *code = variant.code();
  const uint64_t code_bytes = code ? code->size() : 0;
  if (const uint64_t actual =
          fnv1a64(code ? code->data() : nullptr, code_bytes);
      actual != variant.code_hash())
    return broken(where, "expected code hash {:016x}, but got {:016x}",
                  variant.code_hash(), actual);

  if (variant.arenas()->size() > maximumArenas)
    return broken(where, "expected at most {} arenas, but got {}",
                  maximumArenas, variant.arenas()->size());
  UniqueNames arenas(where, "arena");
  for (const Arena *arena : *variant.arenas()) {
    TRAINC_RETURN_IF_ERROR(arenas.add(arena->name()));
    TRAINC_RETURN_IF_ERROR(verifyArena(*arena, where));
  }
  TRAINC_RETURN_IF_ERROR(verifyPlaces(plan, variant, where));
  TRAINC_RETURN_IF_ERROR(verifyDisjoint(plan, variant, where));
  TRAINC_RETURN_IF_ERROR(SpanVerifier(plan, variant, where).verify());

  UniqueNames kernels(where, "kernel");
  for (const Kernel *kernel : *variant.kernels()) {
    TRAINC_RETURN_IF_ERROR(kernels.add(kernel->name()));
    TRAINC_RETURN_IF_ERROR(verifyKernel(*kernel, code_bytes, where));
  }
  return {};
}
