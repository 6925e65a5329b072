//===- AssignArenaOffsets.cpp - transient buffers share memory ------------===//
//
// Decides the offsets of transient buffers: greedy by size, best fit. Storages
// of a program are placed from the largest to the smallest, each in the
// smallest gap that fits between those already placed whose lifetimes overlap
// its own, or behind them all (Pisarchyk and Lee, "Efficient Memory Management
// for Deep Neural Net Inference", 2020, "Greedy by Size"). Ties go to the
// earlier start, so the outcome depends on the program only. Programs do not
// run at the same time: each starts at the segment's beginning.
//
//===----------------------------------------------------------------------===//

#include "compiler/memory/Memory.h"
#include "compiler/support/BufferSize.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace trainc::memory {

#define GEN_PASS_DEF_ASSIGNARENAOFFSETS
#include "compiler/memory/Passes.h.inc"

namespace {

/// Buffers of one place before this pass: a storage and its views.
struct Lifetime {
  SmallVector<plan::BufferOp> buffers;
  int64_t size_bytes = 0;
  /// First and last command of the program that touches it.
  int begin = 0, end = 0;
  int64_t offset_bytes = 0;

  bool overlaps(const Lifetime &other) const {
    return begin <= other.end && other.begin <= end;
  }
};

/// Transient storages of a program by offset, each with its lifetime.
SmallVector<Lifetime> collectLifetimes(plan::ProgramOp program,
                                       const SymbolTable &symbols) {
  llvm::MapVector<int64_t, Lifetime> lifetimes;
  auto touch = [&](Attribute name, int at) {
    auto buffer =
        symbols.lookup<plan::BufferOp>(cast<FlatSymbolRefAttr>(name).getAttr());
    if (!buffer.isTransient())
      return;
    auto [found, isNew] = lifetimes.try_emplace(buffer.getOffsetBytes());
    Lifetime &lifetime = found->second;
    if (isNew)
      lifetime.begin = at;
    lifetime.end = at;
    lifetime.size_bytes =
        std::max(lifetime.size_bytes,
                 bufferSizeBytes(cast<MemRefType>(buffer.getType())));
    if (!llvm::is_contained(lifetime.buffers, buffer))
      lifetime.buffers.push_back(buffer);
  };
  for (auto [at, op] : llvm::enumerate(program.getBody().front())) {
    if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
      for (Attribute buffer : launch.getBuffersAttr())
        touch(buffer, at);
    } else if (auto copy = dyn_cast<plan::CopyOp>(op)) {
      touch(copy.getSourceAttr(), at);
      touch(copy.getDestinationAttr(), at);
    }
  }
  SmallVector<Lifetime> result;
  for (auto &[offset, lifetime] : lifetimes)
    result.push_back(std::move(lifetime));
  return result;
}

/// Sets offsets relative to the segment; returns the bytes needed.
int64_t planOffsets(MutableArrayRef<Lifetime> lifetimes) {
  SmallVector<Lifetime *> order;
  for (Lifetime &lifetime : lifetimes)
    order.push_back(&lifetime);
  // Lifetimes come in order of their starts, which a stable sort keeps.
  llvm::stable_sort(order, [](const Lifetime *a, const Lifetime *b) {
    return a->size_bytes > b->size_bytes;
  });

  int64_t needed_bytes = 0;
  SmallVector<Lifetime *> placed; // by offset
  for (Lifetime *lifetime : order) {
    int64_t end_bytes = 0, best_bytes = -1, best_gap_bytes = INT64_MAX;
    for (Lifetime *other : placed) {
      if (!lifetime->overlaps(*other))
        continue;
      int64_t gap_bytes = other->offset_bytes - end_bytes;
      if (gap_bytes >= lifetime->size_bytes && gap_bytes < best_gap_bytes) {
        best_bytes = end_bytes;
        best_gap_bytes = gap_bytes;
      }
      end_bytes = std::max(
          end_bytes, alignedOffset(other->offset_bytes + other->size_bytes));
    }
    lifetime->offset_bytes = best_bytes >= 0 ? best_bytes : end_bytes;
    needed_bytes =
        std::max(needed_bytes, lifetime->offset_bytes + lifetime->size_bytes);
    placed.insert(llvm::upper_bound(placed, lifetime,
                                    [](const Lifetime *a, const Lifetime *b) {
                                      return a->offset_bytes < b->offset_bytes;
                                    }),
                  lifetime);
  }
  return needed_bytes;
}

struct AssignArenaOffsets : impl::AssignArenaOffsetsBase<AssignArenaOffsets> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto arenas = module.getOps<plan::ArenaOp>();
    if (arenas.empty()) {
      module.emitError() << "expected a plan.arena, but got none; run "
                            "--trainc-assign-buffers first";
      return signalPassFailure();
    }
    plan::ArenaOp arena = *arenas.begin();
    // The transient segment is the last one.
    int64_t start_bytes = arena.getSegmentOffsets().back();
    int64_t needed_bytes = 0;
    SymbolTable symbols(module);
    // All lifetimes first: they are told apart by the offsets replaced below.
    SmallVector<SmallVector<Lifetime>> programs;
    for (auto program : module.getOps<plan::ProgramOp>())
      programs.push_back(collectLifetimes(program, symbols));
    for (SmallVector<Lifetime> &lifetimes : programs) {
      needed_bytes = std::max(needed_bytes, planOffsets(lifetimes));
      for (Lifetime &lifetime : lifetimes)
        for (plan::BufferOp buffer : lifetime.buffers)
          buffer.setOffsetBytes(start_bytes + lifetime.offset_bytes);
    }
    SmallVector<int64_t> sizes(arena.getSegmentSizes());
    sizes.back() = needed_bytes;
    arena.setSegmentSizes(sizes);
    arena.setSizeBytes(start_bytes + needed_bytes);
  }
};

} // namespace
} // namespace trainc::memory
