//===- ElementwiseGroup.cpp - one kernel for a group of operations --------===//
//
// The body is one linalg.generic over the group's shape, cut into tiles:
// operands of lower rank are read through projected maps, a reduction drops
// dimensions of its result's map.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/ElementwiseGroup.h"
#include "compiler/fusion/Bounds.h"
#include "compiler/fusion/GroupScalars.h"
#include "compiler/fusion/Tiles.h"
#include "compiler/support/BufferSize.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace trainc::fusion {
namespace {

class ElementwiseGroup {
public:
  explicit ElementwiseGroup(ArrayRef<Operation *> group) : group(group) {
    reduction = dyn_cast<nn::ReduceSumOp>(group.back());
    shape =
        llvm::to_vector(cast<RankedTensorType>(
                            reduction ? reduction.getInput().getType()
                                      : group.front()->getResult(0).getType())
                            .getShape());
    llvm::SmallDenseSet<Operation *> inside(group.begin(), group.end());
    operands = operandsOf(group, inside, shape.size());
    for (Operation *op : group)
      if (leaves(op->getResult(0), inside))
        results.push_back(op->getResult(0));
    // What may be left out has to be made where the old value lies; the memory
    // stage keeps that for others that read it.
    bool bounded = boundOf(group.front()).has_value();
    for (Value result : results)
      updates.push_back(
          reduction ? Value()
                    : findUpdate(result, operands, updates, shape.size(),
                                 [&](Operation *op) {
                                   return bounded || inside.contains(op);
                                 }));
  }

  LogicalResult outline(KernelTable &kernels) {
    Operation *end = group.back();
    OpBuilder builder(end);
    builder.setInsertionPointAfter(end);
    KernelRequest request;
    bool several = group.size() > 1;
    request.computes = group.back()->getName().getStringRef().str() +
                       (several ? " fused" : "");
    request.stem = (several ? "fused_" : "") +
                   group.back()->getName().stripDialect().str();
    double elements = 1;
    for (int64_t size : shape)
      elements *= size;
    for (Operation *op : group)
      request.flops += op->getNumOperands() ? elements : 0;
    for (Operand &operand : operands)
      if (!isUpdate(operand))
        request.inputs.push_back(operand.value);
    addDestinations(request, builder, end->getLoc(), results, updates);
    countBytes(request);
    request.bound = takeBound(group);
    request.key = keyOfGroup(group, results, updates);
    auto launch = kernels.launch(
        builder, end->getLoc(), request,
        [&](OpBuilder &b, ValueRange inputs, ValueRange destinations) {
          return buildBody(b, end->getLoc(), inputs, destinations);
        });
    if (failed(launch))
      return failure();
    for (auto [value, replacement] : llvm::zip(results, launch->getResults()))
      value.replaceAllUsesWith(replacement);
    for (Operation *op : llvm::reverse(group))
      op->erase();
    return success();
  }

private:
  /// Whether `value` is read only where nothing changes: there a launch with a
  /// bound does not run.
  bool isOnlyKept(Value value) {
    llvm::SmallDenseSet<Operation *> inside(group.begin(), group.end());
    return boundOf(group.front()) &&
           llvm::all_of(value.getUses(), [&](OpOperand &use) {
             auto choice = dyn_cast<nn::SelectOp>(use.getOwner());
             if (!inside.contains(use.getOwner()))
               return true;
             if (!choice || choice.getOnFalse() != use.get() ||
                 choice.getOnTrue() == use.get())
               return false;
             auto spread =
                 choice.getCondition().getDefiningOp<nn::BroadcastOp>();
             return spread && spread.getInput().getType().getRank() == 0;
           });
  }

  /// All inputs and destinations, updates twice, without what is only kept.
  void countBytes(KernelRequest &request) {
    double bytes = 0, kept = 0;
    auto sizeOf = [](Value value) -> double {
      return bufferSizeBytes(cast<ShapedType>(value.getType()));
    };
    for (Operand &operand : operands)
      (isUpdate(operand) && isOnlyKept(operand.value) ? kept : bytes) +=
          sizeOf(operand.value);
    for (Value result : results)
      bytes += sizeOf(result);
    if (kept)
      request.bytes = bytes;
  }

  bool isUpdate(const Operand &operand) {
    return llvm::is_contained(updates, operand.value);
  }

  FailureOr<SmallVector<Value>> buildBody(OpBuilder &builder, Location loc,
                                          ValueRange inputs,
                                          ValueRange destinations) {
    // Without broadcasts and reductions the space is flat.
    bool flat = !reduction && llvm::all_of(operands, [&](Operand &operand) {
      return operand.dimensions.empty() ||
             operand.dimensions == allDimensions(shape.size());
    });
    SmallVector<int64_t> space = shape;
    SmallVector<Operand> seen; // operands as the kernel sees them, inputs first
    SmallVector<Value> flatDestinations(destinations);
    if (flat && shape.size() != 1 && !shape.empty()) {
      int64_t size = 1;
      for (int64_t d : shape)
        size *= d;
      space = {size};
    }
    unsigned next = 0;
    for (Operand &operand : operands) {
      if (isUpdate(operand))
        continue;
      Operand view{inputs[next], operand.dimensions};
      if (space != shape && !operand.dimensions.empty())
        view = {asFlat(builder, loc, inputs[next]), {0}};
      seen.push_back(view);
      ++next;
    }
    if (space != shape)
      for (Value &destination : flatDestinations)
        destination = asFlat(builder, loc, destination);

    SmallVector<int64_t> resultDimensions; // of the iteration space
    for (int64_t d = 0; d < int64_t(space.size()); ++d)
      if (!reduction || !llvm::is_contained(reduction.getDimensions(), d))
        resultDimensions.push_back(d);
    // Only dimensions of the result are distributed.
    SmallVector<int64_t> tile = space;
    if (!reduction) {
      tile = space.size() == 1
                 ? chooseTile(space, sweepTileElements(space.front()))
                 : chooseTile(space);
    } else if (!resultDimensions.empty()) {
      int64_t reduced = 1;
      SmallVector<int64_t> kept;
      for (int64_t d = 0; d < int64_t(space.size()); ++d)
        if (llvm::is_contained(resultDimensions, d))
          kept.push_back(space[d]);
        else
          reduced *= space[d];
      // Sums over rows: any number of rows. Columns: enough of them that each
      // row read is a few cache lines.
      bool columns = resultDimensions.back() + 1 == int64_t(space.size());
      SmallVector<int64_t> keptTile = chooseTile(
          kept, std::max<int64_t>(columns ? 256 : 1, kTileElements / reduced));
      for (auto [d, size] : llvm::zip(resultDimensions, keptTile))
        tile[d] = size;
    }
    SmallVector<Value> built =
        buildTiles(builder, loc, space, tile, flatDestinations,
                   [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
                       ArrayRef<OpFoldResult> sizes, ValueRange outs) {
                     return buildTile(b, loc, seen, resultDimensions, offsets,
                                      sizes, outs);
                   });
    if (space != shape)
      for (auto [value, destination] : llvm::zip(built, destinations))
        value =
            reshape(builder, loc, value,
                    cast<RankedTensorType>(destination.getType()).getShape());
    return built;
  }

  SmallVector<TileResult>
  buildTile(OpBuilder &b, Location loc, ArrayRef<Operand> seen,
            ArrayRef<int64_t> resultDimensions, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
    MLIRContext *context = b.getContext();
    unsigned rank = sizes.size();
    auto mapOf = [&](ArrayRef<int64_t> dimensions) {
      SmallVector<AffineExpr> exprs;
      for (int64_t d : dimensions)
        exprs.push_back(b.getAffineDimExpr(d));
      return AffineMap::get(rank, 0, exprs, context);
    };
    SmallVector<Value> ins, tiles;
    SmallVector<AffineMap> maps;
    for (const Operand &operand : seen) {
      ins.push_back(operand.dimensions.empty()
                        ? operand.value
                        : slice(b, loc, operand.value,
                                selectIndices(offsets, operand.dimensions),
                                selectIndices(sizes, operand.dimensions)));
      maps.push_back(mapOf(operand.dimensions));
    }
    Indices outOffsets = selectIndices(offsets, resultDimensions);
    Indices outSizes = selectIndices(sizes, resultDimensions);
    for (Value out : outs) {
      Value tile = out;
      if (!outSizes.empty())
        tile = slice(b, loc, out, outOffsets, outSizes);
      if (reduction) {
        auto element = cast<RankedTensorType>(tile.getType()).getElementType();
        Value zero =
            arith::ConstantOp::create(b, loc, b.getFloatAttr(element, 0.0));
        tile = linalg::FillOp::create(b, loc, zero, tile).getResult(0);
      }
      tiles.push_back(tile);
      maps.push_back(mapOf(resultDimensions));
    }
    SmallVector<utils::IteratorType> iterators(
        rank, reduction ? utils::IteratorType::reduction
                        : utils::IteratorType::parallel);
    for (int64_t d : resultDimensions)
      iterators[d] = utils::IteratorType::parallel;
    auto generic = linalg::GenericOp::create(
        b, loc, ValueRange(tiles).getTypes(), ins, tiles, maps, iterators,
        [&](OpBuilder &body, Location, ValueRange scalars) {
          buildElement(body, loc, scalars);
        });
    SmallVector<TileResult> tileResults;
    for (Value result : generic.getResults())
      tileResults.push_back({result, outOffsets, outSizes});
    return tileResults;
  }

  /// The generic's body: `scalars` are those of operands that are no updates,
  /// then what each result's destination held.
  void buildElement(OpBuilder &body, Location loc, ValueRange scalars) {
    ValueRange old = scalars.take_back(results.size());
    unsigned next = 0;
    SmallVector<Value> known; // per operand
    for (Operand &operand : operands)
      known.push_back(
          isUpdate(operand)
              ? old[llvm::find(updates, operand.value) - updates.begin()]
              : scalars[next++]);
    auto outside = [&](const Operand &wanted) {
      return known[llvm::find(operands, wanted) - operands.begin()];
    };
    IRMapping computed;
    ArrayRef<Operation *> elementwise = group;
    if (reduction)
      elementwise = elementwise.drop_back();
    buildScalars(body, loc, elementwise, shape.size(), computed, outside);
    if (reduction) {
      Value value = computed.lookupOrNull(reduction.getInput());
      if (!value)
        value = outside(operandOf(reduction, 0, shape.size()));
      Value sum = scalars.back();
      if (value.getType() != sum.getType())
        value = arith::ExtFOp::create(body, loc, sum.getType(), value);
      computed.map(reduction.getResult(),
                   arith::AddFOp::create(body, loc, sum, value).getResult());
    }
    SmallVector<Value> yielded;
    for (Value result : results)
      yielded.push_back(computed.lookup(result));
    linalg::YieldOp::create(body, loc, yielded);
  }

  SmallVector<Operation *> group;
  nn::ReduceSumOp reduction;
  SmallVector<int64_t> shape;
  SmallVector<Operand> operands;
  SmallVector<Value> results;
  SmallVector<Value> updates; ///< per result: the operand it replaces, or null
};

} // namespace

LogicalResult outlineElementwiseGroup(ArrayRef<Operation *> group,
                                      KernelTable &kernels) {
  ElementwiseGroup elementwise(group);
  return elementwise.outline(kernels);
}

} // namespace trainc::fusion
