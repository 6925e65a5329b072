//===- SweepLowering.cpp - one pass over matrices -------------------------===//
//
// Decides how train.sweep runs: a workgroup takes some rows of one matrix and
// goes over a few of them at a time, first for every sum in one loop, then for
// what is written, which finds them in cache. Several rows share what is done
// per column; they are of as many parts of the workgroup's rows, so that each
// part is one long stream of memory. Terms that come from f32 are added up in
// it along a row that is not too long, and over the rows of a column that are
// taken together; all else is f64. A workgroup's sums begin with 0 and grow by
// its rows, so their order is that of the plan.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "compiler/support/BufferSize.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;
using train::SweepOp;

/// Parts of a workgroup's rows that it goes over together.
constexpr int64_t kRowsTogether = 4;
/// Terms of so many columns are summed along a row in their own type: in
/// vectors that is a few hundred per lane.
constexpr int64_t kNarrowColumns = 4096;

/// A segment of results, and how far each of its members is cut.
enum class Kind { Element, RowSum, ColumnSum, Sum };

class SweepBuilder {
public:
  SweepBuilder(SweepOp op, OpBuilder &b, ValueRange operands,
               ValueRange destinations)
      : op(op), loc(op.getLoc()), operands(operands),
        destinations(destinations) {
    kinds.append(op.getNewElements().size(), Kind::Element);
    kinds.append(op.getRowSums().size(), Kind::RowSum);
    kinds.append(op.getColumnSums().size(), Kind::ColumnSum);
    kinds.append(op.getSums().size(), Kind::Sum);
    columns = op.getNumColumns();
    build(b);
  }

  SmallVector<Value> results;

private:
  Operation *yield() { return op.getBody().front().getTerminator(); }

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

  bool isRow(Value value) {
    return cast<RankedTensorType>(value.getType()).getRank() == 1;
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

  /// One row of a workgroup: what operands and results are on it.
  struct Row {
    SmallVector<Value> values, outs;
    SmallVector<Range> ranges; ///< of the outs in their tiles
  };

  Row takeRow(OpBuilder &b, OpFoldResult k, OpFoldResult first,
              OpFoldResult number, ArrayRef<Value> tiles) {
    Row row;
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
      row.ranges.push_back(range);
    }
    OpFoldResult global = compute(b, d0 + d1, {first, number});
    for (unsigned i = 0; i < operands.size(); ++i) {
      auto same = llvm::find(destinations, operands[i]);
      row.values.push_back(same == destinations.end()
                               ? onRow(b, i, k, global)
                               : row.outs[same - destinations.begin()]);
    }
    return row;
  }

  SmallVector<Value> buildGroup(OpBuilder &b, OpFoldResult k,
                                OpFoldResult first, OpFoldResult row,
                                int64_t parts, OpFoldResult length,
                                SmallVector<Value> tiles) {
    std::vector<Row> rows;
    AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1);
    for (int64_t i = 0; i < parts; ++i)
      rows.push_back(
          takeRow(b, k, first, compute(b, d0 + d1 * i, {row, length}), tiles));
    buildSums(b, rows, tiles);
    for (Row &row : rows) {
      // Rows written before are in the tiles by now.
      for (auto [kind, tile, out, range] :
           llvm::zip(kinds, tiles, row.outs, row.ranges))
        if (kind == Kind::Element)
          out = take(b, tile, range);
      buildElements(b, row.values, row.outs);
      for (auto [tile, out, range] : llvm::zip(tiles, row.outs, row.ranges)) {
        if (range.offsets.empty())
          continue; // buildSums has the new one
        Indices strides(range.offsets.size(), b.getIndexAttr(1));
        tile = tensor::InsertSliceOp::create(b, loc, out, tile, range.offsets,
                                             range.sizes, strides);
      }
    }
    return tiles;
  }

  SmallVector<int64_t, 4> dimensionsOf(Value value) {
    return isRow(value) ? SmallVector<int64_t, 4>{0}
                        : SmallVector<int64_t, 4>{};
  }

  /// The scalars that values of the body are in a generic's body, where
  /// `scalarOf` gives those of operands.
  SmallVector<Value> compute(OpBuilder &body, ArrayRef<Value> wanted,
                             llvm::function_ref<Value(unsigned)> scalarOf) {
    llvm::SmallDenseSet<Operation *> needed;
    SmallVector<Operation *> worklist;
    auto require = [&](Value value) {
      if (Operation *maker = value.getDefiningOp();
          maker && needed.insert(maker).second)
        worklist.push_back(maker);
    };
    for (Value value : wanted)
      require(value);
    while (!worklist.empty())
      for (Value operand : worklist.pop_back_val()->getOperands())
        require(operand);
    IRMapping computed;
    auto lookup = [&](Value value) -> Value {
      if (auto argument = dyn_cast<BlockArgument>(value))
        return scalarOf(argument.getArgNumber());
      return computed.lookup(value);
    };
    for (Operation &inner : op.getBody().front().without_terminator()) {
      if (!needed.contains(&inner))
        continue;
      SmallVector<Value> arguments;
      for (Value operand : inner.getOperands())
        arguments.push_back(lookup(operand));
      computed.map(inner.getResult(0),
                   cast<nn::ElementwiseOpInterface>(inner).buildScalar(
                       body, loc, arguments));
    }
    return llvm::map_to_vector(wanted, lookup);
  }

  /// Operands that `wanted` of the body's values depend on.
  SmallVector<unsigned> operandsFor(ArrayRef<Value> wanted) {
    llvm::SmallDenseSet<Value> seen;
    SmallVector<Value> worklist(wanted);
    SmallVector<unsigned> used;
    while (!worklist.empty()) {
      Value value = worklist.pop_back_val();
      if (!seen.insert(value).second)
        continue;
      if (auto argument = dyn_cast<BlockArgument>(value))
        used.push_back(argument.getArgNumber());
      else
        llvm::append_range(worklist, value.getDefiningOp()->getOperands());
    }
    llvm::sort(used);
    return used;
  }

  /// A term before it is widened, where it may be added up like that.
  Value narrowTerm(unsigned result) {
    Value term = yield()->getOperand(result);
    auto cast = term.getDefiningOp<nn::CastOp>();
    if (!cast || columns > kNarrowColumns ||
        !getElementTypeOrSelf(cast->getOperand(0)).isF32())
      return term;
    return cast->getOperand(0);
  }

  /// A sum in the loop over columns.
  struct Sum {
    unsigned term;             ///< number of its terms
    std::optional<size_t> row; ///< of one row only
    Value accumulator;         ///< where it grows
    Value *place;              ///< where it goes
  };

  /// All sums of some rows, in one loop over their columns: of rows to their
  /// outs, others to the tiles.
  void buildSums(OpBuilder &b, MutableArrayRef<Row> rows,
                 MutableArrayRef<Value> tiles) {
    SmallVector<Sum> sums;
    SmallVector<Value> terms;
    for (auto [i, kind] : llvm::enumerate(kinds)) {
      if (kind == Kind::Element)
        continue;
      unsigned number = terms.size();
      terms.push_back(narrowTerm(i));
      Type element = getElementTypeOrSelf(terms.back().getType());
      auto zero = [&] { return fill(b, loc, empty(b, loc, {}, element), 0.0); };
      if (kind == Kind::RowSum)
        for (auto [r, row] : llvm::enumerate(rows))
          sums.push_back({number, r, zero(), &row.outs[i]});
      else
        sums.push_back({number, std::nullopt,
                        kind == Kind::Sum ? zero() : tiles[i], &tiles[i]});
    }
    if (sums.empty())
      return;
    SmallVector<unsigned> used = operandsFor(terms);
    SmallVector<Indexed> inputs, outputs;
    for (Row &row : rows)
      for (unsigned i : used)
        inputs.push_back({row.values[i], dimensionsOf(row.values[i])});
    for (Sum &sum : sums)
      outputs.push_back({sum.accumulator, dimensionsOf(sum.accumulator)});
    inputs = withSpace(b, inputs, outputs);
    SmallVector<Value> made = buildGeneric(
        b, loc, "r", inputs, outputs, [&](OpBuilder &body, ValueRange x) {
          SmallVector<SmallVector<Value>> own; // per row and term
          for (size_t r = 0; r < rows.size(); ++r)
            own.push_back(compute(body, terms, [&](unsigned operand) {
              return x[r * used.size() +
                       (llvm::find(used, operand) - used.begin())];
            }));
          SmallVector<Value> results;
          for (auto [sum, old] : llvm::zip(sums, x.drop_front(inputs.size()))) {
            SmallVector<Value> together;
            for (auto [r, values] : llvm::enumerate(own))
              if (!sum.row || *sum.row == r)
                together.push_back(values[sum.term]);
            results.push_back(addTo(body, old, addUp(body, together)));
          }
          return results;
        });
    for (auto [sum, value] : llvm::zip(sums, made))
      *sum.place = isRow(value) ? value : addScalar(b, *sum.place, value);
  }

  Value addTo(OpBuilder &body, Value sum, Value term) {
    return arith::AddFOp::create(body, loc, sum,
                                 castFloat(body, loc, term, sum.getType()));
  }

  /// Pairs, then pairs of those, and so on.
  Value addUp(OpBuilder &body, SmallVector<Value> values) {
    while (values.size() > 1) {
      SmallVector<Value> halved;
      for (size_t k = 0; k + 1 < values.size(); k += 2)
        halved.push_back(addTo(body, values[k], values[k + 1]));
      if (values.size() % 2)
        halved.push_back(values.back());
      values = halved;
    }
    return values.front();
  }

  /// `sum` and `value`, both of rank 0.
  Value addScalar(OpBuilder &b, Value sum, Value value) {
    return buildGeneric(b, loc, "", {{value, {}}}, {{sum, {}}},
                        [&](OpBuilder &body, ValueRange x) {
                          return SmallVector<Value>{addTo(body, x[1], x[0])};
                        })[0];
  }

  /// A loop's length must follow from an operand: a row that nobody reads.
  SmallVector<Indexed> withSpace(OpBuilder &b, SmallVector<Indexed> inputs,
                                 ArrayRef<Indexed> outputs) {
    if (llvm::none_of(
            llvm::concat<const Indexed>(inputs, outputs),
            [&](const Indexed &operand) { return isRow(operand.value); }))
      inputs.push_back(
          {empty(b, loc, {b.getIndexAttr(columns)}, b.getF32Type()), {0}});
    return inputs;
  }

  void buildElements(OpBuilder &b, ArrayRef<Value> values,
                     MutableArrayRef<Value> outs) {
    unsigned count = op.getNewElements().size();
    if (!count)
      return;
    SmallVector<Value> wanted(yield()->getOperands().take_front(count));
    // What a result overwrites is what its destination held.
    SmallVector<unsigned> used = operandsFor(wanted);
    SmallVector<Indexed> inputs, outputs;
    SmallVector<unsigned> read;
    for (unsigned i : used)
      if (!llvm::is_contained(destinations, operands[i])) {
        read.push_back(i);
        inputs.push_back({values[i], dimensionsOf(values[i])});
      }
    for (unsigned i = 0; i < count; ++i)
      outputs.push_back({outs[i], {0}});
    SmallVector<Value> made = buildGeneric(
        b, loc, "p", inputs, outputs, [&](OpBuilder &body, ValueRange x) {
          return compute(body, wanted, [&](unsigned operand) -> Value {
            auto place = llvm::find(read, operand);
            if (place != read.end())
              return x[place - read.begin()];
            auto same = llvm::find(destinations, operands[operand]);
            return x[inputs.size() + (same - destinations.begin())];
          });
        });
    llvm::copy(made, outs.begin());
  }

  SweepOp op;
  Location loc;
  ValueRange operands, destinations;
  SmallVector<Kind> kinds; ///< of the results
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
