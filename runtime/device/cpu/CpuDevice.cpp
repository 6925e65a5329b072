#include "runtime/device/cpu/CpuDevice.h"

#include <algorithm>
#include <chrono>
#include <cstring>

using namespace trainc;

/// Copies are shared out in pieces of this size: about what one core's cache
/// hides, and enough work to be worth a hand-over.
static constexpr uint64_t copyPieceBytes = uint64_t{1} << 20;

static uint64_t now_ns() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(
          std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

Result<std::unique_ptr<CpuDevice>> CpuDevice::create(const Plan &plan,
                                                     ThreadPool &pool) {
  std::unique_ptr<CpuDevice> device(new CpuDevice(plan, pool));
  const abi::Variant &variant = plan.variant();
  if (const auto *code = variant.code()) {
    Result<CodeImage> image = CodeImage::map({code->data(), code->size()});
    if (!image.ok())
      return image.status();
    device->code_ = std::move(*image);
  }
  for (const abi::Arena *table : *variant.arenas()) {
    Result<Arena> arena = Arena::allocate(
        view(table->name()), table->size_bytes(), table->alignment_bytes());
    if (!arena.ok())
      return arena.status();
    device->arenas_.push_back(std::move(*arena));
  }
  // Whole pages apart, so that workers never share a cache line or a page.
  constexpr uint64_t page_bytes = 4096;
  device->scratch_stride_bytes_ =
      (plan.scratchBytesPerThread() + page_bytes - 1) / page_bytes * page_bytes;
  Result<Arena> scratch =
      Arena::allocate("scratch", device->scratch_stride_bytes_ * pool.threads(),
                      TRAINC_BUFFER_ALIGNMENT);
  if (!scratch.ok())
    return scratch.status();
  device->scratch_ = std::move(*scratch);

  for (size_t i = 0; i != plan.variableCount(); ++i) {
    std::span<std::byte> bytes;
    if (const auto index = plan.bufferOfVariable(i)) {
      const abi::Buffer &buffer =
          *variant.buffers()->Get(static_cast<uint32_t>(*index));
      bytes = {device->address(buffer), buffer.size_bytes()};
    }
    device->variables_.push_back(bytes);
  }
  device->resolvePrograms();
  return device;
}

std::byte *CpuDevice::address(const abi::Buffer &buffer) {
  return arenas_[buffer.arena()].data() + buffer.offset_bytes();
}

void CpuDevice::resolvePrograms() {
  for (const abi::Program *program : *plan_.variant().programs()) {
    std::vector<Command> &commands = programs_.emplace_back();
    commands.reserve(program->commands()->size());
    for (const abi::CommandItem *item : *program->commands())
      commands.push_back(resolve(*item));
  }
  times_.resize(programs_.size());
}

CpuDevice::Command CpuDevice::resolve(const abi::CommandItem &item) {
  const auto &buffers = *plan_.variant().buffers();
  Command command;
  if (const abi::Copy *copy = item.command_as_Copy()) {
    const abi::Buffer &source = *buffers.Get(copy->source());
    command.source = address(source);
    command.destination = address(*buffers.Get(copy->destination()));
    command.size_bytes = source.size_bytes();
    return command;
  }
  const abi::Launch &launch = *item.command_as_Launch();
  const abi::Kernel &kernel = *plan_.variant().kernels()->Get(launch.kernel());
  command.kernel = code_.entry(kernel.entry_offset());
  command.workgroups = kernel.workgroups();
  command.constant = launch.constant();
  if (launch.bound() != 0)
    command.bound = reinterpret_cast<const int64_t *>(
        address(*buffers.Get(launch.bound() - 1)));
  command.first_pointer = pointers_.size();
  for (const uint32_t index : *launch.buffers())
    pointers_.push_back(address(*buffers.Get(index)));
  return command;
}

bool CpuDevice::launch(const Command &command) {
  uint32_t workgroups = command.workgroups;
  if (command.bound)
    workgroups = static_cast<uint32_t>(
        std::clamp<int64_t>(*command.bound, 0, workgroups));
  void *const *buffers = pointers_.data() + command.first_pointer;
  pool_.parallelFor(workgroups, [&](unsigned worker, uint64_t workgroup) {
    const TraincKernelArguments arguments{
        buffers, scratch_.data() + worker * scratch_stride_bytes_, workgroups,
        0, command.constant};
    command.kernel(&arguments, static_cast<uint32_t>(workgroup));
  });
  return workgroups != 0;
}

void CpuDevice::copy(const Command &command) {
  const uint64_t pieces =
      (command.size_bytes + copyPieceBytes - 1) / copyPieceBytes;
  pool_.parallelFor(pieces, [&](unsigned, uint64_t piece) {
    const uint64_t offset = piece * copyPieceBytes;
    std::memcpy(command.destination + offset, command.source + offset,
                std::min(copyPieceBytes, command.size_bytes - offset));
  });
}

Status CpuDevice::run(size_t program) {
  std::vector<LaunchTime> &times = times_[program];
  const std::vector<Command> &commands = programs_[program];
  for (size_t i = 0; i != commands.size(); ++i) {
    const uint64_t begin_ns = times.empty() ? 0 : now_ns();
    bool ran = true;
    if (commands[i].kernel)
      ran = launch(commands[i]);
    else
      copy(commands[i]);
    if (!times.empty()) {
      times[i].runs += ran;
      times[i].elapsed_ns += now_ns() - begin_ns;
    }
  }
  return {};
}

std::span<std::byte> CpuDevice::data(size_t variable) {
  return variables_[variable];
}

uint64_t CpuDevice::arenaBytes() const {
  uint64_t size_bytes = 0;
  for (const Arena &arena : arenas_)
    size_bytes += arena.sizeBytes();
  return size_bytes;
}

uint64_t CpuDevice::scratchBytes() const { return scratch_.sizeBytes(); }

void CpuDevice::enableProfile() {
  for (size_t i = 0; i != programs_.size(); ++i)
    times_[i].resize(programs_[i].size());
}

std::span<const LaunchTime> CpuDevice::profile(size_t program) const {
  return times_[program];
}
