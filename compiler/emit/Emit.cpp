//===- Emit.cpp - from the last IR to the bytes of a plan -----------------===//
//
// Puts the tables together, serialises, fills the hashes, and asks the
// runtime's verifier: a plan that it would refuse is an error of the compiler,
// found here.
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/Emit.h"
#include "compiler/emit/Tables.h"

#include "runtime/abi/PlanVerifier.h"

using namespace mlir;

namespace trainc::emit {

static std::vector<uint8_t> serialise(const abi::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  abi::FinishPlanBuffer(builder, abi::Plan::Pack(builder, &plan));
  return {builder.GetBufferPointer(),
          builder.GetBufferPointer() + builder.GetSize()};
}

LogicalResult emitPlan(ArrayRef<ModuleOp> variants, std::vector<uint8_t> &out) {
  out.clear();
  std::unique_ptr<abi::PlanT> plan;
  std::vector<uint8_t> shared;
  for (ModuleOp module : variants) {
    TableIndex index;
    FailureOr<std::unique_ptr<abi::PlanT>> tables =
        buildSharedTables(module, index);
    if (failed(tables))
      return failure();
    std::vector<uint8_t> bytes = serialise(**tables);
    if (!plan) {
      plan = std::move(*tables);
      shared = std::move(bytes);
    } else if (bytes != shared) {
      return module.emitError()
             << "expected variants of one model, but got one whose variables, "
                "inputs, loss terms, batch or recipe differ from the first's";
    }
    auto variant = buildVariant(module, *plan, index);
    if (failed(variant))
      return failure();
    for (const auto &buffer : (*variant)->buffers)
      if (!buffer->spans.empty())
        plan->feature_bits |= abi::featureSpans;
    plan->variants.push_back(std::move(*variant));
  }
  if (!plan)
    return failure();

  out = serialise(*plan);
  Status status = abi::finalizePlan(out);
  if (status.ok())
    status = abi::verifyPlan(out.data(), out.size());
  if (!status.ok()) {
    out.clear();
    ModuleOp first = variants.front();
    return first.emitError()
           << "the plan does not pass the runtime's verifier: "
           << status.message();
  }
  return success();
}

} // namespace trainc::emit
