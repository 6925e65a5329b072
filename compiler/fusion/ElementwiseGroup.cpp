//===- ElementwiseGroup.cpp - one kernel for a group of operations --------===//
//
// The body is one linalg.generic over the group's shape: operands of lower rank are
// read through projected maps, a reduction drops dimensions of its result's map.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/ElementwiseGroup.h"
#include "compiler/fusion/Tiles.h"
#include "dialects/nn/Nn.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace trainc::fusion {
namespace {

using nn::ElementwiseOpInterface;

/// A value from outside, read along `dimensions` of the group's shape.
struct Operand {
  Value value;
  SmallVector<int64_t> dimensions;
  bool operator==(const Operand &other) const {
    return value == other.value && dimensions == other.dimensions;
  }
};

class ElementwiseGroup {
public:
  explicit ElementwiseGroup(ArrayRef<Operation *> group) : group(group) {
    reduction = dyn_cast<nn::ReduceSumOp>(group.back());
    shape = llvm::to_vector(
        cast<RankedTensorType>(reduction ? reduction.getInput().getType()
                                         : group.front()->getResult(0).getType())
            .getShape());
    llvm::SmallDenseSet<Operation *> inside(group.begin(), group.end());
    for (Operation *op : group) {
      for (auto [i, value] : llvm::enumerate(op->getOperands())) {
        if (inside.contains(value.getDefiningOp()))
          continue;
        Operand operand{value, {}};
        if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
          operand.dimensions = elementwise.getOperandDimensions(i);
        else
          operand.dimensions = identity();
        if (!llvm::is_contained(operands, operand))
          operands.push_back(operand);
      }
      bool leaves = llvm::any_of(op->getUsers(), [&](Operation *user) {
        return !inside.contains(user);
      });
      if (leaves)
        results.push_back(op->getResult(0));
    }
    findUpdates(inside);
  }

  LogicalResult outline(KernelTable &kernels) {
    Operation *end = group.back();
    OpBuilder builder(end);
    builder.setInsertionPointAfter(end);
    KernelRequest request;
    bool several = group.size() > 1;
    request.computes = group.back()->getName().getStringRef().str() + (several ? " fused" : "");
    request.stem = (several ? "fused_" : "") + group.back()->getName().stripDialect().str();
    double elements = 1;
    for (int64_t size : shape)
      elements *= size;
    for (Operation *op : group)
      request.flops += op->getNumOperands() ? elements : 0;
    for (Operand &operand : operands)
      if (!isUpdate(operand))
        request.inputs.push_back(operand.value);
    for (auto [result, update] : llvm::zip(results, updates)) {
      auto type = cast<RankedTensorType>(result.getType());
      request.updates.push_back(bool(update));
      request.destinations.push_back(
          update ? update
                 : tensor::EmptyOp::create(builder, end->getLoc(), type.getShape(),
                                           type.getElementType())
                       .getResult());
    }
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
  SmallVector<int64_t> identity() {
    return llvm::to_vector(llvm::seq<int64_t>(0, shape.size()));
  }

  bool isUpdate(const Operand &operand) {
    return llvm::is_contained(updates, operand.value);
  }

  /// In-place updates: result → train.write @v, and operand ← train.read @v with
  /// equal indices, read by nobody else.
  void findUpdates(const llvm::SmallDenseSet<Operation *> &inside) {
    updates.assign(results.size(), Value());
    if (reduction)
      return;
    for (auto [result, update] : llvm::zip(results, updates))
      for (Operation *user : result.getUsers()) {
        auto write = dyn_cast<train::WriteOp>(user);
        if (!write)
          continue;
        for (Operand &operand : operands) {
          auto read = operand.value.getDefiningOp<train::ReadOp>();
          if (read && read.getSymbol() == write.getSymbol() && !isUpdate(operand) &&
              operand.dimensions == identity() &&
              llvm::all_of(read->getUsers(),
                           [&](Operation *op) { return inside.contains(op); }) &&
              llvm::count_if(operands, [&](Operand &other) {
                return other.value == operand.value;
              }) == 1) {
            update = operand.value;
            break;
          }
        }
        if (update)
          break;
      }
  }

  FailureOr<SmallVector<Value>> buildBody(OpBuilder &builder, Location loc, ValueRange inputs,
                                          ValueRange destinations) {
    // Without broadcasts and reductions the space is flat.
    bool flat = !reduction && llvm::all_of(operands, [&](Operand &operand) {
      return operand.dimensions.empty() || operand.dimensions == identity();
    });
    SmallVector<int64_t> space = shape;
    SmallVector<Operand> seen; // operands as the kernel sees them, inputs first
    SmallVector<Value> flatInputs(inputs), flatDestinations(destinations);
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
      tile = chooseTile(space);
    } else if (!resultDimensions.empty()) {
      int64_t reduced = 1;
      SmallVector<int64_t> kept;
      for (int64_t d = 0; d < int64_t(space.size()); ++d)
        if (llvm::is_contained(resultDimensions, d))
          kept.push_back(space[d]);
        else
          reduced *= space[d];
      // Columns: enough of them that each row read is a few cache lines.
      SmallVector<int64_t> keptTile =
          chooseTile(kept, std::max<int64_t>(256, kTileElements / reduced));
      for (auto [d, size] : llvm::zip(resultDimensions, keptTile))
        tile[d] = size;
    }
    SmallVector<Value> built = buildTiles(
        builder, loc, space, tile, flatDestinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
            ValueRange outs) {
          return buildTile(b, loc, seen, resultDimensions, offsets, sizes, outs);
        });
    if (space != shape)
      for (auto [value, destination] : llvm::zip(built, destinations))
        value = reshape(builder, loc, value,
                        cast<RankedTensorType>(destination.getType()).getShape());
    return built;
  }

  static Indices select(ArrayRef<OpFoldResult> all, ArrayRef<int64_t> dimensions) {
    Indices chosen;
    for (int64_t d : dimensions)
      chosen.push_back(all[d]);
    return chosen;
  }

  SmallVector<TileResult> buildTile(OpBuilder &b, Location loc, ArrayRef<Operand> seen,
                                    ArrayRef<int64_t> resultDimensions,
                                    ArrayRef<OpFoldResult> offsets,
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
                        : slice(b, loc, operand.value, select(offsets, operand.dimensions),
                                select(sizes, operand.dimensions)));
      maps.push_back(mapOf(operand.dimensions));
    }
    Indices outOffsets = select(offsets, resultDimensions);
    Indices outSizes = select(sizes, resultDimensions);
    for (Value out : outs) {
      Value tile = out;
      if (!outSizes.empty())
        tile = slice(b, loc, out, outOffsets, outSizes);
      if (reduction) {
        auto element = cast<RankedTensorType>(tile.getType()).getElementType();
        Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(element, 0.0));
        tile = linalg::FillOp::create(b, loc, zero, tile).getResult(0);
      }
      tiles.push_back(tile);
      maps.push_back(mapOf(resultDimensions));
    }
    SmallVector<utils::IteratorType> iterators(
        rank, reduction ? utils::IteratorType::reduction : utils::IteratorType::parallel);
    for (int64_t d : resultDimensions)
      iterators[d] = utils::IteratorType::parallel;
    auto generic = linalg::GenericOp::create(
        b, loc, ValueRange(tiles).getTypes(), ins, tiles, maps, iterators,
        [&](OpBuilder &body, Location, ValueRange scalars) { buildScalars(body, loc, scalars); });
    SmallVector<TileResult> results;
    for (Value result : generic.getResults())
      results.push_back({result, outOffsets, outSizes});
    return results;
  }

  void buildScalars(OpBuilder &body, Location loc, ValueRange scalars) {
    unsigned next = 0;
    SmallVector<std::pair<Operand, Value>> known;
    for (Operand &operand : operands) {
      if (!isUpdate(operand)) {
        known.push_back({operand, scalars[next++]});
        continue;
      }
      unsigned index = llvm::find(updates, operand.value) - updates.begin();
      known.push_back({operand, scalars[scalars.size() - results.size() + index]});
    }
    IRMapping computed;
    auto scalarOf = [&](Operation *op, unsigned i) {
      Value value = op->getOperand(i);
      if (Value inside = computed.lookupOrNull(value))
        return inside;
      SmallVector<int64_t> dimensions = identity();
      if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
        dimensions = elementwise.getOperandDimensions(i);
      Operand wanted{value, dimensions};
      return llvm::find_if(known, [&](auto &entry) { return entry.first == wanted; })->second;
    };
    for (Operation *op : group) {
      SmallVector<Value> arguments;
      for (unsigned i = 0; i < op->getNumOperands(); ++i)
        arguments.push_back(scalarOf(op, i));
      if (op == reduction.getOperation()) {
        Value value = arguments.front(), sum = scalars.back();
        if (value.getType() != sum.getType())
          value = arith::ExtFOp::create(body, loc, sum.getType(), value);
        computed.map(op->getResult(0), arith::AddFOp::create(body, loc, sum, value).getResult());
      } else {
        computed.map(op->getResult(0),
                     cast<ElementwiseOpInterface>(op).buildScalar(body, loc, arguments));
      }
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
  SmallVector<Value> updates; ///< per result: the train.read it replaces, or null
};

} // namespace

LogicalResult outlineElementwiseGroup(ArrayRef<Operation *> group, KernelTable &kernels) {
  ElementwiseGroup elementwise(group);
  return elementwise.outline(kernels);
}

} // namespace trainc::fusion
