//===- plan.cpp - plans ---------------------------------------------------===//
//
// As they come, and with their hashes made right, so that every rule behind the
// hashes is reached. An accepted plan is indexed, placed in memory and walked,
// but its code is not run: that is trusted.
//
//===----------------------------------------------------------------------===//

#include "runtime/abi/PlanVerifier.h"
#include "runtime/step/Session.h"
#include "runtime/step/StepLoop.h"
#include "test/fuzz/Fuzz.h"
#include "test/unit/runtime/support/TestPlan.h"

using namespace trainc;

static void use(std::vector<uint8_t> bytes) {
  Result<std::unique_ptr<Plan>> plan = Plan::fromBytes(std::move(bytes), "in");
  if (!plan.ok())
    return fuzz::requireClear(plan.status().message());
  // Memory is the plan's to ask for; small amounts are tried.
  constexpr uint64_t kTriedBytes = uint64_t(1) << 22;
  if ((*plan)->arenaBytes() > kTriedBytes ||
      (*plan)->scratchBytesPerThread() > kTriedBytes)
    return;
  Result<std::unique_ptr<Session>> session =
      Session::create(std::move(*plan), {1, {}});
  if (!session.ok())
    return fuzz::requireClear(session.status().message());
  for (size_t i = 0; i < (*session)->plan().variableCount(); ++i)
    for (std::byte &byte : (*session)->data(i))
      byte ^= std::byte{1};
  Result<std::unique_ptr<StepLoop>> loop = StepLoop::create(**session);
  if (!loop.ok())
    fuzz::requireClear(loop.status().message());
}

void fuzz::read(std::span<const uint8_t> input) {
  std::vector<uint8_t> bytes(input.begin(), input.end());
  const Status status = abi::verifyPlan(bytes.data(), bytes.size());
  if (!status.ok())
    requireClear(status.message());
  if (abi::finalizePlan(bytes).ok())
    use(std::move(bytes));
}

std::vector<std::string> fuzz::seeds() {
  std::vector<std::string> texts;
  for (const uint32_t micro_batches : {1u, 3u}) {
    auto plan = test::makePlan(2, micro_batches);
    // The code says nothing to the reader: an entry may be any of its bytes.
    plan->variants.front()->code.resize(64);
    for (auto &kernel : plan->variants.front()->kernels)
      kernel->entry_offset = 0;
    const std::vector<uint8_t> bytes = test::serialize(*plan);
    texts.emplace_back(bytes.begin(), bytes.end());
  }
  return texts;
}
