//===- InverseSqrt.cpp - one over the root of the update ------------------===//
//
// η·√w / √s after a warm-up of w (Vaswani et al. 2017; training-semantics.md
// 6.1); without warm-up, w = 1. Past the total the last value holds; with a
// final ratio it is that, and the rate never lower, as Megatron does.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

#include <algorithm>
#include <cmath>

namespace trainc::models {

static Expression rate(const Settings &settings, const ScheduleMoment &moment) {
  const ScheduleShape &shape = moment.shape;
  double warmup = std::max(shape.warmup, 1.0);
  // A step may be less than an update: with a ramp of the batch in tokens.
  Expression rate =
      shape.peak * std::sqrt(warmup) / sqrt(maximum(moment.update, warmup));
  double last = shape.peak * settings.number("final_ratio");
  if (last == 0)
    return rate;
  rate = maximum(rate, last);
  if (shape.total <= 0)
    return rate;
  return select(moment.now.compare(nn::ComparePredicate::Greater,
                                   moment.now.constant(shape.total)),
                rate.constant(last), rate);
}

Schedule describeInverseSqrt() {
  Schedule schedule;
  schedule.name = "inverse_sqrt";
  schedule.keys = {numberKey("final_ratio", 0.0, ratio(),
                             "least learning rate over the peak, which it is "
                             "past the total; 0 for the last value")};
  schedule.decays = false;
  schedule.rate = rate;
  return schedule;
}

} // namespace trainc::models
