//===- Squares.h - data and reference of the test plan ------------*- C++
//-*-===//
//
// Rows are a pure function of step and global row, so the same step can be cut
// in different ways. The reference works the step out in double, plainly.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_RUNTIME_STEP_SQUARES_H
#define TRAINC_TEST_UNIT_RUNTIME_STEP_SQUARES_H

#include "runtime/core/Philox.h"
#include "runtime/step/Inputs.h"
#include "test/unit/runtime/support/TestPlan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace trainc::test {

inline void makeRow(uint64_t step, uint64_t row, int32_t *inputs,
                    int32_t *targets) {
  PhiloxStream random(99, 7, step, static_cast<uint32_t>(row));
  for (uint32_t i = 0; i != length; ++i) {
    inputs[i] = static_cast<int32_t>(random.below(vocabulary));
    targets[i] = random.below(4) == 0
                     ? ignored
                     : static_cast<int32_t>(random.below(vocabulary));
  }
}

class RandomRows : public DataSource {
public:
  explicit RandomRows(uint32_t rows) : rows_(rows) {}

  struct Call {
    uint64_t step;
    uint32_t micro_batch;
    size_t slots;
    bool operator==(const Call &) const = default;
  };
  std::vector<Call> calls;
  /// As {step, micro-batch, how many calls came before}.
  std::vector<Call> announced;

  void announce(uint64_t step, uint32_t micro_batch) override {
    if (announced.size() < announced.capacity())
      announced.push_back({step, micro_batch, calls.size()});
  }

  Status fill(uint64_t step, uint32_t micro_batch,
              std::span<const InputSlot> slots) override {
    if (calls.size() < calls.capacity())
      calls.push_back({step, micro_batch, slots.size()});
    int32_t inputs[length], targets[length];
    for (uint32_t r = 0; r != rows_; ++r) {
      makeRow(step, uint64_t{micro_batch} * rows_ + r, inputs, targets);
      for (const InputSlot &slot : slots) {
        auto *values = reinterpret_cast<int32_t *>(slot.bytes.data());
        for (uint32_t i = 0; i != length; ++i)
          values[r * length + i] =
              slot.name == "inputs" ? inputs[i] : targets[i];
      }
    }
    return {};
  }

private:
  uint32_t rows_;
};

/// The model after kernels.c, in double.
struct Reference {
  std::array<double, weights> weight{}, momentum{}, gradient{};
  double sum = 0, count = 0;

  explicit Reference(double seed) {
    for (uint32_t i = 0; i != weights; ++i)
      weight[i] = seed * 0.5 + i * 0.25;
  }

  /// Loss and gradient over rows [0, rows) of a step.
  void differentiate(uint64_t step, uint64_t rows) {
    sum = count = 0;
    gradient = {};
    for (uint64_t r = 0; r != rows; ++r) {
      int32_t inputs[length], targets[length];
      makeRow(step, r, inputs, targets);
      for (uint32_t i = 0; i != length; ++i) {
        if (targets[i] == ignored)
          continue;
        const double distance = weight[inputs[i] % 4] - targets[i];
        sum += distance * distance;
        gradient[inputs[i] % 4] += 2 * distance;
        count += 1;
      }
    }
    for (double &g : gradient)
      g /= count;
  }

  void apply() {
    for (uint32_t i = 0; i != weights; ++i) {
      momentum[i] = 0.5 * momentum[i] + gradient[i];
      weight[i] -= 0.125 * momentum[i];
    }
  }
};

/// NaN never passes.
inline bool near(double actual, double expected, double relative) {
  return std::abs(actual - expected) <=
         relative * std::max(std::abs(expected), 1e-30);
}

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_RUNTIME_STEP_SQUARES_H
