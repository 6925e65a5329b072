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
#include "runtime/data/TrainingData.h"

#include <memory>

namespace trainc {

/// Gives the Data inputs "inputs" and "targets", i32 [B, T], also under the
/// name of a program ("evaluate.inputs").
class CausalData final : public TrainingData {
public:
  /// User error when the files have less than one window of T + 1 tokens.
  static Result<std::unique_ptr<CausalData>> create(TokenFiles files,
                                                    const DataOptions &options);

  Status fill(uint64_t step, uint32_t micro_batch,
              std::span<const InputSlot> slots) override;

  /// Tokens of all files.
  uint64_t size() const override { return files_.size(); }
  /// First token, in the stream of all files, of row `example` (counted over
  /// all epochs from 0).
  uint64_t windowStart(uint64_t example) const;

private:
  CausalData(TokenFiles files, const DataOptions &options)
      : TrainingData(options, (files.size() - 1) / options.length),
        files_(std::move(files)) {}

  TokenFiles files_;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_CAUSALDATA_H
