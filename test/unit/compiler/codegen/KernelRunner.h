//===- KernelRunner.h - compile kernels from text and call them ---*- C++
//-*-===//
//
// Test harness: parses a module with bufferised plan.kernel ops, runs the code
// generation stage, maps the image read-execute, and calls kernels through
// runtime/abi/KernelAbi.h on buffers with guard bytes around them.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_COMPILER_CODEGEN_KERNELRUNNER_H
#define TRAINC_TEST_UNIT_COMPILER_CODEGEN_KERNELRUNNER_H

#include "compiler/codegen/cpu/CodegenCpu.h"
#include "runtime/abi/KernelAbi.h"
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace trainc::test {

/// `count` elements at an address that is exactly 64-byte aligned, between
/// guards of 64 bytes.
template <typename T> class Buffer {
public:
  explicit Buffer(size_t count, T value = T())
      : count(count), storage((count * sizeof(T) + 64 * 5) / 64 * 64, guard) {
    auto address = reinterpret_cast<uintptr_t>(storage.data());
    start = ((address + 63) / 64 * 64 + 64) - address;
    for (size_t i = 0; i < count; ++i)
      (*this)[i] = value;
  }
  T *data() { return reinterpret_cast<T *>(storage.data() + start); }
  const T *data() const {
    return reinterpret_cast<const T *>(storage.data() + start);
  }
  T &operator[](size_t i) { return data()[i]; }
  const T &operator[](size_t i) const { return data()[i]; }
  size_t size() const { return count; }
  /// Whether nobody wrote outside.
  bool intact() const {
    for (size_t i = 0; i < storage.size(); ++i)
      if ((i < start || i >= start + count * sizeof(T)) && storage[i] != guard)
        return false;
    return true;
  }

private:
  static constexpr uint8_t guard = 0xa5;
  size_t count;
  std::vector<uint8_t> storage;
  size_t start;
};

/// Compiled kernels of one module.
class Kernels {
public:
  struct Entry {
    uint64_t offset;
    uint64_t scratch_bytes;
    uint32_t workgroups;
    std::string computes;
    double flops, bytes; ///< of one call of all workgroups
    std::vector<uint64_t> parameter_bytes;
    std::vector<bool> parameter_is_float; ///< f32; others hold integers or f64
  };

  /// Compiles; on failure `error()` holds the diagnostics.
  explicit Kernels(const std::string &text,
                   const codegen::CodegenCpuOptions &options = {});
  ~Kernels();
  Kernels(const Kernels &) = delete;

  bool ok() const { return errors.empty(); }
  const std::string &error() const { return errors; }
  const std::vector<uint8_t> &image() const { return bytes; }
  const std::vector<std::string> &features() const { return featureNames; }
  const Entry &entry(const std::string &name) const { return entries.at(name); }
  const std::map<std::string, Entry> &all() const { return entries; }

  /// Calls every workgroup, in decreasing order when `backwards`. Scratch is
  /// filled with NaN patterns first, and checked for writes past its end.
  /// `constant` is the launch's.
  bool call(const std::string &name, std::vector<void *> buffers,
            bool backwards = false, int64_t constant = 0) const;
  /// The same in the caller's scratch, unchecked: for measurements.
  void callIn(void *scratch, const std::string &name,
              const std::vector<void *> &buffers, bool backwards = false,
              int64_t constant = 0) const;

private:
  std::string errors;
  std::vector<uint8_t> bytes;
  std::vector<std::string> featureNames;
  std::map<std::string, Entry> entries;
  void *code = nullptr;
};

/// Where the FEATURES of this machine do not allow AVX-512, tests of it are
/// skipped.
bool hostHasAvx512();

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_COMPILER_CODEGEN_KERNELRUNNER_H
