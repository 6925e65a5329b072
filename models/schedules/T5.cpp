//===- T5.cpp - T5's inverse root -----------------------------------------===//
//
// η / √max(s, w): constant for w updates, 10⁴ where the recipe has no warm-up
// (Raffel et al. 2020, section 3.1.2; training-semantics.md 6.1). T5's own rate
// is that of η = 1.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {

Schedule describeT5() {
  Schedule schedule;
  schedule.name = "t5";
  schedule.decays = false;
  schedule.warms = [](const Settings &) { return false; };
  schedule.rate = [](const Settings &, const ScheduleMoment &moment) {
    constexpr double kUpdates = 1e4;
    double constant = moment.shape.warmup > 0 ? moment.shape.warmup : kUpdates;
    return moment.shape.peak / sqrt(maximum(moment.update, constant));
  };
  return schedule;
}

} // namespace trainc::models
