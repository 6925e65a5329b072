//===- SweepLowering.cpp - one pass over matrices -------------------------===//
//
// Decides how train.sweep is distributed: a workgroup takes some rows of one
// matrix and goes over a few of them at a time (SweepBody.h), of as many parts
// of its rows, so that each part is one long stream of memory. A workgroup's
// sums begin with 0 and grow by its rows, so their order is that of the plan.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "compiler/fusion/lowering/SweepBody.h"
#include "compiler/support/BufferSize.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;
using train::SweepOp;

/// Parts of a workgroup's rows that it goes over together.
constexpr int64_t kRowsTogether = 4;

using Kind = SweepBody::Kind;

class SweepBuilder {
public:
  SweepBuilder(SweepOp op, OpBuilder &b, ValueRange operands,
               ValueRange destinations)
      : op(op), loc(op.getLoc()), operands(operands),
        destinations(destinations), body(op, operands, destinations),
        kinds(body.kinds()), columns(op.getNumColumns()) {
    build(b);
  }

  SmallVector<Value> results;

private:
  OpFoldResult compute(OpBuilder &b, AffineExpr expr,
                       ArrayRef<OpFoldResult> dims) {
    return affine::makeComposedFoldedAffineApply(b, loc, expr, dims);
  }

  /// `size` values from `offset` on of what `whole` holds of matrix `k`, which
  /// has `all`; one value as a scalar.
  struct Range {
    Indices offsets, sizes;
    SmallVector<int64_t> drop;
  };
  Range rangeOf(OpBuilder &b, Value whole, OpFoldResult k, int64_t all,
                OpFoldResult offset, OpFoldResult size, bool scalar) {
    Range range;
    if (cast<RankedTensorType>(whole.getType()).getRank() == 2) {
      range = {{k, offset}, {b.getIndexAttr(1), size}, {0}};
      if (scalar)
        range.drop.push_back(1);
      return range;
    }
    AffineExpr d0, d1;
    bindDims(b.getContext(), d0, d1);
    range.offsets = {
        compute(b, d0 * int64_t(llvm::alignTo(all, 64)) + d1, {k, offset})};
    range.sizes = {size};
    if (scalar)
      range.drop.push_back(0);
    return range;
  }
  Value take(OpBuilder &b, Value whole, const Range &range) {
    return slice(b, loc, whole, range.offsets, range.sizes, range.drop);
  }

  void build(OpBuilder &b) {
    int64_t rows = op.getNumRows(), block = op.getRowsAtATime();
    int64_t blocks = op.getBlocks();
    Indices lower(2, b.getIndexAttr(0)), step(2, b.getIndexAttr(1)),
        upper{b.getIndexAttr(op.getCount()), b.getIndexAttr(blocks)};
    auto forall = scf::ForallOp::create(b, loc, lower, upper, step,
                                        destinations, std::nullopt);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(forall.getTerminator());
    OpFoldResult k = forall.getInductionVar(0),
                 number = forall.getInductionVar(1);
    AffineExpr d0 = b.getAffineDimExpr(0);
    OpFoldResult first = compute(b, d0 * block, {number});
    OpFoldResult some = b.getIndexAttr(block);
    if (rows % block) {
      AffineMap map = AffineMap::get(
          1, 0, {b.getAffineConstantExpr(block), rows - d0 * block},
          b.getContext());
      some = affine::makeComposedFoldedAffineMin(b, loc, map, {number});
    }

    SmallVector<Value> tiles;
    SmallVector<Range> ranges;
    OpFoldResult one = b.getIndexAttr(1);
    for (auto [kind, out] : llvm::zip(kinds, forall.getRegionIterArgs())) {
      Range range;
      switch (kind) {
      case Kind::Element:
        range = rangeOf(b, out, k, rows * columns,
                        compute(b, d0 * columns, {first}),
                        compute(b, d0 * columns, {some}), false);
        break;
      case Kind::RowSum:
        range = rangeOf(b, out, k, rows, first, some, false);
        break;
      case Kind::ColumnSum:
        range = {{k, number, b.getIndexAttr(0)},
                 {one, one, b.getIndexAttr(columns)},
                 {0, 1}};
        break;
      case Kind::Sum:
        range = {{k, number}, {one, one}, {0, 1}};
        break;
      }
      Value tile = take(b, out, range);
      if (kind == Kind::ColumnSum || kind == Kind::Sum)
        tile = fill(b, loc, tile, 0.0);
      tiles.push_back(tile);
      ranges.push_back(range);
    }

    // A row of each part at a time, then the rows that are left. Without sums
    // rows have nothing to share.
    int64_t parts = 1;
    if (llvm::any_of(kinds, [](Kind kind) { return kind != Kind::Element; }))
      parts = std::min<int64_t>(kRowsTogether, block);
    OpFoldResult length = compute(b, d0.floorDiv(parts), {some});
    OpFoldResult whole = compute(b, d0 * parts, {length});
    tiles =
        buildRows(b, k, first, b.getIndexAttr(0), length, parts, length, tiles);
    if (parts > 1 && (getConstantIntValue(whole) != getConstantIntValue(some) ||
                      !getConstantIntValue(whole)))
      tiles = buildRows(b, k, first, whole, some, 1, length, tiles);
    b.setInsertionPointToEnd(forall.getTerminator().getBody());
    for (auto [tile, out, range] :
         llvm::zip(tiles, forall.getRegionIterArgs(), ranges)) {
      Indices strides(range.offsets.size(), one);
      tensor::ParallelInsertSliceOp::create(b, loc, tile, out, range.offsets,
                                            range.sizes, strides);
    }
    llvm::append_range(results, forall.getResults());
  }

  /// What an operand is on one row: a row of values, or one value.
  Value onRow(OpBuilder &b, unsigned operand, OpFoldResult k,
              OpFoldResult row) {
    Value whole = operands[operand];
    int64_t rows = op.getNumRows();
    OpFoldResult zero = b.getIndexAttr(0), all = b.getIndexAttr(columns);
    unsigned place = operand, elements = op.getElements().size();
    if (place < elements)
      return take(b, whole,
                  rangeOf(b, whole, k, rows * columns,
                          compute(b, b.getAffineDimExpr(0) * columns, {row}),
                          all, false));
    place -= elements;
    if (place < op.getRows().size())
      return take(b, whole,
                  rangeOf(b, whole, k, rows, row, b.getIndexAttr(1), true));
    place -= op.getRows().size();
    if (place < op.getColumns().size())
      return take(b, whole, rangeOf(b, whole, k, columns, zero, all, false));
    place -= op.getColumns().size();
    if (place < op.getTensors().size())
      return slice(b, loc, whole, {k}, {b.getIndexAttr(1)}, {0});
    return whole;
  }

  /// The rows [begin, end) of each part of a workgroup whose first row is
  /// `first`; parts have `length` rows.
  SmallVector<Value> buildRows(OpBuilder &b, OpFoldResult k, OpFoldResult first,
                               OpFoldResult begin, OpFoldResult end,
                               int64_t parts, OpFoldResult length,
                               ValueRange tiles) {
    auto loop =
        scf::ForOp::create(b, loc, materialize(b, loc, begin),
                           materialize(b, loc, end), index(b, loc, 1), tiles);
    OpBuilder inner = OpBuilder::atBlockEnd(loop.getBody());
    SmallVector<Value> made =
        buildGroup(inner, k, first, loop.getInductionVar(), parts, length,
                   SmallVector<Value>(loop.getRegionIterArgs()));
    scf::YieldOp::create(inner, loc, made);
    return SmallVector<Value>(loop.getResults());
  }

  /// One row of a workgroup, and where its outs are in the tiles.
  struct Row {
    SweepRow row;
    SmallVector<Range> ranges;
  };

  Row takeRow(OpBuilder &b, OpFoldResult k, OpFoldResult first,
              OpFoldResult number, ArrayRef<Value> tiles) {
    Row made;
    SweepRow &row = made.row;
    AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1);
    for (auto [kind, tile] : llvm::zip(kinds, tiles)) {
      Range range;
      if (kind == Kind::Element)
        range = {{compute(b, d0 * columns, {number})},
                 {b.getIndexAttr(columns)},
                 {}};
      else if (kind == Kind::RowSum)
        range = {{number}, {b.getIndexAttr(1)}, {0}};
      Value out = range.offsets.empty() ? tile : take(b, tile, range);
      if (kind == Kind::RowSum)
        out = fill(b, loc, out, 0.0);
      row.outs.push_back(out);
      made.ranges.push_back(range);
    }
    OpFoldResult global = compute(b, d0 + d1, {first, number});
    for (unsigned i = 0; i < operands.size(); ++i) {
      auto same = llvm::find(destinations, operands[i]);
      row.values.push_back(same == destinations.end()
                               ? onRow(b, i, k, global)
                               : row.outs[same - destinations.begin()]);
    }
    return made;
  }

  SmallVector<Value> buildGroup(OpBuilder &b, OpFoldResult k,
                                OpFoldResult first, OpFoldResult row,
                                int64_t parts, OpFoldResult length,
                                SmallVector<Value> tiles) {
    std::vector<SweepRow> rows;
    std::vector<SmallVector<Range>> ranges;
    AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1);
    for (int64_t i = 0; i < parts; ++i) {
      Row made =
          takeRow(b, k, first, compute(b, d0 + d1 * i, {row, length}), tiles);
      rows.push_back(std::move(made.row));
      ranges.push_back(std::move(made.ranges));
    }
    body.buildSums(b, rows, tiles);
    for (auto [row, places] : llvm::zip(rows, ranges)) {
      // Rows written before are in the tiles by now.
      for (auto [kind, tile, out, range] :
           llvm::zip(kinds, tiles, row.outs, places))
        if (kind == Kind::Element)
          out = take(b, tile, range);
      body.buildElements(b, row);
      for (auto [tile, out, range] : llvm::zip(tiles, row.outs, places)) {
        if (range.offsets.empty())
          continue; // SweepBody has the new one
        Indices strides(range.offsets.size(), b.getIndexAttr(1));
        tile = tensor::InsertSliceOp::create(b, loc, out, tile, range.offsets,
                                             range.sizes, strides);
      }
    }
    return tiles;
  }

  SweepOp op;
  Location loc;
  ValueRange operands, destinations;
  SweepBody body;
  ArrayRef<Kind> kinds; ///< of the results
  int64_t columns;
};

struct SweepModel : LowerableOpInterface::ExternalModel<SweepModel, SweepOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &b,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    return SweepBuilder(cast<SweepOp>(op), b, operands, destinations).results;
  }

  double flops(Operation *raw) const {
    auto op = cast<SweepOp>(raw);
    double count = op.getRowSums().size() + op.getColumnSums().size() +
                   op.getSums().size();
    for (Operation &inner : op.getBody().front().without_terminator())
      count += inner.getNumOperands() != 0;
    return count * double(op.getCount()) * double(op.getNumRows()) *
           double(op.getNumColumns());
  }

  /// Without elements that are only there to be kept: they are read where
  /// nothing changes.
  double bytes(Operation *raw) const {
    auto op = cast<SweepOp>(raw);
    Block &body = op.getBody().front();
    double bytes = 0;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      BlockArgument value = body.getArgument(i);
      bool kept = !value.use_empty() &&
                  llvm::all_of(value.getUsers(), [&](Operation *user) {
                    auto choice = dyn_cast<nn::SelectOp>(user);
                    return choice && choice.getOnTrue() != value &&
                           choice.getCondition() != value &&
                           isShared(op, choice.getCondition());
                  });
      bytes += kept ? 0 : bufferSizeBytes(cast<ShapedType>(operand.getType()));
    }
    for (Value result : op->getResults())
      bytes += bufferSizeBytes(cast<ShapedType>(result.getType()));
    return bytes;
  }

  /// Whether `condition` in the body is the same for all elements.
  static bool isShared(SweepOp op, Value condition) {
    auto argument = dyn_cast<BlockArgument>(condition);
    return argument &&
           llvm::is_contained(op.getShared(),
                              op->getOperand(argument.getArgNumber()));
  }

  /// An element that goes to the variable it was read from.
  std::optional<unsigned> getOverwritten(Operation *raw,
                                         unsigned result) const {
    auto op = cast<SweepOp>(raw);
    if (result >= op.getNewElements().size())
      return std::nullopt;
    for (Operation *user : op->getResult(result).getUsers()) {
      auto write = dyn_cast<train::WriteOp>(user);
      for (auto [i, operand] : llvm::enumerate(op.getElements()))
        if (auto read = operand.getDefiningOp<train::ReadOp>();
            write && read && read.getSymbol() == write.getSymbol())
          return i;
    }
    return std::nullopt;
  }
};

} // namespace

void registerSweepLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, train::TrainDialect *) {
    SweepOp::attachInterface<SweepModel>(*context);
  });
}

} // namespace trainc::fusion::lowering
