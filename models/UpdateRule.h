//===- UpdateRule.h - optimizer and schedule as train.update ----*- C++ -*-===//
//
// Builds train.update from the formulas of an optimizer and a schedule.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_UPDATERULE_H
#define TRAINC_MODELS_UPDATERULE_H

#include "models/Registry.h"

namespace trainc::models {

/// Appends train.update at the ModelBuilder's insertion point. Updates count
/// from 1; a warm-up of w gives the first one peak/w; past the total the last
/// value holds (training-semantics.md 6.1).
train::UpdateOp buildUpdate(ModelBuilder &model, const Optimizer &optimizer,
                            const Settings &optimizerSettings,
                            const Schedule &schedule,
                            const Settings &scheduleSettings,
                            const ScheduleShape &shape, double clipNorm);

} // namespace trainc::models

#endif // TRAINC_MODELS_UPDATERULE_H
