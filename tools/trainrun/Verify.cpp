//===- Verify.cpp - trainrun verify ---------------------------------------===//
//
// Proves a plan sound, says what was proved, and whether this machine can run
// it.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/plan/Plan.h"

#include <fmt/format.h>

namespace trainc::trainrun {

Status runVerify(const VerifyOptions &options) {
  Result<std::unique_ptr<Plan>> plan = Plan::inspect(options.plan);
  if (!plan.ok())
    return plan.status();
  const abi::Plan &table = (*plan)->table();
  size_t buffers = 0, kernels = 0, commands = 0, code_bytes = 0;
  for (const abi::Variant *variant : *table.variants()) {
    buffers += variant->buffers()->size();
    kernels += variant->kernels()->size();
    code_bytes += variant->code() ? variant->code()->size() : 0;
    for (const abi::Program *program : *variant->programs())
      commands += program->commands()->size();
  }
  fmt::print("{}: sound\n", options.plan);
  fmt::print("  content hash   {:016x} over {} bytes\n", table.content_hash(),
             (*plan)->bytes().size());
  fmt::print("  code           {} bytes, hashes agree\n", code_bytes);
  fmt::print("  variables      {}: sizes, places, no overlaps\n",
             table.variables()->size());
  fmt::print("  buffers        {}: inside their arenas, aligned\n", buffers);
  fmt::print("  kernels        {}: entries inside the code, ABI version\n",
             kernels);
  fmt::print("  commands       {}: operands, aliases, written before read\n",
             commands);
  Result<std::unique_ptr<Plan>> runnable = Plan::load(options.plan);
  if (runnable.ok())
    fmt::print("  this machine   runs variant {}\n",
               view((*runnable)->variant().target()));
  else
    fmt::print("  this machine   cannot run it: {}\n",
               runnable.status().message());
  return {};
}

} // namespace trainc::trainrun
