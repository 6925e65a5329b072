//===- embed.h - typed access to a plan built into a program ------*- C++
//-*-===//
//
// What headers of `trainc header` (trainc_add_plan in CMake) stand on: each
// variable of a plan is a constant whose type holds its elements and shape, so
// that reading weights as the wrong type, or from a session of another plan,
// does not compile. Everything happens through the C interface in trainc.h.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_EMBED_H
#define TRAINC_EMBED_H

#include "trainc.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace trainc::embed {

enum class ElementType {
  F32 = TRAINC_F32,
  F64 = TRAINC_F64,
  I32 = TRAINC_I32,
  I64 = TRAINC_I64,
  I1 = TRAINC_I1,
  BF16 = TRAINC_BF16,
  F16 = TRAINC_F16,
  U8 = TRAINC_U8
};

enum class Role {
  Parameter = TRAINC_PARAMETER,
  Gradient = TRAINC_GRADIENT,
  Optimizer = TRAINC_OPTIMIZER,
  Metric = TRAINC_METRIC,
  Input = TRAINC_INPUT,
  Output = TRAINC_OUTPUT
};

/// Storage of 16-bit floating point numbers, without arithmetic.
struct BFloat16 {
  std::uint16_t bits;
};
struct Float16 {
  std::uint16_t bits;
};

/// A row of the table of all variables.
struct VariableInfo {
  static constexpr std::size_t maximum_rank = 8;

  std::string_view name;
  Role role;
  ElementType element_type;
  std::uint64_t size_bytes;
  std::size_t rank;
  std::uint64_t extents[maximum_rank];

  constexpr std::span<const std::uint64_t> shape() const {
    return {extents, rank};
  }
};

/// A row of the table of inputs: who writes it, and which values it may hold.
struct InputInfo {
  std::string_view name;
  bool is_data;        ///< written by the program; else by the step itself
  std::uint64_t limit; ///< every value is below; 0: any value
  bool has_ignore_value;
  std::int64_t ignore_value; ///< allowed besides, e.g. in targets
};

/// A program of the plan with tag `Plan`, by name.
template <typename Plan> struct Program {
  const char *name;
};

/// A variable of the plan with tag `Plan`. `Element` is const for what only
/// programs write: metrics and outputs. No extents: a scalar.
template <typename Plan, typename Element, std::uint64_t... Extents>
struct Variable {
  using ElementOf = Element;
  static constexpr std::size_t rank = sizeof...(Extents);
  static constexpr std::size_t size = (std::size_t{1} * ... * Extents);
  static constexpr std::size_t size_bytes = size * sizeof(Element);

  const char *name;

  /// Extent of a dimension, in elements.
  static constexpr std::uint64_t extent(std::size_t dimension) {
    constexpr std::uint64_t extents[] = {Extents..., 0};
    return extents[dimension];
  }
};

/// A plan in memory, ready to run. Functions that return int give 0 or the kind
/// of error (1 user, 2 damaged file, 3 system); trainc_last_error() says more.
/// Calls on one session must not overlap.
template <typename Plan> class Session {
public:
  Session() = default;
  ~Session() { trainc_session_destroy(session_); }
  Session(Session &&other) noexcept
      : session_(std::exchange(other.session_, nullptr)) {}
  Session &operator=(Session &&other) noexcept {
    std::swap(session_, other.session_);
    return *this;
  }

  /// Verifies the plan that is part of this program, without copying it, and
  /// allocates its memory, all zeros. threads 0: one per CPU. Call it once,
  /// before anything else.
  [[nodiscard]] int open(unsigned threads = 0) {
    trainc_session *session = nullptr;
    if (int status = trainc_plan_load_from_memory(
            Plan::bytes(), Plan::size_bytes, threads, &session))
      return status;
    trainc_session_destroy(std::exchange(session_, session));
    return 0;
  }

  /// Fills parameters and optimizer state, from the seed of the recipe.
  [[nodiscard]] int initialize() { return trainc_session_initialize(session_); }

  /// Runs a program to its end.
  [[nodiscard]] int run(Program<Plan> program) {
    return trainc_session_run(session_, program.name);
  }

  /// One optimizer step, counted from 1. `fill(micro_batch)` writes the data
  /// inputs; asked for the same micro-batch again it must write the same
  /// values, and it must not throw. `loss` is that before the update.
  template <typename Fill>
  [[nodiscard]] int step(std::uint64_t step, Fill &&fill, double &loss) {
    auto call = [](void *context, std::uint64_t,
                   std::uint32_t micro_batch) noexcept -> int {
      (*static_cast<std::remove_reference_t<Fill> *>(context))(micro_batch);
      return 0;
    };
    return trainc_session_step(
        session_, step, call,
        const_cast<void *>(static_cast<const void *>(std::addressof(fill))),
        &loss);
  }

  /// The memory of a variable, valid as long as the session; null before open.
  /// Before writing a parameter that a step or run has used, ask for it again:
  /// then copies of it in 16 bits follow.
  /// What an output holds is valid until the next program runs.
  template <typename Element, std::uint64_t... Extents>
  std::span<Element, Variable<Plan, Element, Extents...>::size>
  data(Variable<Plan, Element, Extents...> variable) const {
    void *pointer = nullptr;
    trainc_session_variable(session_, variable.name, &pointer, nullptr, nullptr,
                            nullptr, nullptr);
    return std::span<Element, Variable<Plan, Element, Extents...>::size>(
        static_cast<Element *>(pointer),
        Variable<Plan, Element, Extents...>::size);
  }

  /// The session for the C interface; NULL before open.
  trainc_session *handle() const { return session_; }

private:
  trainc_session *session_ = nullptr;
};

} // namespace trainc::embed

#endif // TRAINC_EMBED_H
