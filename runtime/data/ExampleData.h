//===- ExampleData.h - examples of one's own ---------------------*- C++
//-*-===//
//
// Decides what data a plan without an objective of ours trains on: safetensors
// files with a tensor for each of its inputs, of the input's name and shape but
// for the first dimension, along which examples lie. Several files act as one.
// Values are converted where nothing is lost, and proved when a file is opened:
// numbers are finite, indices below the input's limit.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_EXAMPLEDATA_H
#define TRAINC_RUNTIME_DATA_EXAMPLEDATA_H

#include "runtime/checkpoint/Safetensors.h"
#include "runtime/data/TrainingData.h"

#include <memory>
#include <string>
#include <vector>

namespace trainc {

/// An input of the plan that files have a tensor for.
struct ExampleInput {
  std::string name;
  abi::ElementType type;
  std::vector<uint64_t> shape; ///< [B, …]
  uint64_t limit = 0;          ///< of indices; 0: any value
  std::optional<int64_t> ignored;
  bool counted = false; ///< the loss's count is a function of it
};

class ExampleData final : public TrainingData {
public:
  /// User error where a tensor is missing, has another shape or type, or a
  /// value that the input cannot have; and where a last batch in part could not
  /// be told from a whole one.
  static Result<std::unique_ptr<ExampleData>>
  open(std::span<const std::string> paths, std::vector<ExampleInput> inputs,
       const DataOptions &options);

  /// An example past the end has zeros, and the ignored value where there is
  /// one.
  Status fill(uint64_t step, uint32_t micro_batch,
              std::span<const InputSlot> slots) override;

  uint64_t size() const override { return rows_; }

private:
  struct Part {
    SafetensorsFile file;
    uint64_t begin, count; ///< examples
  };

  ExampleData(std::vector<Part> parts, std::vector<ExampleInput> inputs,
              const DataOptions &options, uint64_t examples)
      : TrainingData(options, examples), parts_(std::move(parts)),
        inputs_(std::move(inputs)) {}

  Status checkValues(const Part &part, const ExampleInput &input) const;

  std::vector<Part> parts_;
  std::vector<ExampleInput> inputs_;
  std::vector<std::byte> raw_; ///< of one example, before conversion
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_EXAMPLEDATA_H
