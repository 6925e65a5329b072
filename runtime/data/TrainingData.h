//===- TrainingData.h - which row comes when ---------------------*- C++
//-*-===//
//
// Decides the order of the data's rows (windows of text, examples): which row
// of the files each row of each micro-batch of each step is. A pure function of
// seed, epoch and position, so a run continues where it stopped, however its
// batches are cut then. What a row holds is the derived classes' business.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_TRAININGDATA_H
#define TRAINC_RUNTIME_DATA_TRAININGDATA_H

#include "runtime/core/StepShapes.h"
#include "runtime/data/Permutation.h"
#include "runtime/step/Inputs.h"

#include <optional>

namespace trainc {

enum class DataOrder {
  Sequential, ///< rows as they lie in the files
  Shuffled,   ///< every epoch a permutation of its own
  Once        ///< sequential, one epoch; rows past the end do not count
};

struct DataOptions {
  uint32_t sequences = 1; ///< rows of one micro-batch (B)
  uint32_t length = 1;    ///< tokens of one row (T)
  StepShapes shapes;      ///< micro-batches of each step
  DataOrder order = DataOrder::Shuffled;
  uint64_t seed = 0;          ///< of the permutations
  int64_t ignore_index = 0;   ///< target of a row that does not count
  uint64_t first_example = 0; ///< row of the first step of `shapes`: a
                              ///< resumed run continues where it stopped,
                              ///< however its batches are cut now
};

class TrainingData : public DataSource {
public:
  /// What of all files a run remembers of its data: tokens, or examples.
  virtual uint64_t size() const = 0;
  /// Rows of one epoch.
  uint64_t rows() const { return rows_; }
  /// Micro-batches that hold every row once, the last maybe in part.
  uint64_t batchesOfOneEpoch() const {
    return (rows_ + options_.sequences - 1) / options_.sequences;
  }
  /// Rows consumed before `step` begins: the data position.
  uint64_t examplesBefore(uint64_t step) const {
    return options_.first_example +
           options_.shapes.microBatchesBefore(step) * options_.sequences;
  }

protected:
  TrainingData(const DataOptions &options, uint64_t rows)
      : options_(options), rows_(rows) {}

  /// The first example of a micro-batch, counted over all epochs from 0.
  uint64_t firstExample(uint64_t step, uint32_t micro_batch) const {
    return examplesBefore(step) + uint64_t(micro_batch) * options_.sequences;
  }
  /// The row of the files that `example` is.
  uint64_t rowOf(uint64_t example) const {
    const uint64_t epoch = example / rows_, row = example % rows_;
    return options_.order == DataOrder::Shuffled
               ? Permutation(options_.seed, epoch, rows_)(row)
               : row;
  }
  /// Whether `example` only fills up the last batch of the one epoch.
  bool isFilling(uint64_t example) const {
    return options_.order == DataOrder::Once && example >= rows_;
  }

  DataOptions options_;
  uint64_t rows_;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_TRAININGDATA_H
