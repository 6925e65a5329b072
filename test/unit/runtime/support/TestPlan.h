//===- TestPlan.h - a tiny trainable plan for tests ---------------*- C++
//-*-===//
//
// Least squares over four weights (see kernels.c), with every program, role and
// kind of command a real plan has, as an object that tests may spoil before it
// is serialized. A step on it can be worked out by hand.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_RUNTIME_SUPPORT_TESTPLAN_H
#define TRAINC_TEST_UNIT_RUNTIME_SUPPORT_TESTPLAN_H

#include "runtime/abi/plan_generated.h"
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace trainc::test {

/// Tokens of one row, weights of the model, and the target that does not count.
inline constexpr uint32_t length = 4, weights = 4;
inline constexpr int32_t ignored = -100;
/// Token ids must be below this.
inline constexpr uint64_t vocabulary = 16;

/// Entries of the kernels in the image, as kernels.ld places them.
enum Entry : uint64_t {
  Initialize = 0,
  Count = 0x400,
  Accumulate = 0x800,
  Reduce = 0xc00,
  Apply = 0x1000,
  Evaluate = 0x1400,
  Predict = 0x1800,
  Stamp = 0x1c00,
  Constant = 0x2000
};

/// Machine code of all kernels for 2 or 4 rows.
std::vector<uint8_t> kernelImage(uint32_t rows);

/// A whole plan: rows (2 or 4) of one micro-batch, micro-batches of one step.
std::unique_ptr<abi::PlanT> makePlan(uint32_t rows = 2,
                                     uint32_t micro_batches = 1);

/// The plan as a file's bytes, hashes filled in.
std::vector<uint8_t> serialize(const abi::PlanT &plan);

// Parts of a plan by name; the name must exist.
abi::VariableT &variable(abi::PlanT &plan, std::string_view name);
uint32_t variableIndex(const abi::PlanT &plan, std::string_view name);
abi::BufferT &bufferOf(abi::PlanT &plan, std::string_view variable);
uint32_t bufferIndex(const abi::PlanT &plan, std::string_view variable);
abi::KernelT &kernel(abi::PlanT &plan, std::string_view name);
abi::ProgramT &program(abi::PlanT &plan, std::string_view name);
/// Command `index` of a program, which must be a launch.
abi::LaunchT &launch(abi::PlanT &plan, std::string_view program, size_t index);

// Builders, also for tests that grow the plan.
uint32_t addVariable(abi::PlanT &plan, std::string_view name, abi::Role role,
                     abi::ElementType type, std::vector<uint64_t> shape);
uint32_t addBuffer(abi::PlanT &plan, abi::ElementType type,
                   std::vector<uint64_t> shape, uint32_t variable_plus_one = 0);
struct Operand {
  uint32_t buffer;
  abi::Access access;
};
/// Adds a kernel with these operands' types and sizes, and a launch of it to
/// the program, which is created where there is none.
abi::LaunchT &addLaunch(abi::PlanT &plan, std::string_view program,
                        std::string_view kernel, uint64_t entry_offset,
                        std::vector<Operand> operands, uint32_t workgroups = 1,
                        uint64_t scratch_bytes = 0);
void addCopy(abi::PlanT &plan, std::string_view program, uint32_t source,
             uint32_t destination);

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_RUNTIME_SUPPORT_TESTPLAN_H
