//===- Fit.h - what a step takes, before anything runs ------------*- C++
//-*-===//
//
// `trainc fit`: memory by class and work of one step, read off a module after
// the memory stage (or later ones).
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_MEMORY_FIT_H
#define TRAINC_COMPILER_MEMORY_FIT_H

#include "mlir/IR/BuiltinOps.h"
#include <cstdint>
#include <string>

namespace trainc::memory {

/// The six classes of bytes add up to arena_bytes.
struct FitReport {
  int64_t parameters = 0; ///< elements of all parameters, also frozen ones
  int64_t arena_bytes = 0;
  int64_t scratch_bytes_per_thread =
      0; ///< of the largest kernel; 0 before codegen
  int64_t parameters_bytes = 0;
  int64_t copies_bytes = 0; ///< of parameters in 16 bits
  int64_t gradients_bytes = 0;
  int64_t optimizer_bytes = 0;
  /// Transient buffers and outputs of the program that needs most.
  int64_t activations_bytes = 0;
  int64_t workspace_bytes = 0; ///< inputs, metrics and alignment
  /// Threads of the run, and what its process takes besides: said by whoever
  /// knows the runtime.
  int64_t threads = 1;
  int64_t overhead_bytes = 0;
  /// Of one step: micro-batches times (count + accumulate), and apply.
  double flops_per_step = 0;

  /// What the process will take at most: arena, scratch of all threads in whole
  /// pages, and the overhead. A run compares its peak with it.
  int64_t predictedBytes() const;
};

/// Fails with a diagnostic when `module` has no arena.
llvm::FailureOr<FitReport> computeFit(mlir::ModuleOp module);

/// A table for people: one line per number, bytes also in MiB.
std::string fitTable(const FitReport &report);

/// The object of `fit --json`: parameters, arena_bytes,
/// scratch_bytes_per_thread, threads, overhead_bytes, predicted_bytes, bytes
/// {parameters, copies, gradients, optimizer, activations, workspace},
/// flops_per_step.
std::string fitJson(const FitReport &report);

} // namespace trainc::memory

#endif // TRAINC_COMPILER_MEMORY_FIT_H
