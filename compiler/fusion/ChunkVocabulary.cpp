//===- ChunkVocabulary.cpp - vocabulary projection and loss by rows -------===//
//
// The logits of a micro-batch are the largest tensor of a step by far, and
// nothing wants them whole: each row gives one loss, and its gradient only
// feeds products. So everything around them is computed for some rows after the
// other, in chunks that share one buffer. Decides which rows those are: enough
// that reading the table again for each chunk costs little, and as even as rows
// of whole cache lines allow. What is a sum over rows (the table's gradient)
// grows chunk by chunk.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/Rows.h"
#include "compiler/support/BufferSize.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_CHUNKVOCABULARYPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

/// Rows of a slice of any type begin at a whole cache line when this divides
/// their number.
constexpr int64_t kRowUnit = kBufferAlignmentBytes;

/// Logits of so many bytes are worth no second chunk.
constexpr int64_t kChunkBytes = int64_t{64} << 20;

/// Every chunk reads the table twice and updates its gradient, so what that
/// costs beside its products depends on the rows of a chunk alone.
constexpr int64_t kLeastRows = 512;

/// Module attribute that sets the rows of a chunk, for tests: a multiple of 16
/// in float32, so that slices begin at whole cache lines.
constexpr StringLiteral kChunkRows = "fusion.chunk_rows";

/// Rows of a chunk of `logits`; all of them where they are few.
int64_t chooseRows(RankedTensorType logits) {
  int64_t rows = logits.getDimSize(0), bytes = bufferSizeBytes(logits);
  if (bytes <= kChunkBytes)
    return rows;
  int64_t wanted = std::max(kLeastRows, kChunkBytes / (bytes / rows));
  int64_t chunks = std::max<int64_t>(llvm::divideNearest(rows, wanted), 1);
  return llvm::alignTo(llvm::divideCeil(rows, chunks), kRowUnit);
}

/// Replaces a region of `rows` rows by chunks.
class Chunker {
public:
  Chunker(const RowRegion &region, int64_t rows)
      : region(region), rows(rows), builder(region.begin()) {}

  /// False, with nothing changed but the order, where something that a chunk
  /// needs is made behind its place.
  bool canStart() {
    for (Operation *op : region.operations())
      for (Value operand : op->getOperands())
        if (!isInside(operand) && !hoistBefore(operand, region.begin()))
          return false;
    return true;
  }

  void run(int64_t step) {
    for (int64_t first = 0; first < rows; first += step)
      addChunk(first, std::min(step, rows - first));
    for (Operation *op : region.operations())
      for (auto [result, sum] :
           llvm::zip(op->getResults(), region.cut(op).sums))
        replace(result, sum);
    for (Operation *op : llvm::reverse(region.operations()))
      if (op->use_empty())
        op->erase();
  }

private:
  bool isInside(Value value) const {
    Operation *producer = value.getDefiningOp();
    return producer && region.contains(producer);
  }

  /// Free operations stay for those outside.
  bool isReadOutside(Value value) const {
    return !isFreeOperation(value.getDefiningOp()) &&
           llvm::any_of(value.getUsers(), [&](Operation *user) {
             return !region.contains(user);
           });
  }

  /// Computes the region for `count` rows from `first` on.
  void addChunk(int64_t first, int64_t count) {
    IRMapping values;
    for (Operation *op : region.operations()) {
      const RowCut &cut = region.cut(op);
      SmallVector<Value> operands;
      for (auto [operand, byRows] :
           llvm::zip(op->getOperands(), cut.operands)) {
        if (byRows && !values.contains(operand))
          values.map(operand, slice(operand, first, count));
        operands.push_back(byRows ? values.lookup(operand) : operand);
      }
      Operation *clone = region.cloneRows(builder, op, operands, count);
      for (auto [result, made, sum] :
           llvm::zip(op->getResults(), clone->getResults(), cut.sums)) {
        values.map(result, made);
        if (!isReadOutside(result))
          continue;
        SmallVector<Value> &known = parts[result];
        if (sum && !known.empty())
          known.front() =
              nn::AddOp::create(builder, op->getLoc(), known.front(), made);
        else
          known.push_back(made);
      }
    }
  }

  Value slice(Value whole, int64_t first, int64_t count) {
    auto type = cast<RankedTensorType>(whole.getType());
    SmallVector<int64_t> shape(type.getShape()), offsets(type.getRank());
    shape.front() = count;
    offsets.front() = first;
    return nn::SliceOp::create(builder, whole.getLoc(), type.clone(shape),
                               whole, offsets);
  }

  void replace(Value result, bool sum) {
    auto found = parts.find(result);
    if (found == parts.end())
      return;
    Value whole = sum ? found->second.front()
                      : plan::JoinOp::create(builder, result.getLoc(),
                                             result.getType(), found->second)
                            .getResult();
    result.replaceUsesWithIf(whole, [&](OpOperand &use) {
      return !region.contains(use.getOwner());
    });
  }

  const RowRegion &region;
  int64_t rows;
  OpBuilder builder;
  /// Of results that are read outside: the chunks' parts, or their sum so far.
  DenseMap<Value, SmallVector<Value>> parts;
};

struct ChunkVocabularyPass
    : impl::ChunkVocabularyPassBase<ChunkVocabularyPass> {
  void runOnOperation() override {
    forced = getOperation()->getAttrOfType<IntegerAttr>(kChunkRows);
    if (forced && forced.getInt() < 1) {
      getOperation().emitError() << "expected '" << kChunkRows
                                 << "' to be at least 1, but got " << forced;
      return signalPassFailure();
    }
    for (auto program : getOperation().getOps<plan::ProgramOp>()) {
      SmallVector<Operation *> losses;
      for (Operation &op : program.getBody().front())
        if (isa<nn::CrossEntropyOp, nn::CrossEntropyWithGradOp>(op))
          losses.push_back(&op);
      while (!losses.empty())
        chunk(program.getSymName(), losses);
    }
  }

  /// Treats the first of `losses`, and takes from them what it replaces.
  void chunk(StringRef program, SmallVector<Operation *> &losses) {
    Operation *loss = losses.front();
    losses.erase(losses.begin());
    auto plain = dyn_cast<nn::CrossEntropyOp>(loss);
    Value logits = plain ? plain.getLogits()
                         : cast<nn::CrossEntropyWithGradOp>(loss).getLogits();
    auto opts = remark::RemarkOpts::name("vocabulary").category("fusion");
    auto type = cast<RankedTensorType>(logits.getType());
    int64_t rows = type.getDimSize(0), step = chooseRows(type);
    if (forced)
      step = forced.getInt();
    std::string what = ("the logits of @" + program + ", " +
                        llvm::Twine(bufferSizeBytes(type)) + " bytes,")
                           .str();
    if (step >= rows) {
      remark::missed(loss->getLoc(), opts) << what + " are one chunk";
      return;
    }
    RowRegion region(logits);
    std::string obstacle = region.obstacle();
    if (obstacle.empty()) {
      Chunker chunker(region, rows);
      if (chunker.canStart()) {
        remark::passed(loss->getLoc(), opts)
            << what + " exist for " + std::to_string(step) + " of " +
                   std::to_string(rows) + " rows at a time";
        llvm::erase_if(losses,
                       [&](Operation *op) { return region.contains(op); });
        chunker.run(step);
        return;
      }
      obstacle = "something that they need is made behind them";
    }
    remark::missed(loss->getLoc(), opts) << what + " exist whole: " + obstacle;
  }

  IntegerAttr forced;
};

} // namespace
} // namespace trainc::fusion
