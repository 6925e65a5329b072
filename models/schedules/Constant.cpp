//===- Constant.cpp - the peak learning rate after warm-up ----------------===//

#include "models/Registry.h"

namespace trainc::models {

Schedule describeConstant() {
  Schedule schedule;
  schedule.name = "constant";
  schedule.decays = false;
  schedule.rate = [](const Settings &, double peak, Expression progress) {
    return progress.constant(peak);
  };
  return schedule;
}

} // namespace trainc::models
