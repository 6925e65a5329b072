//===- PlanDialect.td - the plan dialect ----------------------------------===//
#ifndef TRAINC_DIALECTS_PLAN_PLANDIALECT_TD
#define TRAINC_DIALECTS_PLAN_PLANDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::trainc::plan";
  let summary = "Programs, kernels, launches, arenas: one operation per table of the schema";
  let description = [{
    A `plan.program` starts as tensor code (objective stage), becomes a flat list
    of launches (fusion), then of launches on buffers (memory). The last form maps
    one to one onto runtime/abi/plan.fbs.
  }];
}

class Plan_Op<string mnemonic, list<Trait> traits = []>
    : Op<Plan_Dialect, mnemonic, traits>;

#endif // TRAINC_DIALECTS_PLAN_PLANDIALECT_TD
