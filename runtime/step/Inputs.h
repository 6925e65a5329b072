//===- Inputs.h - what the host writes before a program -----------*- C++
//-*-===//
//
// Data inputs come from a DataSource, control inputs from the step loop itself.
// Values are checked against the limits of the plan here, once, so kernels
// index tables without checks.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_STEP_INPUTS_H
#define TRAINC_RUNTIME_STEP_INPUTS_H

#include "runtime/step/Session.h"
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace trainc {

/// One Data input of a micro-batch, to be filled completely, row-major.
struct InputSlot {
  std::string_view name;           ///< "inputs", "targets", ...
  abi::ElementType element_type;   ///< type of `bytes`
  std::span<const uint64_t> shape; ///< usually [B, T]
  std::span<std::byte> bytes;      ///< the variable's memory
};

/// Where micro-batches come from (runtime/data implements it for token files).
class DataSource {
public:
  virtual ~DataSource() = default;
  /// Fills every slot for micro-batch `micro_batch` (from 0) of step `step`
  /// (from 1). A pure function of its arguments: it may be asked again for the
  /// same micro-batch, with the same or other slots, and must give the same
  /// values.
  virtual Status fill(uint64_t step, uint32_t micro_batch,
                      std::span<const InputSlot> slots) = 0;
  /// The micro-batch that fill() will most likely be asked for next, with the
  /// slots of before: a source may read it meanwhile.
  virtual void announce(uint64_t step, uint32_t micro_batch) {
    (void)step, (void)micro_batch;
  }
};

/// The Data inputs that some programs need.
class InputSet {
public:
  /// The union over those of the named programs that the plan has.
  InputSet(Session &session, std::initializer_list<std::string_view> programs);

  /// Asks `source` for all slots and checks limits. Errors: those of `source`;
  /// User for a value at or above its input's limit.
  Status fill(DataSource &source, uint64_t step, uint32_t micro_batch) const;

  std::span<const InputSlot> slots() const { return slots_; }

private:
  Status check(size_t slot) const;

  const Plan *plan_;
  std::vector<const abi::Input *> inputs_;
  std::vector<InputSlot> slots_;
};

/// The Control inputs of a plan; writing one that the plan lacks does nothing.
class ControlInputs {
public:
  explicit ControlInputs(Session &session);

  /// control.random = {seed, step, first global row of this micro-batch in its
  /// step}; i64[3].
  void setRandom(uint64_t seed, uint64_t step, uint64_t first_row);
  /// control.micro_batch: 0-based index in the step; i64.
  void setMicroBatch(uint32_t micro_batch);
  /// control.position: next position to generate; i32[1].
  void setPosition(int32_t position);
  /// control.tokens: consumed when this step is done; i64.
  void setTokens(uint64_t tokens);

private:
  std::span<std::byte> random_, micro_batch_, position_, tokens_;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_STEP_INPUTS_H
