//===- VerifyEffort.cpp - how much a plan may make of its bytes -----------===//
//
// Tables and vectors of a flatbuffer may be used many times, so a small file
// can say something huge: thousands of programs with the same million inputs,
// or variants that share one image. Counted before anything is proved, so that
// the proof, and the runtime's own tables, take seconds at most.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/VerifierDetail.h"

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::abi::detail;

namespace {

/// A hundred times what the largest models need.
constexpr uint64_t maximumOperands = uint64_t{1} << 24;

template <typename T> uint64_t sizeOf(const flatbuffers::Vector<T> *vector) {
  return vector ? vector->size() : 0;
}

uint64_t operandsOf(const Program &program) {
  uint64_t count = sizeOf(program.inputs()) + sizeOf(program.outputs());
  for (const CommandItem *item : *program.commands()) {
    ++count;
    if (const Launch *launch = item->command_as_Launch())
      count += sizeOf(launch->buffers());
  }
  return count;
}

uint64_t operandsOf(const Variant &variant) {
  uint64_t count = sizeOf(variant.required_features());
  for (const Buffer *buffer : *variant.buffers())
    count += sizeOf(buffer->spans());
  for (const Kernel *kernel : *variant.kernels())
    count += sizeOf(kernel->parameters());
  for (const Program *program : *variant.programs())
    count += operandsOf(*program);
  return count;
}

} // namespace

Status detail::verifyEffort(const Plan &plan, uint64_t size_bytes) {
  uint64_t operands = 0, code_bytes = 0;
  for (const Variant *variant : *plan.variants()) {
    operands += operandsOf(*variant);
    code_bytes += sizeOf(variant->code());
  }
  if (operands > maximumOperands)
    return broken("variants",
                  "expected at most {} operands in all programs, but got {}",
                  maximumOperands, operands);
  if (code_bytes > size_bytes)
    return broken("variants",
                  "expected code of at most the file's {} bytes, but got {} in "
                  "all variants",
                  size_bytes, code_bytes);
  return {};
}
