//===- Verify.cpp - trainrun verify ---------------------------------------===//
//
// Proves a plan sound, says what was proved, and whether this machine can run
// it.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/plan/Plan.h"
#include "tools/trainrun/Support.h"

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
  Result<std::unique_ptr<Plan>> runnable = Plan::load(options.plan);
  std::string_view variant =
      runnable.ok() ? view((*runnable)->variant().target()) : "";
  if (options.json) {
    fmt::print(R"({{"plan": {}, "sound": true, "content_hash": "{:016x}", )"
               R"("bytes": {}, "runs_here": {}, "variant": {}}})"
               "\n",
               jsonString(options.plan), table.content_hash(),
               (*plan)->bytes().size(), runnable.ok(),
               runnable.ok() ? jsonString(variant) : "null");
    return {};
  }
  fmt::print("proved\n");
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
  if (runnable.ok())
    fmt::print("{}: sound; this machine runs variant {}\n", options.plan,
               variant);
  else
    fmt::print("{}: sound; this machine cannot run it: {}\n", options.plan,
               runnable.status().message());
  return {};
}

} // namespace trainc::trainrun
