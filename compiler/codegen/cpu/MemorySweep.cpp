//===- MemorySweep.cpp ----------------------------------------------------===//

#include "compiler/codegen/cpu/MemorySweep.h"

#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;

namespace trainc::codegen {

/// What all streams together must have before they count as memory: more than
/// a core's own caches. In a larger shared one, requests do no harm.
static constexpr int64_t kMemoryBytes = int64_t(16) << 20;
/// Requested and not yet used, of all streams together: about what memory
/// delivers to a core in its latency. Twice of it is slower again, where four
/// streams share the first-level cache.
static constexpr int64_t kBytesAhead = 2048;

static int64_t elementBytes(MemRefType type) {
  return llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

/// Bytes of the buffer that `value` is a view of; 0 where they are not known.
static int64_t bufferBytes(Value value) {
  while (auto view = value.getDefiningOp<ViewLikeOpInterface>())
    value = view.getViewSource();
  auto type = dyn_cast<MemRefType>(value.getType());
  return type && type.hasStaticShape()
             ? type.getNumElements() * elementBytes(type)
             : 0;
}

std::optional<MemorySweep> findMemorySweep(linalg::GenericOp op) {
  if (op.getNumLoops() != 1 || op.getNumParallelLoops() != 1)
    return std::nullopt;
  MemorySweep sweep;
  int64_t bytes = 0, widest = 1;
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (!type || !map.isFunctionOfDim(0))
      continue; // a scalar
    SmallVector<int64_t> strides;
    int64_t offset;
    if (!map.isIdentity() ||
        failed(type.getStridesAndOffset(strides, offset)) || strides[0] != 1)
      return std::nullopt;
    sweep.streams.push_back(operand.get());
    bytes += bufferBytes(operand.get());
    widest = std::max(widest, elementBytes(type));
  }
  if (bytes < kMemoryBytes)
    return std::nullopt;
  int64_t each = kBytesAhead / (widest * int64_t(sweep.streams.size()));
  sweep.ahead =
      std::max(each / MemorySweep::kBlock, int64_t(1)) * MemorySweep::kBlock;
  return sweep;
}

} // namespace trainc::codegen
