//===- AssignArenaOffsets.cpp - transient buffers share memory ------------===//
//
// Decides the offsets in the transient segment: greedy by size, best fit.
// Storages are placed from the largest to the smallest, each in the smallest
// gap that fits between those already placed whose lifetimes overlap its own,
// or behind them all (Pisarchyk and Lee, "Efficient Memory Management for Deep
// Neural Net Inference", 2020, "Greedy by Size"). Ties go to the earlier start,
// so the outcome depends on the programs only.
//
// Programs do not run at the same time, so storages of different programs never
// conflict. An output of a program lives from its first write to the program's
// end, where the host reads it before anything else runs; several programs may
// write the same one, in one place.
//
//===----------------------------------------------------------------------===//

#include "compiler/memory/Memory.h"
#include "compiler/support/BufferSize.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include <limits>
#include <map>

using namespace mlir;

namespace trainc::memory {

#define GEN_PASS_DEF_ASSIGNARENAOFFSETS
#include "compiler/memory/Passes.h.inc"

namespace {

/// Where a storage is alive: from one command of a program to another.
struct Span {
  unsigned program;
  int begin, end;
};

/// Buffers of one place before this pass: a storage, its views and its parts.
struct Lifetime {
  SmallVector<plan::BufferOp> buffers;
  /// What they cover before this pass.
  int64_t begin_bytes = 0, size_bytes = 0;
  /// One per program that touches it, in order of programs.
  SmallVector<Span, 1> spans;
  int64_t offset_bytes = 0;

  bool overlaps(const Lifetime &other) const {
    for (const Span &a : spans)
      for (const Span &b : other.spans)
        if (a.program == b.program && a.begin <= b.end && b.begin <= a.end)
          return true;
    return false;
  }
};

/// Storages of the transient segment, in order of first use.
class Lifetimes {
public:
  Lifetimes(ModuleOp module, int64_t start_bytes)
      : symbols(module), start_bytes(start_bytes) {
    tellApart(module);
    for (auto [index, program] :
         llvm::enumerate(module.getOps<plan::ProgramOp>()))
      collect(program, index);
    // An output that no program writes still has a place.
    for (auto buffer : module.getOps<plan::BufferOp>())
      find(buffer);
  }

  SmallVector<Lifetime> take() {
    SmallVector<Lifetime> result;
    for (auto &[offset, lifetime] : lifetimes)
      result.push_back(std::move(lifetime));
    return result;
  }

private:
  static int64_t beginOf(plan::BufferOp buffer) {
    return static_cast<int64_t>(buffer.getOffsetBytes());
  }

  bool isShared(plan::BufferOp buffer) const {
    return buffer.isTransient() || beginOf(buffer) >= start_bytes;
  }

  /// Finds the ranges of storages: they are disjoint before this pass, so
  /// buffers that overlap are of one.
  void tellApart(ModuleOp module) {
    SmallVector<plan::BufferOp> order;
    for (auto buffer : module.getOps<plan::BufferOp>())
      if (isShared(buffer))
        order.push_back(buffer);
    llvm::stable_sort(order, [](plan::BufferOp a, plan::BufferOp b) {
      return beginOf(a) < beginOf(b);
    });
    for (plan::BufferOp buffer : order) {
      int64_t end_bytes =
          beginOf(buffer) + bufferSizeBytes(cast<MemRefType>(buffer.getType()));
      auto last = ends.empty() ? ends.end() : std::prev(ends.end());
      if (last != ends.end() && beginOf(buffer) < last->second)
        last->second = std::max(last->second, end_bytes);
      else
        ends[beginOf(buffer)] = end_bytes;
    }
  }

  /// The storage of a buffer; null for what lies in other segments.
  Lifetime *find(plan::BufferOp buffer) {
    if (!isShared(buffer))
      return nullptr;
    auto [begin_bytes, end_bytes] =
        *std::prev(ends.upper_bound(beginOf(buffer)));
    Lifetime &lifetime = lifetimes[begin_bytes];
    lifetime.begin_bytes = begin_bytes;
    lifetime.size_bytes = end_bytes - begin_bytes;
    if (!llvm::is_contained(lifetime.buffers, buffer))
      lifetime.buffers.push_back(buffer);
    return &lifetime;
  }

  void touch(Attribute name, unsigned program, int at) {
    auto buffer =
        symbols.lookup<plan::BufferOp>(cast<FlatSymbolRefAttr>(name).getAttr());
    Lifetime *lifetime = find(buffer);
    if (!lifetime)
      return;
    if (lifetime->spans.empty() || lifetime->spans.back().program != program)
      lifetime->spans.push_back({program, at, at});
    lifetime->spans.back().end =
        buffer.getVariable() ? std::numeric_limits<int>::max() : at;
  }

  void collect(plan::ProgramOp program, unsigned index) {
    for (auto [at, op] : llvm::enumerate(program.getBody().front())) {
      if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
        for (Attribute buffer : launch.getBuffersAttr())
          touch(buffer, index, at);
        if (Attribute bound = launch.getBoundBufferAttr())
          touch(bound, index, at);
      } else if (auto copy = dyn_cast<plan::CopyOp>(op)) {
        touch(copy.getSourceAttr(), index, at);
        touch(copy.getDestinationAttr(), index, at);
      }
    }
  }

  SymbolTable symbols;
  int64_t start_bytes;
  /// Of storages before this pass: begin to end.
  std::map<int64_t, int64_t> ends;
  /// By begin.
  llvm::MapVector<int64_t, Lifetime> lifetimes;
};

/// Storages already placed, per program and by offset.
class Placed {
public:
  explicit Placed(size_t programs) : byProgram(programs) {}

  /// Those that share a program with `lifetime`, by offset.
  ArrayRef<Lifetime *> candidates(const Lifetime &lifetime) {
    if (lifetime.spans.size() == 1)
      return byProgram[lifetime.spans.front().program];
    merged.clear();
    for (const Span &span : lifetime.spans)
      llvm::append_range(merged, byProgram[span.program]);
    llvm::sort(merged, before);
    return merged;
  }

  void add(Lifetime *lifetime) {
    for (const Span &span : lifetime->spans) {
      std::vector<Lifetime *> &list = byProgram[span.program];
      list.insert(llvm::upper_bound(list, lifetime, before), lifetime);
    }
  }

private:
  static bool before(const Lifetime *a, const Lifetime *b) {
    return a->offset_bytes < b->offset_bytes;
  }

  std::vector<std::vector<Lifetime *>> byProgram;
  std::vector<Lifetime *> merged;
};

/// Sets offsets relative to the segment; returns the bytes needed.
int64_t planOffsets(MutableArrayRef<Lifetime> lifetimes, size_t programs) {
  SmallVector<Lifetime *> order;
  for (Lifetime &lifetime : lifetimes)
    order.push_back(&lifetime);
  // Lifetimes come in order of their starts, which a stable sort keeps.
  llvm::stable_sort(order, [](const Lifetime *a, const Lifetime *b) {
    return a->size_bytes > b->size_bytes;
  });

  int64_t needed_bytes = 0;
  Placed placed(programs);
  for (Lifetime *lifetime : order) {
    int64_t end_bytes = 0, best_bytes = -1, best_gap_bytes = INT64_MAX;
    for (Lifetime *other : placed.candidates(*lifetime)) {
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
    placed.add(lifetime);
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
    SmallVector<Lifetime> lifetimes = Lifetimes(module, start_bytes).take();
    int64_t needed_bytes = planOffsets(
        lifetimes, llvm::range_size(module.getOps<plan::ProgramOp>()));
    for (Lifetime &lifetime : lifetimes)
      for (plan::BufferOp buffer : lifetime.buffers)
        buffer.setOffsetBytes(start_bytes + lifetime.offset_bytes +
                              static_cast<int64_t>(buffer.getOffsetBytes()) -
                              lifetime.begin_bytes);
    SmallVector<int64_t> sizes(arena.getSegmentSizes());
    sizes.back() = needed_bytes;
    arena.setSegmentSizes(sizes);
    arena.setSizeBytes(start_bytes + needed_bytes);
    if (failed(checkBudget(module, arena)))
      signalPassFailure();
  }

  /// The recipe's `memory.budget` bounds the arena.
  static LogicalResult checkBudget(ModuleOp module, plan::ArenaOp arena) {
    auto budget =
        module->getAttrOfType<IntegerAttr>("train.memory_budget_bytes");
    const auto size_bytes = static_cast<int64_t>(arena.getSizeBytes());
    if (!budget || size_bytes <= budget.getInt())
      return success();
    InFlightDiagnostic error = module.emitError()
                               << "expected an arena within memory.budget, "
                               << budget.getInt() << " bytes, but got "
                               << size_bytes << " (";
    llvm::interleaveComma(
        llvm::zip(arena.getSegmentNames().getAsValueRange<StringAttr>(),
                  arena.getSegmentSizes()),
        error, [&](auto segment) {
          error << std::get<0>(segment) << " " << std::get<1>(segment);
        });
    return error << "); cut the batch into more micro-batches: a smaller "
                    "batch.sequences and a larger batch.micro_batches";
  }
};

} // namespace
} // namespace trainc::memory
