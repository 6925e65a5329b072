//===- StepShapes.h - how large each step is --------------------*- C++ -*-===//
//
// Decides how many micro-batches each step of a run has, and so how many rows
// and tokens come before it. With a ramp the number grows with the tokens
// consumed, from `first` to `full` over `ramp_tokens` (GPT-3, appendix B;
// training-semantics.md 6.2), rounded to the nearest; a step sees the tokens
// that were consumed before it. Pure arithmetic on integers, the same in the
// compiler and the runtime.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_STEPSHAPES_H
#define TRAINC_RUNTIME_CORE_STEPSHAPES_H

#include <algorithm>
#include <cstdint>
#include <vector>

namespace trainc {

/// What a recipe says of a step.
struct StepSizes {
  uint32_t sequences = 1;     ///< rows of one micro-batch (B)
  uint32_t length = 1;        ///< tokens of one row (T)
  uint32_t micro_batches = 1; ///< M, once the ramp is over
  uint32_t ramp_from = 0;     ///< micro-batches of the first step; 0: no ramp
  uint64_t ramp_tokens = 0;   ///< consumed when the ramp is over

  uint64_t tokensPerMicroBatch() const { return uint64_t{sequences} * length; }
};

/// Micro-batches of a step before which `tokens` were consumed.
inline uint32_t microBatchesAt(const StepSizes &sizes, uint64_t tokens) {
  if (sizes.ramp_from == 0 || tokens >= sizes.ramp_tokens)
    return sizes.micro_batches;
  using Wide = unsigned __int128;
  const Wide over = sizes.ramp_tokens;
  const Wide more = sizes.micro_batches - sizes.ramp_from;
  return static_cast<uint32_t>(sizes.ramp_from +
                               (more * tokens + over / 2) / over);
}

/// All steps of a run, from the one that it begins or continues with.
class StepShapes {
public:
  /// Most micro-batches of a plan with a ramp: each number of them takes
  /// memory.
  static constexpr uint32_t kMaxRamp = 1 << 16;

  StepShapes() : StepShapes(StepSizes()) {}
  /// `first_step` comes after `first_tokens` tokens.
  explicit StepShapes(const StepSizes &sizes, uint64_t first_step = 1,
                      uint64_t first_tokens = 0)
      : tokens_per_micro_batch_(
            std::max<uint64_t>(sizes.tokensPerMicroBatch(), 1)) {
    Piece piece{first_step, first_tokens, microBatchesAt(sizes, first_tokens)};
    pieces_.push_back(piece);
    while (piece.micro_batches != sizes.micro_batches) {
      // Tokens from which one more is nearest: the smallest t with
      // more·t + over/2 >= (micro_batches + 1 - from)·over.
      using Wide = unsigned __int128;
      const Wide over = sizes.ramp_tokens;
      const Wide more = sizes.micro_batches - sizes.ramp_from;
      const Wide wanted =
          Wide{piece.micro_batches + 1 - sizes.ramp_from} * over - over / 2;
      const auto threshold = std::min<uint64_t>(
          static_cast<uint64_t>((wanted + more - 1) / more), sizes.ramp_tokens);
      const uint64_t step_tokens =
          piece.micro_batches * tokens_per_micro_batch_;
      const uint64_t steps = std::max<uint64_t>(
          (threshold - piece.tokens + step_tokens - 1) / step_tokens, 1);
      piece.step += steps;
      piece.tokens += steps * step_tokens;
      piece.micro_batches = microBatchesAt(sizes, piece.tokens);
      pieces_.push_back(piece);
    }
  }

  uint32_t microBatches(uint64_t step) const {
    return pieceOf(step).micro_batches;
  }
  /// Tokens consumed before `step`, which is none before the first.
  uint64_t tokensBefore(uint64_t step) const {
    const Piece &piece = pieceOf(step);
    return piece.tokens +
           (step - piece.step) * piece.micro_batches * tokens_per_micro_batch_;
  }
  /// Micro-batches from the first step up to `step`.
  uint64_t microBatchesBefore(uint64_t step) const {
    return (tokensBefore(step) - pieces_.front().tokens) /
           tokens_per_micro_batch_;
  }
  /// The first step after which `tokens` were consumed.
  uint64_t stepThatReaches(uint64_t tokens) const {
    auto piece = std::partition_point(
        pieces_.begin() + 1, pieces_.end(),
        [&](const Piece &later) { return later.tokens < tokens; });
    const Piece &last = *(piece - 1);
    const uint64_t step_tokens = last.micro_batches * tokens_per_micro_batch_;
    const uint64_t missing = tokens > last.tokens ? tokens - last.tokens : 0;
    return last.step + (missing + step_tokens - 1) / step_tokens -
           (missing != 0);
  }

private:
  /// Steps of as many micro-batches, from `step` on.
  struct Piece {
    uint64_t step, tokens;
    uint32_t micro_batches;
  };
  const Piece &pieceOf(uint64_t step) const {
    auto next = std::partition_point(
        pieces_.begin() + 1, pieces_.end(),
        [&](const Piece &piece) { return piece.step <= step; });
    return *(next - 1);
  }

  uint64_t tokens_per_micro_batch_;
  std::vector<Piece> pieces_; ///< by step, at least one
};

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_STEPSHAPES_H
