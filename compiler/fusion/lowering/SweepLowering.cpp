//===- SweepLowering.cpp - one pass over matrices -------------------------===//
//
// Decides how train.sweep runs: a workgroup takes some rows of one matrix and
// goes over them row by row; on each row first every sum, then all that is
// written, so that the later ones find the row in cache. A workgroup's sums are
// f64, begin with 0 and grow row by row, so their order is that of the plan.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;
using train::SweepOp;

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

    auto loop =
        scf::ForOp::create(b, loc, index(b, loc, 0), materialize(b, loc, some),
                           index(b, loc, 1), tiles);
    {
      OpBuilder inner = OpBuilder::atBlockEnd(loop.getBody());
      OpFoldResult row = loop.getInductionVar();
      AffineExpr d1 = b.getAffineDimExpr(1);
      OpFoldResult global = compute(inner, d0 + d1, {first, row});
      SmallVector<Value> made = buildRow(
          inner, k, row, global, SmallVector<Value>(loop.getRegionIterArgs()));
      scf::YieldOp::create(inner, loc, made);
    }
    b.setInsertionPointToEnd(forall.getTerminator().getBody());
    for (auto [tile, out, range] :
         llvm::zip(loop.getResults(), forall.getRegionIterArgs(), ranges)) {
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

  SmallVector<Value> buildRow(OpBuilder &b, OpFoldResult k, OpFoldResult row,
                              OpFoldResult global, SmallVector<Value> tiles) {
    // Rows of the results, and of the operands that they overwrite.
    SmallVector<Value> outs;
    SmallVector<Range> ranges;
    AffineExpr d0 = b.getAffineDimExpr(0);
    for (auto [kind, tile] : llvm::zip(kinds, tiles)) {
      Range range;
      if (kind == Kind::Element)
        range = {
            {compute(b, d0 * columns, {row})}, {b.getIndexAttr(columns)}, {}};
      else if (kind == Kind::RowSum)
        range = {{row}, {b.getIndexAttr(1)}, {0}};
      Value out = range.offsets.empty() ? tile : take(b, tile, range);
      if (kind == Kind::RowSum)
        out = fill(b, loc, out, 0.0);
      outs.push_back(out);
      ranges.push_back(range);
    }
    SmallVector<Value> values;
    for (unsigned i = 0; i < operands.size(); ++i) {
      auto same = llvm::find(destinations, operands[i]);
      values.push_back(same == destinations.end()
                           ? onRow(b, i, k, global)
                           : outs[same - destinations.begin()]);
    }
    for (auto [i, kind] : llvm::enumerate(kinds))
      if (kind != Kind::Element)
        outs[i] = buildSum(b, i, values, outs[i]);
    buildElements(b, values, outs);
    for (auto [tile, out, range] : llvm::zip(tiles, outs, ranges)) {
      Indices strides(range.offsets.size(), b.getIndexAttr(1));
      tile = range.offsets.empty()
                 ? out
                 : tensor::InsertSliceOp::create(
                       b, loc, out, tile, range.offsets, range.sizes, strides)
                       .getResult();
    }
    return tiles;
  }

  SmallVector<int64_t, 4> dimensionsOf(Value value) {
    return isRow(value) ? SmallVector<int64_t, 4>{0}
                        : SmallVector<int64_t, 4>{};
  }

  /// The scalars that `wanted` of the body's results are, in a generic's body
  /// whose inputs are the operands `used`.
  SmallVector<Value> compute(OpBuilder &body, ArrayRef<unsigned> wanted,
                             llvm::function_ref<Value(unsigned)> scalarOf) {
    llvm::SmallDenseSet<Operation *> needed;
    SmallVector<Operation *> worklist;
    auto require = [&](Value value) {
      if (Operation *maker = value.getDefiningOp();
          maker && needed.insert(maker).second)
        worklist.push_back(maker);
    };
    for (unsigned i : wanted)
      require(yield()->getOperand(i));
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
    return llvm::map_to_vector(
        wanted, [&](unsigned i) { return lookup(yield()->getOperand(i)); });
  }

  /// Operands that `wanted` of the body's results depend on.
  SmallVector<unsigned> operandsFor(ArrayRef<unsigned> wanted) {
    llvm::SmallDenseSet<Value> seen;
    SmallVector<Value> worklist;
    for (unsigned i : wanted)
      worklist.push_back(yield()->getOperand(i));
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

  Value buildSum(OpBuilder &b, unsigned result, ArrayRef<Value> values,
                 Value sum) {
    SmallVector<unsigned> used = operandsFor(result);
    SmallVector<Indexed> inputs;
    for (unsigned i : used)
      inputs.push_back({values[i], dimensionsOf(values[i])});
    bool parallel = kinds[result] == Kind::ColumnSum;
    return buildGeneric(
        b, loc, parallel ? "p" : "r", withSpace(b, inputs, sum),
        {{sum, dimensionsOf(sum)}},
        [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
          Value term = compute(body, result, [&](unsigned operand) {
            return x[llvm::find(used, operand) - used.begin()];
          })[0];
          return {arith::AddFOp::create(body, loc, x.back(), term)};
        })[0];
  }

  /// A loop's length must follow from an operand: a row that nobody reads.
  SmallVector<Indexed> withSpace(OpBuilder &b, SmallVector<Indexed> inputs,
                                 Value out) {
    bool known = isRow(out) || llvm::any_of(inputs, [&](Indexed &input) {
                   return isRow(input.value);
                 });
    if (!known)
      inputs.push_back(
          {empty(b, loc, {b.getIndexAttr(columns)}, b.getF32Type()), {0}});
    return inputs;
  }

  void buildElements(OpBuilder &b, ArrayRef<Value> values,
                     MutableArrayRef<Value> outs) {
    unsigned count = op.getNewElements().size();
    if (!count)
      return;
    auto wanted = llvm::to_vector(llvm::seq<unsigned>(0, count));
    // What a result overwrites is what its destination held.
    SmallVector<unsigned> used = operandsFor(wanted);
    SmallVector<Indexed> inputs, outputs;
    SmallVector<unsigned> read;
    for (unsigned i : used)
      if (!llvm::is_contained(destinations, operands[i])) {
        read.push_back(i);
        inputs.push_back({values[i], dimensionsOf(values[i])});
      }
    for (unsigned i : wanted)
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
