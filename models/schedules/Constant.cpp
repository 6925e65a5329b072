//===- Constant.cpp - the peak learning rate after warm-up ----------------===//

#include "models/Registry.h"

namespace trainc::models {

Schedule describeConstant() {
  Schedule schedule;
  schedule.name = "constant";
  schedule.decays = false;
  schedule.rate = [](const Settings &, const ScheduleMoment &moment) {
    return moment.update.constant(moment.shape.peak);
  };
  return schedule;
}

} // namespace trainc::models
