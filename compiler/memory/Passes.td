//===- Passes.td - passes of the memory stage -----------------------------===//
#ifndef TRAINC_COMPILER_MEMORY_PASSES_TD
#define TRAINC_COMPILER_MEMORY_PASSES_TD

include "mlir/Pass/PassBase.td"

def BufferizeKernels : Pass<"trainc-bufferize-kernels", "::trainc::plan::KernelOp"> {
  let summary = "Turns a kernel's tensors into memref arguments, in place";
  let description = [{
    Each tensor argument becomes a memref of identity layout; the body is
    bufferised by upstream one-shot bufferization, destinations in place
    (scf.forall writes through parallel_insert_slice without copies). Where a
    destination is returned as disjoint slices of it, each computed from itself and
    inserted again, each slice is a destination of its own. What remains
    of `memref.copy` becomes an elementwise loop, and `memref.alloc` only a
    temporary of one workgroup. A loop that would yield a new buffer per iteration
    is an error: such a buffer has no fixed place in scratch.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::bufferization::BufferizationDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

def AssignBuffers : Pass<"trainc-assign-buffers", "::mlir::ModuleOp"> {
  let summary = "Gives every value of every program a buffer";
  let description = [{
    Creates `plan.arena @arena` and one `plan.buffer` per parameter, state and
    input, and per launch result that needs a place of its own. The members of a
    `train.group` lie one behind another, where the group is used in one buffer that
    spans them. Results written to
    a variable go directly into the variable's buffer where its old value is not
    needed any more; otherwise a `plan.copy` keeps the meaning. Views share the
    place of what they view; slices and the parts of a join are buffers at an offset
    in it. Transient buffers do not share memory yet, so the
    outcome is correct but large. Also records the inputs in `train.inputs`.
  }];
  let dependentDialects = ["::trainc::plan::PlanDialect"];
}

def AssignArenaOffsets : Pass<"trainc-assign-arena-offsets", "::mlir::ModuleOp"> {
  let summary = "Lets transient buffers share memory by their lifetimes";
  let description = [{
    Greedy by size with best fit over lifetimes; programs share the transient
    segment, which is as large as the largest needs. Outputs lie there, too: alive
    from their first write to the end of each program that writes them. An arena
    larger than the module's `train.memory_budget_bytes` is an error.
  }];
  let dependentDialects = ["::trainc::plan::PlanDialect"];
}

def VerifyMemoryContract : Pass<"trainc-verify-memory", "::mlir::ModuleOp"> {
  let summary = "Proves what the memory stage promises";
  let description = [{
    No tensors in kernels and programs; every variable has one place, and what keeps
    its contents between programs (all but outputs) is disjoint from all others; a
    buffer that spans variables holds them whole, in order, and overlaps nothing
    else; no launch writes what another of its buffers overlaps; every read of a
    transient buffer sees what was written to it, as one range or as several that
    join; outputs are whole at the end of a
    program that writes them.
  }];
}

#endif // TRAINC_COMPILER_MEMORY_PASSES_TD
