//===- Linear.cpp - a straight line to the final learning rate ------------===//
//
// η_min + (η − η_min)(1 − r) (training-semantics.md 6.1). Where the line begins
// differs: at the end of warm-up; or at update 0, where BERT's warm-up stands
// in place of the line, so that the peak is never reached, and ELECTRA's
// multiplies it.
//
//===----------------------------------------------------------------------===//

#include "models/Registry.h"

namespace trainc::models {

static Expression rate(const Settings &settings, const ScheduleMoment &moment) {
  const ScheduleShape &shape = moment.shape;
  double last = shape.peak * settings.number("final_ratio");
  auto line = [&](Expression progress) {
    return last + (shape.peak - last) * (1.0 - progress);
  };
  std::string decay = settings.text("decay");
  if (decay == "after_warmup")
    return line(moment.progress());
  Expression fromStart = line(moment.update / shape.total);
  if (shape.warmup <= 0)
    return fromStart;
  if (decay == "times_warmup")
    return fromStart * minimum(moment.now / shape.warmup, 1.0);
  return select(moment.now.compare(nn::ComparePredicate::Less,
                                   moment.now.constant(shape.warmup)),
                moment.warming(), fromStart);
}

Schedule describeLinear() {
  Schedule schedule;
  schedule.name = "linear";
  schedule.keys = {
      numberKey("final_ratio", 0.0, ratio(),
                "last learning rate over the peak"),
      choiceKey("decay", "after_warmup",
                {"after_warmup", "from_start", "times_warmup"},
                "where the line begins: at the peak; at update 0, replaced "
                "during warm-up (BERT); there, times the warm-up (ELECTRA)")};
  schedule.warms = [](const Settings &settings) {
    return settings.text("decay") == "after_warmup";
  };
  schedule.rate = rate;
  return schedule;
}

} // namespace trainc::models
