//===- UpdateCopies.cpp - parameters in another type follow an update -----===//
//
// Copies of parameters in 16 bits are written by the kernel that makes the new
// parameters: a group of copies has the same positions as that of the
// parameters, so it is one more result of the sweep. Where parameters keep
// their old value, copies keep theirs, which is that value's.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/UpdateExpander.h"

using namespace mlir;

namespace trainc::optimizer {

void UpdateExpander::findCopies(ModuleOp module) {
  for (auto state : module.getOps<train::StateOp>())
    if (state.getRole() == train::Role::Copy)
      copies[*state.getParameter()] = state;
}

/// The copies of the sweep's parameters as a group; null where there are none.
FailureOr<StringAttr> UpdateExpander::groupCopies(const Sweep &sweep) {
  if (!sweep.copied)
    return StringAttr();
  SmallVector<Attribute> members;
  for (train::ParameterOp parameter : sweep.parameters)
    members.push_back(FlatSymbolRefAttr::get(
        copies.lookup(parameter.getSymName()).getSymNameAttr()));
  return createGroup(
      sweep.name + ".copy", members,
      RankedTensorType::get(sweep.type.getShape(), sweep.copied));
}

} // namespace trainc::optimizer
