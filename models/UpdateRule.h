//===- UpdateRule.h - optimizer and schedule as train.update ----*- C++ -*-===//
//
// Builds train.update from the formulas of an optimizer and a schedule.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_UPDATERULE_H
#define TRAINC_MODELS_UPDATERULE_H

#include "models/Registry.h"

namespace trainc::models {

/// Gradients are scaled by min(1, norm / (‖g‖ + epsilon)); norm 0 for not at
/// all (training-semantics.md 4.6).
struct Clipping {
  double norm = 0;
  double epsilon = 1e-6;
};

/// Appends train.update at the ModelBuilder's insertion point. Updates count
/// from 1; a warm-up of w gives the first one peak/w; past the total the last
/// value holds (training-semantics.md 6.1).
train::UpdateOp buildUpdate(ModelBuilder &model, const Optimizer &optimizer,
                            const Settings &optimizerSettings,
                            const Schedule &schedule,
                            const Settings &scheduleSettings,
                            const ScheduleShape &shape, Clipping clipping);

} // namespace trainc::models

#endif // TRAINC_MODELS_UPDATERULE_H
