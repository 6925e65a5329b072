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
// An objective that counts few rows (the module says which share) gets chunks
// as large as what it is expected to count, rows that count in the first of
// them, and bounds that leave the others out. The first chunk always runs, so
// that sums have a start.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Bounds.h"
#include "compiler/fusion/CountedRows.h"
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
#include <cmath>

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

/// Module attribute of objectives that count few targets: the share of them
/// that is expected to count, as f64.
constexpr StringLiteral kCountedShare = "train.counted_share";

/// Chunks that a step of few counted rows may be cut into.
constexpr int64_t kMostChunks = 16;

/// Rows that count, so many that seldom more do.
int64_t expectedRows(int64_t rows, double share) {
  double most = std::ceil(share * 1.125 * static_cast<double>(rows));
  return std::min<int64_t>(rows, static_cast<int64_t>(most));
}

/// Rows of a chunk where only `expected` of `rows` count and `most` are worth
/// one chunk: as few as hold them, in even parts.
int64_t chooseCountedRows(int64_t rows, int64_t most, int64_t expected) {
  int64_t least = llvm::divideCeil(rows, kMostChunks);
  int64_t chunks = llvm::divideCeil(std::max(expected, least), most);
  return llvm::alignTo(
      llvm::divideCeil(std::max(expected, least), std::max<int64_t>(chunks, 1)),
      kRowUnit);
}

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
  /// `counted`, if given, is what the region may be reduced to.
  Chunker(const RowRegion &region, int64_t rows, CountedRows *counted)
      : region(region), rows(rows), counted(counted), builder(region.begin()) {}

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
    if (counted) {
      SmallVector<int64_t> firsts;
      for (int64_t first = step; first < rows; first += step)
        firsts.push_back(first);
      counted->create(builder, firsts);
    }
    for (int64_t first = 0; first < rows; first += step) {
      std::optional<int64_t> bound;
      if (counted && first > 0)
        bound = counted->bound(first / step - 1);
      addChunk(first, std::min(step, rows - first), bound);
    }
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

  /// Computes the region for `count` rows from `first` on, or not.
  void addChunk(int64_t first, int64_t count, std::optional<int64_t> bound) {
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
      setBound(clone, bound);
      for (auto [result, made, sum] :
           llvm::zip(op->getResults(), clone->getResults(), cut.sums)) {
        values.map(result, made);
        if (!isReadOutside(result))
          continue;
        SmallVector<Value> &known = parts[result];
        if (sum && !known.empty())
          known.front() = addTerm(known.front(), made, bound);
        else
          known.push_back(made);
      }
    }
  }

  Value addTerm(Value sum, Value term, std::optional<int64_t> bound) {
    if (!bound)
      return nn::AddOp::create(builder, term.getLoc(), sum, term);
    // Where it lies, so that a term left out leaves it as it was.
    auto grown = nn::AccumulateOp::create(builder, term.getLoc(), sum.getType(),
                                          sum, term, Value());
    setBound(grown, bound);
    return grown;
  }

  Value slice(Value whole, int64_t first, int64_t count) {
    if (counted)
      whole = counted->gather(builder, whole);
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
    if (!sum && counted)
      whole = counted->scatter(builder, whole);
    result.replaceUsesWithIf(whole, [&](OpOperand &use) {
      return !region.contains(use.getOwner());
    });
  }

  const RowRegion &region;
  int64_t rows;
  CountedRows *counted;
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
    if (auto counts = getOperation()->getAttrOfType<FloatAttr>(kCountedShare))
      share = counts.getValueAsDouble();
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
    RowRegion region(logits);
    std::string obstacle = region.obstacle();
    std::optional<CountedRows> counted =
        obstacle.empty() ? findCounted(region, loss, rows, step) : std::nullopt;
    if (step >= rows) {
      remark::missed(loss->getLoc(), opts) << what + " are one chunk";
      return;
    }
    if (obstacle.empty()) {
      Chunker chunker(region, rows, counted ? &*counted : nullptr);
      if (chunker.canStart()) {
        if (counted)
          remark::passed(loss->getLoc(), countedOptions())
              << "chunks of rows without one that counts are left out; about " +
                     std::to_string(expectedRows(rows, share)) + " of " +
                     std::to_string(rows) + " count at most";
        remark::passed(loss->getLoc(), opts)
            << what + " exist for " + std::to_string(step) + " of " +
                   std::to_string(rows) + " rows at a time" +
                   (counted ? ", those that count first" : "");
        llvm::erase_if(losses,
                       [&](Operation *op) { return region.contains(op); });
        chunker.run(step);
        return;
      }
      obstacle = "something that they need is made behind them";
    }
    remark::missed(loss->getLoc(), opts) << what + " exist whole: " + obstacle;
  }

  static remark::RemarkOpts countedOptions() {
    return remark::RemarkOpts::name("counted-rows").category("fusion");
  }

  /// The rows that count, where a chunk is likely to have none; then sets
  /// `step`.
  std::optional<CountedRows> findCounted(const RowRegion &region,
                                         Operation *loss, int64_t rows,
                                         int64_t &step) {
    int64_t expected = expectedRows(rows, share);
    int64_t counted_step =
        forced ? step : chooseCountedRows(rows, step, expected);
    std::string obstacle;
    if (share >= 1)
      obstacle = (kCountedShare + " does not say that few count").str();
    else if (static_cast<int64_t>(llvm::alignTo(expected, counted_step)) >=
             rows)
      obstacle = "so many are expected to count that none could be left out";
    CountedRows counted(region, loss);
    if (obstacle.empty())
      obstacle = counted.obstacle();
    if (!obstacle.empty()) {
      remark::missed(loss->getLoc(), countedOptions())
          << "all rows are computed: " + obstacle;
      return std::nullopt;
    }
    step = counted_step;
    return counted;
  }

  IntegerAttr forced;
  double share = 1;
};

} // namespace
} // namespace trainc::fusion
