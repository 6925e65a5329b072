//===- InverseSqrt.cpp - one over the root of the update ------------------===//
//
// η·√w / √s after a warm-up of w (Vaswani et al. 2017; training-semantics.md
// 6.1); without warm-up, w = 1.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

#include <algorithm>
#include <cmath>

namespace trainc::models {

Schedule describeInverseSqrt() {
  Schedule schedule;
  schedule.name = "inverse_sqrt";
  schedule.decays = false;
  schedule.rate = [](const Settings &, const ScheduleMoment &moment) {
    double warmup = std::max(moment.shape.warmup, 1.0);
    return moment.shape.peak * std::sqrt(warmup) / sqrt(moment.update);
  };
  return schedule;
}

} // namespace trainc::models
