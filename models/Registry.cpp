//===- Registry.cpp - what a recipe can name ------------------------------===//

#include "models/Registry.h"

namespace trainc::models {

#define TRAINC_FAMILY(stem) Family describe##stem();
#define TRAINC_OBJECTIVE(stem) Objective describe##stem();
#define TRAINC_OPTIMIZER(stem) Optimizer describe##stem();
#define TRAINC_SCHEDULE(stem) Schedule describe##stem();
#include "models/Registry.inc"

llvm::ArrayRef<Family> families() {
  static const std::vector<Family> entries = {
#define TRAINC_FAMILY(stem) describe##stem(),
#include "models/Registry.inc"
  };
  return entries;
}

llvm::ArrayRef<Objective> objectives() {
  static const std::vector<Objective> entries = {
#define TRAINC_OBJECTIVE(stem) describe##stem(),
#include "models/Registry.inc"
  };
  return entries;
}

llvm::ArrayRef<Optimizer> optimizers() {
  static const std::vector<Optimizer> entries = {
#define TRAINC_OPTIMIZER(stem) describe##stem(),
#include "models/Registry.inc"
  };
  return entries;
}

llvm::ArrayRef<Schedule> schedules() {
  static const std::vector<Schedule> entries = {
#define TRAINC_SCHEDULE(stem) describe##stem(),
#include "models/Registry.inc"
  };
  return entries;
}

} // namespace trainc::models
