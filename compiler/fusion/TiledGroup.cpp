//===- TiledGroup.cpp - a kernel around an operation computed in tiles ----===//
//
// Workgroups are the operation's tiles. Each computes what the operation reads
// at the tile's own place (the prologue: one linalg.generic), the tile, and
// what reads it (the epilogue: another), all while the tile is in cache. A
// value that leaves lives where it goes; one that does not, where another
// result goes that overwrites it, or else in scratch of the workgroup.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Bounds.h"
#include "compiler/fusion/ElementwiseGroup.h"
#include "compiler/fusion/GroupScalars.h"
#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace trainc::fusion {
namespace {

using nn::TiledOpInterface;

class TiledGroup {
public:
  explicit TiledGroup(ArrayRef<Operation *> group) : group(group) {
    tiled = cast<TiledOpInterface>(
        *llvm::find_if(group, llvm::IsaPred<TiledOpInterface>));
    shape = llvm::to_vector(
        cast<RankedTensorType>(tiled->getResult(0).getType()).getShape());
    inside.insert(group.begin(), group.end());
    splitGroup();
    before = operandsOf(prologue, inside, shape.size());
    after = operandsOf(epilogue, inside, shape.size());
    // Results in program order; by-products that nobody reads have no place.
    for (Operation *op : group)
      for (Value result : op->getResults())
        if (leaves(result, inside))
          results.push_back(result);
    for (Operation *op : prologue)
      if (isKept(op->getResult(0)))
        kept.push_back(op->getResult(0));
    bool bounded = boundOf(group.front()).has_value();
    for (Value result : results)
      updates.push_back(llvm::is_contained(epilogue, result.getDefiningOp())
                            ? findUpdate(result, after, updates, shape.size(),
                                         [&](Operation *op) {
                                           return bounded || llvm::is_contained(
                                                                 epilogue, op);
                                         })
                            : Value());
    placeTile();
  }

  LogicalResult outline(KernelTable &kernels) {
    Operation *end = group.back();
    OpBuilder builder(end);
    builder.setInsertionPointAfter(end);
    KernelRequest request;
    auto nameOf = [](Operation *op) { return op->getName().getStringRef(); };
    auto stemOf = [](Operation *op) { return op->getName().stripDialect(); };
    request.computes = nameOf(tiled).str();
    request.stem = stemOf(tiled).str();
    if (!prologue.empty()) {
      request.computes =
          nameOf(prologue.back()).str() + " before " + request.computes;
      request.stem = (stemOf(prologue.back()) + "_" + request.stem).str();
    }
    if (!epilogue.empty()) {
      request.computes += " with " + nameOf(epilogue.back()).str();
      request.stem += ("_" + stemOf(epilogue.back())).str();
    }
    double elements = 1;
    for (int64_t size : shape)
      elements *= size;
    request.flops =
        cast<nn::LowerableOpInterface>(tiled.getOperation()).flops();
    for (Operation *op : group)
      if (op != tiled)
        request.flops += op->getNumOperands() ? elements : 0;
    // Inputs: what the epilogue reads, the prologue, then the operation itself.
    for (Operand &operand : after)
      if (!isUpdate(operand))
        request.inputs.push_back(operand.value);
    for (Operand &operand : before)
      request.inputs.push_back(operand.value);
    for (Value operand : tiled->getOperands())
      if (!inside.contains(operand.getDefiningOp()))
        request.inputs.push_back(operand);
    addDestinations(request, builder, end->getLoc(), results, updates);
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
  /// What the operation depends on comes first, all else behind it.
  void splitGroup() {
    llvm::SmallDenseSet<Operation *> needed;
    for (Operation *op : llvm::reverse(group)) {
      if (op != tiled && !needed.contains(op))
        continue;
      for (Value operand : op->getOperands())
        if (inside.contains(operand.getDefiningOp()))
          needed.insert(operand.getDefiningOp());
    }
    for (Operation *op : group)
      if (needed.contains(op))
        prologue.push_back(op);
      else if (op != tiled)
        epilogue.push_back(op);
  }

  /// Whether a value of the prologue needs a place: others than the prologue
  /// read it.
  bool isKept(Value value) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      return !llvm::is_contained(prologue, user);
    });
  }

  bool isUpdate(const Operand &operand) {
    return llvm::is_contained(updates, operand.value);
  }
  bool isOfEpilogue(Value value) {
    return llvm::is_contained(epilogue, value.getDefiningOp());
  }

  /// Where the tile lives: with its own result, else with one that the epilogue
  /// then makes in its place, else in scratch.
  void placeTile() {
    Value tile = tiled->getResult(0);
    for (bool own : {true, false})
      for (auto [i, result] : llvm::enumerate(results))
        if (!home && !updates[i] &&
            (own ? result == tile : isOfEpilogue(result)) &&
            getElementTypeOrSelf(result) == getElementTypeOrSelf(tile))
          home = i;
  }

  FailureOr<SmallVector<Value>> buildBody(OpBuilder &builder, Location loc,
                                          ValueRange inputs,
                                          ValueRange destinations) {
    return buildTiles(
        builder, loc, shape, tiled.getTileSizes(), destinations,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          return TileBuilder(*this, b, loc, offsets, sizes).build(inputs, outs);
        });
  }

  /// One workgroup.
  struct TileBuilder {
    TiledGroup &g;
    OpBuilder &b;
    Location loc;
    ArrayRef<OpFoldResult> offsets, sizes;
    /// Of values of the group: their tile so far.
    DenseMap<Value, Value> tiles;
    /// Of results: the part of the destination, then what is made of it.
    SmallVector<TileResult> made;

    TileBuilder(TiledGroup &g, OpBuilder &b, Location loc,
                ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes)
        : g(g), b(b), loc(loc), offsets(offsets), sizes(sizes) {}

    SmallVector<TileResult> build(ValueRange inputs, ValueRange outs) {
      int64_t dropped = g.tiled.getDroppedRank();
      SmallVector<int64_t> drop = allDimensions(dropped);
      for (auto [result, out] : llvm::zip(g.results, outs)) {
        Indices at(offsets), size(sizes);
        bool byProduct = result.getDefiningOp() == g.tiled &&
                         result != g.tiled->getResult(0);
        if (byProduct)
          g.tiled.getByProductTile(cast<OpResult>(result).getResultNumber(), b,
                                   offsets, sizes, at, size);
        made.push_back({slice(b, loc, out, at, size,
                              byProduct ? ArrayRef<int64_t>() : drop),
                        at, size});
      }
      SmallVector<Operand> after, before;
      for (const Operand &operand : g.after)
        if (!g.isUpdate(operand)) {
          after.push_back({inputs.front(), operand.dimensions});
          inputs = inputs.drop_front();
        }
      for (const Operand &operand : g.before) {
        before.push_back({inputs.front(), operand.dimensions});
        inputs = inputs.drop_front();
      }
      if (!g.kept.empty())
        buildPrologue(before);
      buildOperation(inputs);
      if (!g.epilogue.empty())
        buildEpilogue(after);
      return made;
    }

    /// The part of the destination of a result, and null for other values.
    TileResult *placeOf(Value value) {
      auto found = llvm::find(g.results, value);
      return found == g.results.end() ? nullptr
                                      : &made[found - g.results.begin()];
    }

    Value scratch(Value like) {
      return lowering::empty(b, loc, sizes.drop_front(g.tiled.getDroppedRank()),
                             getElementTypeOrSelf(like));
    }

    AffineMap mapOf(ArrayRef<int64_t> dimensions) {
      int64_t dropped = g.tiled.getDroppedRank();
      SmallVector<AffineExpr> exprs;
      for (int64_t d : dimensions)
        if (d >= dropped)
          exprs.push_back(b.getAffineDimExpr(d - dropped));
      return AffineMap::get(sizes.size() - dropped, 0, exprs, b.getContext());
    }

    /// The part of an operand that the tile meets.
    Value part(const Operand &operand) {
      if (operand.dimensions.empty())
        return operand.value;
      SmallVector<int64_t> gone;
      for (auto [i, d] : llvm::enumerate(operand.dimensions))
        if (d < int64_t(g.tiled.getDroppedRank()))
          gone.push_back(i);
      return slice(b, loc, operand.value,
                   selectIndices(offsets, operand.dimensions),
                   selectIndices(sizes, operand.dimensions), gone);
    }

    linalg::GenericOp
    generic(ArrayRef<Value> ins, ArrayRef<AffineMap> inMaps,
            ArrayRef<Value> outs,
            llvm::function_ref<SmallVector<Value>(OpBuilder &, ValueRange)>
                element) {
      SmallVector<AffineMap> maps(inMaps);
      maps.append(outs.size(), mapOf(allDimensions(sizes.size())));
      SmallVector<utils::IteratorType> iterators(sizes.size() -
                                                     g.tiled.getDroppedRank(),
                                                 utils::IteratorType::parallel);
      return linalg::GenericOp::create(
          b, loc, TypeRange(ValueRange(outs)), ins, outs, maps, iterators,
          [&](OpBuilder &body, Location, ValueRange scalars) {
            linalg::YieldOp::create(body, loc, element(body, scalars));
          });
    }

    /// All of the prologue in one generic; values that others read leave it.
    void buildPrologue(ArrayRef<Operand> operands) {
      SmallVector<Value> ins, outs;
      SmallVector<AffineMap> maps;
      for (const Operand &operand : operands) {
        ins.push_back(part(operand));
        maps.push_back(mapOf(operand.dimensions));
      }
      for (Value value : g.kept) {
        TileResult *place = placeOf(value);
        outs.push_back(place ? place->tile : scratch(value));
      }
      auto op =
          generic(ins, maps, outs, [&](OpBuilder &body, ValueRange scalars) {
            IRMapping computed;
            buildScalars(body, loc, g.prologue, g.shape.size(), computed,
                         [&](const Operand &wanted) {
                           return scalars[llvm::find(g.before, wanted) -
                                          g.before.begin()];
                         });
            SmallVector<Value> yielded;
            for (Value value : g.kept)
              yielded.push_back(computed.lookup(value));
            return yielded;
          });
      for (auto [value, tile] : llvm::zip(g.kept, op.getResults())) {
        tiles[value] = tile;
        if (TileResult *place = placeOf(value))
          place->tile = tile;
      }
    }

    void buildOperation(ValueRange inputs) {
      SmallVector<Value> operands, operandTiles, places;
      for (Value operand : g.tiled->getOperands()) {
        Value tile = tiles.lookup(operand);
        operandTiles.push_back(tile);
        operands.push_back(tile ? Value() : inputs.front());
        if (!tile)
          inputs = inputs.drop_front();
      }
      for (Value result : g.tiled->getResults()) {
        TileResult *place = placeOf(result);
        if (result == g.tiled->getResult(0))
          places.push_back(g.home ? made[*g.home].tile : scratch(result));
        else
          places.push_back(place ? place->tile : scratchOf(result));
      }
      SmallVector<Value> values =
          g.tiled.lowerTile(b, operands, operandTiles, offsets, sizes, places);
      for (auto [result, value] : llvm::zip(g.tiled->getResults(), values)) {
        tiles[result] = value;
        if (TileResult *place = placeOf(result))
          place->tile = value;
      }
    }

    /// Room for a by-product that nobody reads.
    Value scratchOf(Value byProduct) {
      Indices at, size;
      g.tiled.getByProductTile(cast<OpResult>(byProduct).getResultNumber(), b,
                               offsets, sizes, at, size);
      return lowering::empty(b, loc, size, getElementTypeOrSelf(byProduct));
    }

    void buildEpilogue(ArrayRef<Operand> operands) {
      Value tile = g.tiled->getResult(0);
      bool overwritten = g.home && g.isOfEpilogue(g.results[*g.home]);
      SmallVector<Value> ins, outs, passed, written;
      SmallVector<AffineMap> maps;
      for (const Operand &operand : operands) {
        ins.push_back(part(operand));
        maps.push_back(mapOf(operand.dimensions));
      }
      // Tiles that stand already, unless the generic overwrites the only one.
      for (Value value : g.kept)
        passed.push_back(value);
      if (!overwritten)
        passed.push_back(tile);
      for (Value value : passed) {
        ins.push_back(tiles.lookup(value));
        maps.push_back(mapOf(allDimensions(sizes.size())));
      }
      for (auto [i, result] : llvm::enumerate(g.results))
        if (g.isOfEpilogue(result)) {
          written.push_back(result);
          bool isHome = overwritten && *g.home == i;
          outs.push_back(isHome ? tiles.lookup(tile) : made[i].tile);
        }
      auto op =
          generic(ins, maps, outs, [&](OpBuilder &body, ValueRange scalars) {
            ValueRange old = scalars.drop_front(ins.size());
            auto oldOf = [&](Value result) {
              return old[llvm::find(written, result) - written.begin()];
            };
            IRMapping computed;
            for (auto [i, value] : llvm::enumerate(passed))
              computed.map(value, scalars[operands.size() + i]);
            if (overwritten)
              computed.map(tile, oldOf(g.results[*g.home]));
            SmallVector<Value> known; // per operand of the epilogue
            unsigned next = 0;
            for (const Operand &operand : g.after) {
              auto update = llvm::find(g.updates, operand.value);
              known.push_back(
                  update == g.updates.end()
                      ? scalars[next++]
                      : oldOf(g.results[update - g.updates.begin()]));
            }
            buildScalars(
                body, loc, g.epilogue, g.shape.size(), computed,
                [&](const Operand &wanted) {
                  return known[llvm::find(g.after, wanted) - g.after.begin()];
                });
            SmallVector<Value> yielded;
            for (Value result : written)
              yielded.push_back(computed.lookup(result));
            return yielded;
          });
      for (auto [result, value] : llvm::zip(written, op.getResults()))
        placeOf(result)->tile = value;
    }
  };

  SmallVector<Operation *> group;
  llvm::SmallDenseSet<Operation *> inside;
  TiledOpInterface tiled;
  SmallVector<Operation *> prologue, epilogue;
  SmallVector<int64_t> shape;
  SmallVector<Operand> before, after; ///< read by prologue and epilogue
  SmallVector<Value> kept;            ///< of the prologue, with a place
  SmallVector<Value> results;
  SmallVector<Value> updates; ///< per result: the operand it replaces, or null
  std::optional<unsigned> home; ///< result in whose destination the tile lives
};

} // namespace

LogicalResult outlineTiledGroup(ArrayRef<Operation *> group,
                                KernelTable &kernels) {
  TiledGroup tiled(group);
  return tiled.outline(kernels);
}

} // namespace trainc::fusion
