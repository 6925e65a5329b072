//===- CpuDevice.h - runs a plan's programs on the thread pool ----*- C++
//-*-===//
//
// Everything is resolved at creation: each launch holds its code address, its
// buffer pointers and one argument block per worker, so run() is a plain walk
// over commands that allocates nothing.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DEVICE_CPU_CPUDEVICE_H
#define TRAINC_RUNTIME_DEVICE_CPU_CPUDEVICE_H

#include "runtime/core/ThreadPool.h"
#include "runtime/device/Device.h"
#include "runtime/device/cpu/Arena.h"
#include "runtime/plan/CodeImage.h"
#include "runtime/plan/Plan.h"
#include <memory>
#include <vector>

namespace trainc {

class CpuDevice final : public Device {
public:
  /// Allocates zero-filled arenas and scratch and maps the code of the plan's
  /// variant. `plan` and `pool` must outlive the device. Errors: System.
  static Result<std::unique_ptr<CpuDevice>> create(const Plan &plan,
                                                   ThreadPool &pool);

  Status run(size_t program) override;
  std::span<std::byte> data(size_t variable) override;
  uint64_t arenaBytes() const override;
  uint64_t scratchBytes() const override;
  void enableProfile() override;
  std::span<const LaunchTime> profile(size_t program) const override;

private:
  /// A launch, or a copy where `kernel` is null.
  struct Command {
    TraincKernel kernel = nullptr;
    size_t first_pointer = 0;       ///< into pointers_
    const int64_t *bound = nullptr; ///< null: all workgroups
    uint32_t workgroups = 0;
    int64_t constant = 0; ///< of the launch
    std::byte *destination = nullptr;
    const std::byte *source = nullptr;
    uint64_t size_bytes = 0;
  };

  CpuDevice(const Plan &plan, ThreadPool &pool) : plan_(plan), pool_(pool) {}
  std::byte *address(const abi::Buffer &buffer);
  void resolvePrograms();
  Command resolve(const abi::CommandItem &item);
  /// False where the bound leaves nothing to do.
  bool launch(const Command &command);
  void copy(const Command &command);

  const Plan &plan_;
  ThreadPool &pool_;
  CodeImage code_;
  std::vector<Arena> arenas_;
  Arena scratch_;
  uint64_t scratch_stride_bytes_ = 0;
  std::vector<void *> pointers_;
  std::vector<std::vector<Command>> programs_;
  std::vector<std::vector<LaunchTime>> times_;
  std::vector<std::span<std::byte>> variables_;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DEVICE_CPU_CPUDEVICE_H
