//===- LowerLinalgToLoops.cpp - linalg on buffers to loop nests -----------===//
//
// Decides the loop order of everything that is not a fast contraction: the loop
// along which most operands are contiguous goes innermost, so that LLVM
// vectorises it; where that is a reduction, its accumulators are loop values. A
// sum over a few rows is unrolled inside the loop over columns.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/Passes.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_LOWERLINALGTOLOOPS
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

/// How much an operand gains from having `dim` innermost: contiguous 2, unused
/// 1; strided, which costs a cache line or a gather per element, -16. Stores
/// count double.
int64_t contiguity(AffineMap map, MemRefType type, unsigned dim, bool stored) {
  int64_t score = 0;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(type.getStridesAndOffset(strides, offset)))
    return 0;
  bool used = false, unit = true;
  for (auto [expr, stride] : llvm::zip(map.getResults(), strides)) {
    if (!expr.isFunctionOfDim(dim))
      continue;
    unit &= !used && stride == 1 && isa<AffineDimExpr>(expr);
    used = true;
  }
  score = !used ? 1 : unit ? 2 : -16;
  return stored ? 2 * score : score;
}

/// A permutation of the generic's loops: outermost first.
SmallVector<unsigned> chooseOrder(linalg::GenericOp op) {
  unsigned rank = op.getNumLoops();
  auto order = llvm::to_vector(llvm::seq<unsigned>(0, rank));
  SmallVector<int64_t> scores(rank, 0), sizes = op.getStaticLoopRanges();
  for (unsigned d = 0; d < rank; ++d) {
    for (OpOperand &operand : op->getOpOperands())
      if (auto type = dyn_cast<MemRefType>(operand.get().getType()))
        scores[d] += contiguity(op.getMatchingIndexingMap(&operand), type, d,
                                op.isDpsInit(&operand));
    if (sizes[d] == 1) // nothing to gain
      scores[d] = std::numeric_limits<int32_t>::min();
  }
  // Only the innermost place matters to the vectoriser; a reduction that is not
  // innermost would keep its accumulator in memory, so after the choice
  // remaining reductions follow the parallel loops only if the innermost is one
  // too. Ties go to the later loop, as written.
  auto best = order.begin();
  for (auto it = order.begin(); it != order.end(); ++it)
    if (scores[*it] >= scores[*best])
      best = it;
  if (best == order.end())
    return order;
  unsigned innermost = *best;
  order.erase(best);
  auto iterators = op.getIteratorTypesArray();
  if (iterators[innermost] == utils::IteratorType::reduction)
    std::stable_partition(order.begin(), order.end(), [&](unsigned d) {
      return iterators[d] == utils::IteratorType::parallel;
    });
  order.push_back(innermost);
  return order;
}

/// Reductions over up to so many rows are unrolled inside the columns' loop.
constexpr int64_t fewRows = 4;

/// Moves the outer loop of `order` inside where it sums a few rows of a matrix;
/// returns whether that was so.
bool sinkFewRows(linalg::GenericOp op, SmallVectorImpl<unsigned> &order) {
  auto iterators = op.getIteratorTypesArray();
  if (order.size() != 2 ||
      iterators[order[0]] != utils::IteratorType::reduction ||
      iterators[order[1]] != utils::IteratorType::parallel)
    return false;
  int64_t rows = op.getStaticLoopRanges()[order[0]];
  if (rows < 2 || rows > fewRows)
    return false;
  std::swap(order[0], order[1]);
  return true;
}

/// Emits the loop nest of one generic.
class NestBuilder {
public:
  NestBuilder(OpBuilder &builder, linalg::GenericOp op)
      : builder(builder), op(op), loc(op.getLoc()), order(chooseOrder(op)),
        ranges(cast<linalg::LinalgOp>(op.getOperation())
                   .createLoopRanges(builder, loc)),
        inductions(op.getNumLoops()), unrolled(sinkFewRows(op, order)) {
    // The longest tail of loops that no destination depends on.
    carried = order.size();
    while (carried > 0 && isReductionOfAll(order[carried - 1]))
      --carried;
    // Some sums may be over a loop that others keep.
    if (carried == order.size() && carried > 0 && !unrolled &&
        llvm::any_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
          return !dependsOn(init, order.back());
        }))
      --carried;
  }

  void emit() { emitLoop(0, {}); }

private:
  bool dependsOn(OpOperand &init, unsigned dim) {
    return op.getMatchingIndexingMap(&init).isFunctionOfDim(dim);
  }

  bool isReductionOfAll(unsigned dim) {
    return llvm::none_of(op.getDpsInitsMutable(),
                         [&](OpOperand &init) { return dependsOn(init, dim); });
  }

  /// Whether the destination's element is a loop value in the tail of loops.
  bool isCarried(OpOperand &init) {
    return tail() && !dependsOn(init, order.back());
  }

  SmallVector<Value> indices(OpOperand &operand) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    SmallVector<Value> result;
    for (unsigned i = 0; i < map.getNumResults(); ++i)
      if (auto dim = dyn_cast<AffineDimExpr>(map.getResult(i)))
        result.push_back(inductions[dim.getPosition()]);
      else
        result.push_back(affine::makeComposedAffineApply(
            builder, loc, map.getSubMap({i}), knownInductions()));
    return result;
  }

  /// Inductions of loops not yet entered are irrelevant to the map: zero.
  SmallVector<OpFoldResult> knownInductions() {
    return llvm::map_to_vector(inductions, [&](Value v) -> OpFoldResult {
      return v ? OpFoldResult(v) : OpFoldResult(builder.getIndexAttr(0));
    });
  }

  Value load(OpOperand &operand) {
    if (!isa<MemRefType>(operand.get().getType()))
      return operand.get();
    return memref::LoadOp::create(builder, loc, operand.get(),
                                  indices(operand));
  }

  SmallVector<Value> loadCarried() {
    SmallVector<Value> values;
    for (OpOperand &init : op.getDpsInitsMutable())
      if (isCarried(init))
        values.push_back(load(init));
    return values;
  }

  void storeCarried(ValueRange values) {
    unsigned next = 0;
    for (OpOperand &init : op.getDpsInitsMutable())
      if (isCarried(init))
        store(init, values[next++]);
  }

  void store(OpOperand &init, Value value) {
    memref::StoreOp::create(builder, loc, value, init.get(), indices(init));
  }

  /// Whether accumulators are loop values.
  bool tail() const { return carried < order.size(); }

  /// Emits loops from `depth` on; returns the new values of the destinations.
  SmallVector<Value> emitLoop(unsigned depth, SmallVector<Value> accumulators) {
    if (depth == carried && tail() && accumulators.empty()) {
      storeCarried(emitLoop(depth, loadCarried()));
      return {};
    }
    if (depth == order.size())
      return emitBody(accumulators);
    auto index = [&](OpFoldResult value) {
      return getValueOrCreateConstantIndexOp(builder, loc, value);
    };
    Range range = ranges[order[depth]];
    if (unrolled && depth + 1 == order.size()) {
      for (int64_t i = 0, n = *getConstantIntValue(range.size); i < n; ++i) {
        inductions[order[depth]] = index(builder.getIndexAttr(i));
        accumulators = emitBody(accumulators);
      }
      return accumulators;
    }
    auto loop =
        scf::ForOp::create(builder, loc, index(range.offset), index(range.size),
                           index(range.stride), accumulators);
    inductions[order[depth]] = loop.getInductionVar();
    OpBuilder::InsertionGuard guard(builder);
    if (accumulators.empty())
      builder.setInsertionPoint(loop.getBody()->getTerminator());
    else
      builder.setInsertionPointToEnd(loop.getBody());
    SmallVector<Value> inner =
        emitLoop(depth + 1, SmallVector<Value>(loop.getRegionIterArgs()));
    if (!accumulators.empty())
      scf::YieldOp::create(builder, loc, inner);
    return SmallVector<Value>(loop.getResults());
  }

  SmallVector<Value> emitBody(ArrayRef<Value> accumulators) {
    IRMapping mapping;
    Block *body = op.getBlock();
    for (OpOperand *input : op.getDpsInputOperands()) {
      BlockArgument argument = op.getMatchingBlockArgument(input);
      if (!argument.use_empty())
        mapping.map(argument, load(*input));
    }
    unsigned next = 0;
    for (OpOperand &init : op.getDpsInitsMutable())
      if (isCarried(init))
        mapping.map(op.getMatchingBlockArgument(&init), accumulators[next++]);
      else if (op.payloadUsesValueFromOperand(&init))
        mapping.map(op.getMatchingBlockArgument(&init), load(init));
    for (Operation &inner : body->without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(inner))
        mapping.map(index.getResult(), inductions[index.getDim()]);
      else
        builder.clone(inner, mapping);
    }
    SmallVector<Value> results;
    for (auto [init, value] : llvm::zip(op.getDpsInitsMutable(),
                                        body->getTerminator()->getOperands()))
      if (isCarried(init))
        results.push_back(mapping.lookupOrDefault(value));
      else
        store(init, mapping.lookupOrDefault(value));
    return results;
  }

  OpBuilder &builder;
  linalg::GenericOp op;
  Location loc;
  SmallVector<unsigned> order;
  SmallVector<Range> ranges;
  SmallVector<Value> inductions;
  unsigned carried;
  bool unrolled; ///< the innermost loop is
};

struct LowerLinalgToLoops : impl::LowerLinalgToLoopsBase<LowerLinalgToLoops> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    // Copies become linalg too: memref.copy would end as a call of memcpy.
    getOperation().walk([&](memref::CopyOp copy) {
      rewriter.setInsertionPoint(copy);
      linalg::makeMemRefCopyOp(rewriter, copy.getLoc(), copy.getSource(),
                               copy.getTarget());
      rewriter.eraseOp(copy);
    });
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      if (!op.hasPureBufferSemantics()) {
        op.emitOpError("expected buffers, but got tensors");
        return signalPassFailure();
      }
      rewriter.setInsertionPoint(op);
      auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
      if (!generic) {
        FailureOr<linalg::GenericOp> general =
            linalg::generalizeNamedOp(rewriter, op);
        if (failed(general)) {
          op.emitOpError("expected an operation with a generic form");
          return signalPassFailure();
        }
        generic = *general;
        rewriter.setInsertionPoint(generic);
      }
      NestBuilder(rewriter, generic).emit();
      rewriter.eraseOp(generic);
    }
  }
};

} // namespace
} // namespace trainc::codegen
