//===- VerifyMemoryContract.cpp - what the memory stage promises ----------===//
//
// Proves the memory map, from the outcome alone and without the planner's
// bookkeeping, so that a mistake there cannot hide here. The rules are those
// the runtime's verifier applies to the finished plan, with names for people.
//
//===----------------------------------------------------------------------===//

#include "compiler/memory/Memory.h"
#include "compiler/support/BufferSize.h"
#include "dialects/train/Train.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <map>

using namespace mlir;

namespace trainc::memory {

#define GEN_PASS_DEF_VERIFYMEMORYCONTRACT
#include "compiler/memory/Passes.h.inc"

namespace {

int64_t sizeBytes(plan::BufferOp buffer) {
  return bufferSizeBytes(cast<MemRefType>(buffer.getType()));
}

int64_t beginOf(plan::BufferOp buffer) {
  return static_cast<int64_t>(buffer.getOffsetBytes());
}

int64_t endOf(plan::BufferOp buffer) {
  return beginOf(buffer) + sizeBytes(buffer);
}

bool overlap(plan::BufferOp a, plan::BufferOp b) {
  return beginOf(a) < endOf(b) && beginOf(b) < endOf(a);
}

LogicalResult verifyNoTensors(Operation *root) {
  WalkResult result = root->walk([&](Operation *op) {
    auto isTensor = llvm::IsaPred<TensorType>;
    bool found = llvm::any_of(op->getOperandTypes(), isTensor) ||
                 llvm::any_of(op->getResultTypes(), isTensor);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        found |= llvm::any_of(block.getArgumentTypes(), isTensor);
    if (!found)
      return WalkResult::advance();
    op->emitOpError() << "expected no tensors after the memory stage, but got "
                         "some";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// Which ranges hold what the program wrote there: a range counts until
/// something else overlaps it, and for the variable (or none) it was written
/// as. A buffer may be read that is part of one range, or covers several
/// without gaps (a join).
class WrittenRanges {
public:
  bool contains(plan::BufferOp buffer) const {
    int64_t at = beginOf(buffer);
    auto next = ranges.upper_bound(at);
    if (next == ranges.begin())
      return false;
    for (--next; next != ranges.end(); ++next) {
      if (next->first > at || at >= next->second.end ||
          next->second.variable != buffer.getVariable())
        return false;
      at = next->second.end;
      if (at >= endOf(buffer))
        return true;
    }
    return false;
  }
  void write(plan::BufferOp buffer) {
    auto first = ranges.lower_bound(beginOf(buffer));
    if (first != ranges.begin() &&
        std::prev(first)->second.end > beginOf(buffer))
      --first;
    ranges.erase(first, ranges.lower_bound(endOf(buffer)));
    ranges[beginOf(buffer)] = {endOf(buffer), buffer.getVariable()};
  }

private:
  struct Range {
    int64_t end;
    std::optional<StringRef> variable;
  };
  std::map<int64_t, Range> ranges; // by begin, disjoint
};

struct VerifyMemoryContract
    : impl::VerifyMemoryContractBase<VerifyMemoryContract> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    outputs.clear();
    for (auto state : module.getOps<train::StateOp>())
      if (state.getRole() == train::Role::Output)
        outputs.insert(state.getSymName());
    if (failed(verifyPlaces(module)))
      return signalPassFailure();
    for (auto kernel : module.getOps<plan::KernelOp>())
      if (failed(verifyNoTensors(kernel)))
        return signalPassFailure();
    for (auto program : module.getOps<plan::ProgramOp>())
      if (failed(verifyNoTensors(program)) ||
          failed(verifyProgram(program, symbols)))
        return signalPassFailure();
    markAllAnalysesPreserved();
  }

private:
  /// Names of outputs: what they hold ends where the next program begins.
  llvm::StringSet<> outputs;

  bool isOutput(plan::BufferOp buffer) const {
    return buffer.getVariable() && outputs.contains(*buffer.getVariable());
  }
  /// Holds its contents between programs.
  bool isPersistent(plan::BufferOp buffer) const {
    return !buffer.isTransient() && !isOutput(buffer);
  }

  /// Every variable has one place, and nothing else overlaps a persistent one.
  LogicalResult verifyPlaces(ModuleOp module) {
    SmallVector<plan::BufferOp> order(module.getOps<plan::BufferOp>());
    llvm::StringMap<plan::BufferOp> places;
    for (plan::BufferOp buffer : order) {
      if (!buffer.getVariable())
        continue;
      auto [found, isNew] = places.try_emplace(*buffer.getVariable(), buffer);
      plan::BufferOp first = found->second;
      if (!isNew &&
          (beginOf(first) != beginOf(buffer) || endOf(first) != endOf(buffer)))
        return buffer.emitOpError()
               << "expected variable '" << *buffer.getVariable()
               << "' at one place, but got bytes " << beginOf(first) << " to "
               << endOf(first) << " and " << beginOf(buffer) << " to "
               << endOf(buffer);
    }
    for (Operation &op : *module.getBody())
      if (isa<train::ParameterOp, train::StateOp>(op) &&
          !places.contains(SymbolTable::getSymbolName(&op).getValue()))
        return op.emitOpError() << "expected a plan.buffer for this variable, "
                                   "but got none";

    llvm::stable_sort(order, [](plan::BufferOp a, plan::BufferOp b) {
      return beginOf(a) < beginOf(b);
    });
    if (failed(verifySpans(order, places)))
      return failure();
    // In order of offsets, a buffer overlaps an earlier one exactly when it
    // starts before the furthest end so far.
    plan::BufferOp furthest, variable;
    for (plan::BufferOp buffer : order) {
      if (buffer.getSpans())
        continue;
      plan::BufferOp rival = isPersistent(buffer) ? furthest : variable;
      if (rival && beginOf(buffer) < endOf(rival) &&
          rival.getVariableAttr() != buffer.getVariableAttr())
        return buffer.emitOpError()
               << "expected variables to overlap nothing, but got an overlap "
                  "with @"
               << rival.getSymName();
      if (!furthest || endOf(buffer) > endOf(furthest))
        furthest = buffer;
      if (isPersistent(buffer) &&
          (!variable || endOf(buffer) > endOf(variable)))
        variable = buffer;
    }
    return success();
  }

  /// A spanning buffer holds its variables, in order, and overlaps only them
  /// and buffers of equal range and variables. `order` is by offsets.
  LogicalResult verifySpans(ArrayRef<plan::BufferOp> order,
                            const llvm::StringMap<plan::BufferOp> &places) {
    for (plan::BufferOp span : order) {
      if (!span.getSpans())
        continue;
      int64_t end_bytes = beginOf(span);
      for (StringRef name : span.getSpans()->getAsValueRange<StringAttr>()) {
        plan::BufferOp place = places.lookup(name);
        if (!place || beginOf(place) < end_bytes || endOf(place) > endOf(span))
          return span.emitOpError()
                 << "expected its variables inside, in order, but '" << name
                 << "' is not";
        end_bytes = endOf(place);
      }
      for (plan::BufferOp buffer : order) {
        bool own =
            buffer.getVariableAttr() &&
            llvm::is_contained(*span.getSpans(), buffer.getVariableAttr());
        bool same = buffer.getSpansAttr() == span.getSpansAttr() &&
                    beginOf(buffer) == beginOf(span) &&
                    endOf(buffer) == endOf(span);
        if (!own && !same && overlap(span, buffer))
          return buffer.emitOpError()
                 << "expected no overlap with @" << span.getSymName()
                 << ", which does not span it";
      }
    }
    return success();
  }

  LogicalResult verifyProgram(plan::ProgramOp program,
                              const SymbolTable &symbols) {
    if (program.getBody().getNumArguments() != 0)
      return program.emitOpError() << "expected no arguments after the memory "
                                      "stage, but got some";
    WrittenRanges written;
    llvm::MapVector<StringRef, plan::BufferOp> writtenOutputs;
    for (Operation &op : program.getBody().front()) {
      SmallVector<plan::BufferOp> reads, writes;
      if (failed(collect(&op, symbols, reads, writes)))
        return failure();
      for (plan::BufferOp buffer : reads)
        if (!isPersistent(buffer) && !written.contains(buffer))
          return op.emitOpError()
                 << "expected @" << buffer.getSymName()
                 << " to be written whole before it is read, but it was not, "
                    "or something overlapping was written after it";
      for (plan::BufferOp buffer : writes) {
        if (isOutput(buffer))
          writtenOutputs[*buffer.getVariable()] = buffer;
        if (!isPersistent(buffer))
          written.write(buffer);
        else if (buffer.getVariable() &&
                 llvm::is_contained(
                     program.getInputs().getAsValueRange<StringAttr>(),
                     *buffer.getVariable()))
          return op.emitOpError() << "expected only the host to write input '"
                                  << *buffer.getVariable() << "'";
      }
    }
    for (auto &[name, buffer] : writtenOutputs)
      if (!written.contains(buffer))
        return program.emitOpError()
               << "expected output '" << name
               << "' to be whole at the end, but something overlapping was "
                  "written after it";
    return success();
  }

  /// What a command reads and writes; no written buffer overlaps another.
  LogicalResult collect(Operation *op, const SymbolTable &symbols,
                        SmallVectorImpl<plan::BufferOp> &reads,
                        SmallVectorImpl<plan::BufferOp> &writes) {
    auto find = [&](Attribute name) {
      return symbols.lookup<plan::BufferOp>(
          cast<FlatSymbolRefAttr>(name).getAttr());
    };
    SmallVector<plan::BufferOp> all;
    SmallVector<bool> written;
    if (auto copy = dyn_cast<plan::CopyOp>(op)) {
      all.append({find(copy.getSourceAttr()), find(copy.getDestinationAttr())});
      written.append({false, true});
      reads.push_back(all[0]);
    } else if (auto launch = dyn_cast<plan::LaunchOp>(op);
               launch && launch.getBuffers()) {
      auto kernel = symbols.lookup<plan::KernelOp>(launch.getKernel());
      for (auto [name, access] :
           llvm::zip(launch.getBuffersAttr(), kernel.getAccess())) {
        all.push_back(find(name));
        written.push_back(access != static_cast<int32_t>(plan::Access::Read));
        if (access != static_cast<int32_t>(plan::Access::Write))
          reads.push_back(all.back());
      }
      // The bound is read while the launch starts: its kernel must not move it.
      if (Attribute bound = launch.getBoundBufferAttr()) {
        all.push_back(find(bound));
        written.push_back(false);
        reads.push_back(all.back());
      }
    } else {
      return op->emitOpError()
             << "expected launches on buffers and copies in a "
                "program, but got this";
    }
    for (size_t i = 0; i < all.size(); ++i) {
      if (written[i])
        writes.push_back(all[i]);
      for (size_t j = 0; j < all.size(); ++j)
        if (i != j && written[i] && overlap(all[i], all[j]))
          return op->emitOpError()
                 << "expected @" << all[i].getSymName()
                 << ", which is written, to overlap no other buffer of the "
                    "command, but got an overlap with @"
                 << all[j].getSymName();
    }
    return success();
  }
};

} // namespace
} // namespace trainc::memory
