//===- ElementwiseGroup.cpp - one kernel for a group of operations --------===//
//
// The body is one linalg.generic over the group's shape: operands of lower rank
// are read through projected maps, a reduction drops dimensions of its result's
// map. With a product, workgroups are its tiles: each computes the product's
// tile where one of the results goes (or in scratch of its own, where none of
// them can hold it), and the generic follows over the tile while it is in
// cache.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/ElementwiseGroup.h"
#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
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
using nn::TiledOpInterface;

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
    auto tiled = llvm::find_if(group, llvm::IsaPred<TiledOpInterface>);
    if (tiled != group.end())
      product = cast<TiledOpInterface>(*tiled);
    shape =
        llvm::to_vector(cast<RankedTensorType>(
                            reduction ? reduction.getInput().getType()
                                      : group.front()->getResult(0).getType())
                            .getShape());
    llvm::SmallDenseSet<Operation *> inside(group.begin(), group.end());
    for (Operation *op : group) {
      for (auto [i, value] : llvm::enumerate(op->getOperands())) {
        if (isProduct(op) || inside.contains(value.getDefiningOp()))
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
    if (product)
      placeProduct();
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
    if (product) {
      request.computes = product->getName().getStringRef().str() + " with " +
                         group.back()->getName().getStringRef().str();
      request.stem = product->getName().stripDialect().str() + "_" +
                     group.back()->getName().stripDialect().str();
    }
    double elements = 1;
    for (int64_t size : shape)
      elements *= size;
    for (Operation *op : group)
      if (!isProduct(op))
        request.flops += op->getNumOperands() ? elements : 0;
    for (Operand &operand : operands)
      if (!isUpdate(operand))
        request.inputs.push_back(operand.value);
    if (product) {
      request.flops +=
          cast<nn::LowerableOpInterface>(product.getOperation()).flops();
      llvm::append_range(request.inputs, product->getOperands());
    }
    for (auto [result, update] : llvm::zip(results, updates)) {
      auto type = cast<RankedTensorType>(result.getType());
      request.updates.push_back(bool(update));
      request.destinations.push_back(
          update
              ? update
              : tensor::EmptyOp::create(builder, end->getLoc(), type.getShape(),
                                        type.getElementType())
                    .getResult());
    }
    request.key = key();
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
  /// Operations, where their operands come from, and which results leave.
  KernelKey key() {
    KernelKey key;
    DenseMap<Value, uint64_t> numbers; // of values, in order of appearance
    auto number = [&](Value value) {
      return numbers.try_emplace(value, numbers.size()).first->second;
    };
    for (Operation *op : group) {
      key.add(op);
      key.add(op->getOperandTypes());
      for (Value operand : op->getOperands())
        key.add(number(operand));
      for (Value result : op->getResults())
        key.add(number(result));
    }
    for (auto [result, update] : llvm::zip(results, updates)) {
      key.add(number(result));
      key.add(update ? number(update) : ~uint64_t(0));
    }
    return key;
  }

  SmallVector<int64_t> identity() {
    return llvm::to_vector(llvm::seq<int64_t>(0, shape.size()));
  }

  bool isProduct(Operation *op) {
    return product && op == product.getOperation();
  }

  /// Where the product's tile lives: with its own result, else with one that
  /// the generic then overwrites, else in scratch.
  void placeProduct() {
    for (bool own : {true, false})
      for (auto [i, result] : llvm::enumerate(results))
        if (!home && !updates[i] && isProduct(result.getDefiningOp()) == own &&
            getElementTypeOrSelf(result) ==
                getElementTypeOrSelf(product->getResult(0)))
          home = i;
  }

  bool isUpdate(const Operand &operand) {
    return llvm::is_contained(updates, operand.value);
  }

  /// In-place updates: result → train.write @v, and operand ← train.read @v
  /// with equal indices, read by nobody else.
  void findUpdates(const llvm::SmallDenseSet<Operation *> &inside) {
    updates.assign(results.size(), Value());
    if (reduction)
      return;
    for (auto [result, update] : llvm::zip(results, updates)) {
      if ((update = findAccumulator(result, inside)))
        continue;
      for (Operation *user : result.getUsers()) {
        auto write = dyn_cast<train::WriteOp>(user);
        if (!write || isProduct(result.getDefiningOp()))
          continue;
        for (Operand &operand : operands) {
          auto read = operand.value.getDefiningOp<train::ReadOp>();
          if (read && read.getSymbol() == write.getSymbol() &&
              !isUpdate(operand) && operand.dimensions == identity() &&
              llvm::all_of(read->getUsers(),
                           [&](Operation *op) {
                             return inside.contains(op) && !isProduct(op);
                           }) &&
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
  }

  /// The operand that `result` is meant to take the place of, if only this
  /// group reads it, and only there.
  Value findAccumulator(Value result,
                        const llvm::SmallDenseSet<Operation *> &inside) {
    auto op = dyn_cast<ElementwiseOpInterface>(result.getDefiningOp());
    std::optional<unsigned> index;
    if (op)
      index = op.getAccumulator();
    if (!index)
      return {};
    Value accumulator = op->getOperand(*index);
    Operand whole{accumulator, identity()};
    bool external = accumulator.getDefiningOp() &&
                    llvm::is_contained(operands, whole) && !isUpdate(whole);
    return external && accumulator.hasOneUse() ? accumulator : Value();
  }

  FailureOr<SmallVector<Value>> buildBody(OpBuilder &builder, Location loc,
                                          ValueRange inputs,
                                          ValueRange destinations) {
    // Without broadcasts and reductions the space is flat.
    bool flat =
        !reduction && !product && llvm::all_of(operands, [&](Operand &operand) {
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
    if (product) {
      tile = product.getTileSizes();
    } else if (!reduction) {
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
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          if (product)
            return buildEpilogue(b, loc, seen, inputs.drop_front(next), offsets,
                                 sizes, outs);
          return buildTile(b, loc, seen, resultDimensions, offsets, sizes,
                           outs);
        });
    if (space != shape)
      for (auto [value, destination] : llvm::zip(built, destinations))
        value =
            reshape(builder, loc, value,
                    cast<RankedTensorType>(destination.getType()).getShape());
    return built;
  }

  static Indices select(ArrayRef<OpFoldResult> all,
                        ArrayRef<int64_t> dimensions) {
    Indices chosen;
    for (int64_t d : dimensions)
      chosen.push_back(all[d]);
    return chosen;
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
                                select(offsets, operand.dimensions),
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
          buildScalars(body, loc, scalars, scalars.take_back(results.size()));
        });
    SmallVector<TileResult> tileResults;
    for (Value result : generic.getResults())
      tileResults.push_back({result, outOffsets, outSizes});
    return tileResults;
  }

  /// The product's tile, then one generic over it, without the dropped
  /// dimensions.
  SmallVector<TileResult>
  buildEpilogue(OpBuilder &b, Location loc, ArrayRef<Operand> seen,
                ValueRange factors, ArrayRef<OpFoldResult> offsets,
                ArrayRef<OpFoldResult> sizes, ValueRange outs) {
    int64_t dropped = product.getDroppedRank(), rank = sizes.size() - dropped;
    auto isDropped = [&](int64_t d) { return d < dropped; };
    SmallVector<int64_t> drop = llvm::to_vector(llvm::seq<int64_t>(0, dropped));
    auto mapOf = [&](ArrayRef<int64_t> dimensions) {
      SmallVector<AffineExpr> exprs;
      for (int64_t d : dimensions)
        if (!isDropped(d))
          exprs.push_back(b.getAffineDimExpr(d - dropped));
      return AffineMap::get(rank, 0, exprs, b.getContext());
    };
    SmallVector<Value> tiles;
    for (Value out : outs)
      tiles.push_back(slice(b, loc, out, offsets, sizes, drop));
    Value destination =
        home ? tiles[*home]
             : lowering::empty(b, loc, sizes.drop_front(dropped),
                               getElementTypeOrSelf(product->getResult(0)));
    Value tile = product.lowerTile(b, factors, offsets, sizes, destination);

    SmallVector<Value> ins, generics;
    SmallVector<AffineMap> maps;
    for (const Operand &operand : seen) {
      SmallVector<int64_t> gone;
      for (auto [i, d] : llvm::enumerate(operand.dimensions))
        if (isDropped(d))
          gone.push_back(i);
      ins.push_back(operand.dimensions.empty()
                        ? operand.value
                        : slice(b, loc, operand.value,
                                select(offsets, operand.dimensions),
                                select(sizes, operand.dimensions), gone));
      maps.push_back(mapOf(operand.dimensions));
    }
    if (home)
      tiles[*home] = tile;
    bool written =
        home && !isProduct(results[*home].getDefiningOp()); // by the generic
    if (!written) {
      ins.push_back(tile);
      maps.push_back(mapOf(identity()));
    }
    for (auto [result, out] : llvm::zip(results, tiles))
      if (!isProduct(result.getDefiningOp())) {
        generics.push_back(out);
        maps.push_back(mapOf(identity()));
      }
    auto generic = linalg::GenericOp::create(
        b, loc, ValueRange(generics).getTypes(), ins, generics, maps,
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [&](OpBuilder &body, Location, ValueRange scalars) {
          // Old contents in the order of results, the product's own result
          // included.
          SmallVector<Value> old;
          unsigned next = ins.size();
          for (Value result : results)
            old.push_back(isProduct(result.getDefiningOp())
                              ? scalars[ins.size() - 1]
                              : scalars[next++]);
          buildScalars(body, loc, scalars, old,
                       written ? old[*home] : scalars[ins.size() - 1]);
        });
    SmallVector<TileResult> tileResults;
    unsigned next = 0;
    for (auto [result, out] : llvm::zip(results, tiles))
      tileResults.push_back(
          {isProduct(result.getDefiningOp()) ? out : generic.getResult(next++),
           Indices(offsets), Indices(sizes)});
    return tileResults;
  }

  /// The generic's body: `scalars` begin with the operands that are no updates,
  /// `old` is what each result's destination held, `tile` the product's
  /// element.
  void buildScalars(OpBuilder &body, Location loc, ValueRange scalars,
                    ValueRange old, Value tile = {}) {
    unsigned next = 0;
    SmallVector<std::pair<Operand, Value>> known;
    for (Operand &operand : operands) {
      if (!isUpdate(operand)) {
        known.push_back({operand, scalars[next++]});
        continue;
      }
      unsigned index = llvm::find(updates, operand.value) - updates.begin();
      known.push_back({operand, old[index]});
    }
    IRMapping computed;
    if (product)
      computed.map(product->getResult(0), tile);
    auto scalarOf = [&](Operation *op, unsigned i) {
      Value value = op->getOperand(i);
      if (Value inside = computed.lookupOrNull(value))
        return inside;
      SmallVector<int64_t> dimensions = identity();
      if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
        dimensions = elementwise.getOperandDimensions(i);
      Operand wanted{value, dimensions};
      return llvm::find_if(known,
                           [&](auto &entry) { return entry.first == wanted; })
          ->second;
    };
    for (Operation *op : group) {
      if (isProduct(op))
        continue;
      SmallVector<Value> arguments;
      for (unsigned i = 0; i < op->getNumOperands(); ++i)
        arguments.push_back(scalarOf(op, i));
      if (op == reduction.getOperation()) {
        Value value = arguments.front(), sum = scalars.back();
        if (value.getType() != sum.getType())
          value = arith::ExtFOp::create(body, loc, sum.getType(), value);
        computed.map(op->getResult(0),
                     arith::AddFOp::create(body, loc, sum, value).getResult());
      } else {
        computed.map(
            op->getResult(0),
            cast<ElementwiseOpInterface>(op).buildScalar(body, loc, arguments));
      }
    }
    SmallVector<Value> yielded;
    for (Value result : results)
      if (!isProduct(result.getDefiningOp()))
        yielded.push_back(computed.lookup(result));
    linalg::YieldOp::create(body, loc, yielded);
  }

  SmallVector<Operation *> group;
  nn::ReduceSumOp reduction;
  TiledOpInterface product;
  std::optional<unsigned>
      home; ///< result in whose destination the product lives
  SmallVector<int64_t> shape;
  SmallVector<Operand> operands;
  SmallVector<Value> results;
  SmallVector<Value>
      updates; ///< per result: the train.read it replaces, or null
};

} // namespace

LogicalResult outlineElementwiseGroup(ArrayRef<Operation *> group,
                                      KernelTable &kernels) {
  ElementwiseGroup elementwise(group);
  return elementwise.outline(kernels);
}

} // namespace trainc::fusion
