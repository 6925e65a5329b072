//===- KernelAbi.h - how the runtime calls compiled kernels -----*- C++ -*-===//
//
// The one binary interface between code in a plan and the runtime. Standalone:
// includes nothing of the project, valid C. The compiler emits functions of
// type TraincKernel; the runtime calls them once per workgroup, in any order,
// on any thread. A kernel has no barriers, calls nothing, allocates nothing.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_ABI_KERNELABI_H
#define TRAINC_RUNTIME_ABI_KERNELABI_H

#include <stdint.h>

/// Raised whenever the layout below changes. Version 2 appended `constant`,
/// which kernels of version 1 do not know: they run as they are. Newer versions
/// are refused.
#define TRAINC_KERNEL_ABI_VERSION 2
#define TRAINC_KERNEL_ABI_OLDEST_VERSION 1

/// Alignment of every buffer and of scratch, in bytes.
#define TRAINC_BUFFER_ALIGNMENT 64

/// Arguments of one launch on one worker. Field order is ABI.
typedef struct TraincKernelArguments {
  /// One pointer per kernel parameter, in order, each aligned to
  /// TRAINC_BUFFER_ALIGNMENT. No two overlap when either is written.
  void *const *buffers;
  /// This worker's private scratch, at least Kernel.scratch_bytes; contents are
  /// undefined on entry. Never shared between workers.
  void *scratch;
  /// Number of workgroups of this launch (after a device-read bound).
  uint32_t workgroup_count;
  uint32_t reserved;
  /// Launch.constant, for kernels that read it (Kernel.reads_constant).
  int64_t constant;
} TraincKernelArguments;

/// Runs workgroup number `workgroup` (0-based, below workgroup_count).
typedef void (*TraincKernel)(const TraincKernelArguments *arguments,
                             uint32_t workgroup);

#endif // TRAINC_RUNTIME_ABI_KERNELABI_H
