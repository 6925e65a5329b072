//===- Linear.cpp - a straight line to the final learning rate ------------===//
//
// η_min + (η − η_min)(1 − r) (training-semantics.md 6.1).
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {

Schedule describeLinear() {
  Schedule schedule;
  schedule.name = "linear";
  schedule.keys = {numberKey("final_ratio", 0.0, ratio(),
                             "last learning rate over the peak")};
  schedule.rate = [](const Settings &settings, const ScheduleMoment &moment) {
    double peak = moment.shape.peak;
    double last = peak * settings.number("final_ratio");
    return last + (peak - last) * (1.0 - moment.progress());
  };
  return schedule;
}

} // namespace trainc::models
