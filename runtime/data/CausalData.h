//===- CausalData.h - windows of text for causal_lm --------------*- C++
//-*-===//
//
// Decides which tokens each row of each micro-batch sees. n tokens make
// floor((n - 1) / T) windows; window k is tokens k*T .. k*T + T: the first T
// are the inputs, the T that follow the first are the targets (the convention
// of Megatron and nanoGPT; training-semantics 3.2). Past the last window a new
// epoch begins, in the middle of a batch if need be.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_CAUSALDATA_H
#define TRAINC_RUNTIME_DATA_CAUSALDATA_H

#include "runtime/data/TokenFiles.h"
#include "runtime/step/Inputs.h"

#include <memory>

namespace trainc {

enum class DataOrder {
  Sequential, ///< windows as they lie in the files
  Shuffled,   ///< every epoch a permutation of its own
  Once        ///< sequential, one epoch; rows past the end do not count
};

struct CausalDataOptions {
  uint32_t sequences = 1;     ///< rows of one micro-batch (B)
  uint32_t length = 1;        ///< tokens of one row (T)
  uint32_t micro_batches = 1; ///< of one step (M)
  DataOrder order = DataOrder::Shuffled;
  uint64_t seed = 0;          ///< of the permutations
  int64_t ignore_index = 0;   ///< target of a row that does not count
  uint64_t first_step = 1;    ///< step that starts at row `first_example`;
  uint64_t first_example = 0; ///< a resumed run continues where it stopped,
                              ///< however its batches are cut now
};

/// Gives the Data inputs "inputs" and "targets", i32 [B, T], also under the
/// name of a program ("evaluate.inputs").
class CausalData final : public DataSource {
public:
  /// User error when the files have less than one window of T + 1 tokens.
  static Result<std::unique_ptr<CausalData>>
  create(TokenFiles files, const CausalDataOptions &options);

  Status fill(uint64_t step, uint32_t micro_batch,
              std::span<const InputSlot> slots) override;

  /// Tokens of all files.
  uint64_t tokens() const { return files_.size(); }
  /// Windows of one epoch.
  uint64_t windows() const { return windows_; }
  /// Micro-batches that hold every window once, the last maybe in part.
  uint64_t batchesOfOneEpoch() const {
    return (windows_ + options_.sequences - 1) / options_.sequences;
  }
  /// Rows consumed before `step` begins: the data position.
  uint64_t examplesBefore(uint64_t step) const;
  /// First token, in the stream of all files, of row `example` (counted over
  /// all epochs from 0).
  uint64_t windowStart(uint64_t example) const;

private:
  CausalData(TokenFiles files, const CausalDataOptions &options)
      : files_(std::move(files)), options_(options) {}

  TokenFiles files_;
  CausalDataOptions options_;
  uint64_t windows_ = 0;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_CAUSALDATA_H
