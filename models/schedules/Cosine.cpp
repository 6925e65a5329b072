//===- Cosine.cpp - half a cosine to the final learning rate --------------===//
//
// η_min + (η − η_min)·½(1 + cos πr) (Loshchilov and Hutter 2017;
// training-semantics.md 6.1).
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

#include <numbers>

namespace trainc::models {

Schedule describeCosine() {
  Schedule schedule;
  schedule.name = "cosine";
  schedule.keys = {numberKey("final_ratio", 0.0, ratio(),
                             "last learning rate over the peak")};
  schedule.rate = [](const Settings &settings, const ScheduleMoment &moment) {
    double peak = moment.shape.peak;
    double last = peak * settings.number("final_ratio");
    return last + 0.5 * (peak - last) *
                      (1.0 + cos(std::numbers::pi * moment.progress()));
  };
  return schedule;
}

} // namespace trainc::models
