//===- WorkgroupSums.cpp - sums of squares of what workgroups write -------===//
//
// Every kernel writes each element of a destination in one workgroup, by one
// insertion of a tile. So a sum over the tile, beside the insertion, is the
// workgroup's share of the sum over the destination, whatever the kernel does
// otherwise. Where the tile is what it was but for rows that a loop adds to,
// the share is what these add: the squares after each addition less those
// before.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/WorkgroupSums.h"
#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace trainc::fusion {

using lowering::buildGeneric;

Value addSquares(OpBuilder &b, Location loc, Value tile, Value sum,
                 bool minus) {
  unsigned rank = cast<RankedTensorType>(tile.getType()).getRank();
  SmallVector<int64_t, 4> all;
  llvm::append_range(all, llvm::seq<int64_t>(0, rank));
  return buildGeneric(
      b, loc, std::string(rank, 'r'), {{tile, all}}, {{sum, {}}},
      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
        Value wide = lowering::castFloat(body, loc, x[0], body.getF64Type());
        Value square = arith::MulFOp::create(body, loc, wide, wide);
        if (minus)
          return {arith::SubFOp::create(body, loc, x[1], square)};
        return {arith::AddFOp::create(body, loc, x[1], square)};
      })[0];
}

namespace {

/// The loop over workgroups, if there are several.
scf::ForallOp loopOf(plan::KernelOp kernel) {
  auto loops = kernel.getBody().front().getOps<scf::ForallOp>();
  return loops.empty() ? scf::ForallOp() : *loops.begin();
}

bool isView(Operation *op) {
  return isa_and_present<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

/// Where a kernel makes one of its results.
struct Maker {
  scf::ForallOp loop;                   ///< null: one workgroup
  tensor::ParallelInsertSliceOp insert; ///< of the tile, in the loop
  Value tile;                           ///< without a loop the whole result
};

std::optional<Maker> findMaker(plan::KernelOp kernel, unsigned result) {
  auto end = cast<plan::ReturnOp>(kernel.getBody().front().getTerminator());
  Value value = end.getValues()[result];
  scf::ForallOp loop = loopOf(kernel);
  if (!loop)
    return Maker{{}, {}, value};
  while (isView(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  if (value.getDefiningOp() != loop)
    return std::nullopt;
  BlockArgument out = loop.getTiedBlockArgument(cast<OpResult>(value));
  Maker maker{loop, {}, {}};
  for (Operation &op : loop.getTerminator().getYieldingOps()) {
    auto insert = dyn_cast<tensor::ParallelInsertSliceOp>(op);
    if (!insert || insert.getDest() != out)
      continue;
    if (maker.insert)
      return std::nullopt;
    maker.insert = insert;
    maker.tile = insert.getSource();
  }
  return maker.insert ? std::optional(maker) : std::nullopt;
}

/// A tile that a loop changes at one place after another: each time `before` is
/// taken out and `after` put back there.
struct Changes {
  scf::ForOp loop;
  tensor::ExtractSliceOp before;
  Value after;
};

std::optional<Changes> findChanges(Value tile) {
  auto loop = tile.getDefiningOp<scf::ForOp>();
  if (!loop || loop.getNumResults() != 1)
    return std::nullopt;
  BlockArgument current = loop.getRegionIterArg(0);
  auto insert =
      loop.getYieldedValues()[0].getDefiningOp<tensor::InsertSliceOp>();
  if (!insert || insert.getDest() != current)
    return std::nullopt;
  Changes changes{loop, {}, insert.getSource()};
  for (Operation *user : current.getUsers())
    if (auto extract = dyn_cast<tensor::ExtractSliceOp>(user);
        extract && !changes.before)
      changes.before = extract;
    else if (user != insert)
      return std::nullopt;
  auto same = [](auto a, auto b) { return llvm::equal(a, b); };
  if (!changes.before || changes.before.getType() != changes.after.getType() ||
      !same(changes.before.getMixedOffsets(), insert.getMixedOffsets()) ||
      !same(changes.before.getMixedSizes(), insert.getMixedSizes()) ||
      !same(changes.before.getMixedStrides(), insert.getMixedStrides()))
    return std::nullopt;
  return changes;
}

/// `sum` plus what the changes add to the squares of the tile. The loop becomes
/// one that carries it.
Value addChanges(Changes changes, Value sum) {
  IRRewriter rewriter(changes.loop.getContext());
  Location loc = changes.loop.getLoc();
  // Taken before the addition, which happens in place.
  tensor::ExtractSliceOp before = changes.before;
  auto loop = *changes.loop.replaceWithAdditionalYields(
      rewriter, sum, /*replaceInitOperandUsesInLoop=*/false,
      [&](OpBuilder &b, Location, ArrayRef<BlockArgument> carried) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointAfter(before);
        Value less =
            addSquares(b, loc, before.getResult(), carried[0], /*minus=*/true);
        b.setInsertionPointAfterValue(changes.after);
        return SmallVector<Value>{addSquares(b, loc, changes.after, less)};
      });
  return loop->getResult(1);
}

/// Whether results of this access are what they were but for some places.
bool isPartial(plan::KernelOp kernel, unsigned result, Value tile) {
  int32_t access = kernel.getAccess()[kernel.getNumInputs() + result];
  return access == int32_t(plan::Access::ReadWrite) &&
         tile.getDefiningOp<scf::ForOp>();
}

/// Number of the workgroup, row-major over the loop's dimensions.
OpFoldResult numberOf(OpBuilder &b, scf::ForallOp loop) {
  AffineExpr number = b.getAffineConstantExpr(0);
  SmallVector<OpFoldResult> indices;
  for (auto [d, bounds] : llvm::enumerate(llvm::zip(loop.getStaticLowerBound(),
                                                    loop.getStaticUpperBound(),
                                                    loop.getStaticStep()))) {
    auto [lower, upper, step] = bounds;
    AffineExpr place = (b.getAffineDimExpr(d) - lower).floorDiv(step);
    number = number * llvm::divideCeil(upper - lower, step) + place;
    indices.push_back(loop.getInductionVar(d));
  }
  return affine::makeComposedFoldedAffineApply(b, loop.getLoc(), number,
                                               indices);
}

/// The loop with further shared results `outs`; replaces it.
scf::ForallOp extendLoop(scf::ForallOp loop, ValueRange outs) {
  OpBuilder b(loop);
  SmallVector<Value> outputs(loop.getOutputs());
  llvm::append_range(outputs, outs);
  auto fresh = scf::ForallOp::create(
      b, loop.getLoc(), loop.getMixedLowerBound(), loop.getMixedUpperBound(),
      loop.getMixedStep(), outputs, loop.getMapping());
  Block *body = fresh.getBody(), *old = loop.getBody();
  fresh.getTerminator().erase();
  body->getOperations().splice(body->end(), old->getOperations());
  for (auto [from, to] : llvm::zip(old->getArguments(), body->getArguments()))
    from.replaceAllUsesWith(to);
  for (auto [from, to] : llvm::zip(loop.getResults(), fresh.getResults()))
    from.replaceAllUsesWith(to);
  loop.erase();
  return fresh;
}

} // namespace

int64_t workgroupsOf(plan::KernelOp kernel) {
  scf::ForallOp loop = loopOf(kernel);
  int64_t count = 1;
  if (loop)
    for (auto [lower, upper, step] :
         llvm::zip(loop.getStaticLowerBound(), loop.getStaticUpperBound(),
                   loop.getStaticStep()))
      count *= llvm::divideCeil(upper - lower, step);
  return count;
}

std::string obstacleToSums(plan::KernelOp kernel, unsigned result) {
  auto destination =
      kernel.getBufferTypes().drop_front(kernel.getNumInputs())[result];
  if (!isa<FloatType>(getElementTypeOrSelf(destination)))
    return "it is not of a float type";
  std::optional<Maker> maker = findMaker(kernel, result);
  if (!maker)
    return "its kernel does not write it by one tile per workgroup";
  if (isPartial(kernel, result, maker->tile) && !findChanges(maker->tile))
    return "its kernel changes it at some places only";
  return {};
}

bool sumsChanges(plan::KernelOp kernel, unsigned result) {
  return isPartial(kernel, result, findMaker(kernel, result)->tile);
}

void addWorkgroupSums(plan::KernelOp kernel, ArrayRef<unsigned> results) {
  Block &block = kernel.getBody().front();
  auto end = cast<plan::ReturnOp>(block.getTerminator());
  Location loc = kernel.getLoc();
  int64_t workgroups = workgroupsOf(kernel);
  auto type =
      RankedTensorType::get(workgroups, Float64Type::get(kernel.getContext()));

  // Destinations stand before the constant.
  SmallVector<Value> sums;
  unsigned buffers = kernel.getAccess().size();
  for (size_t i = 0; i < results.size(); ++i)
    sums.push_back(block.insertArgument(buffers + i, type, loc));
  SmallVector<int32_t> access(kernel.getAccess());
  access.append(results.size(), int32_t(plan::Access::Write));
  kernel.setAccess(access);

  scf::ForallOp loop = loopOf(kernel);
  if (loop)
    loop = extendLoop(loop, sums);
  double elements = 0;
  for (auto [i, result] : llvm::enumerate(results)) {
    Maker maker = *findMaker(kernel, result);
    std::optional<Changes> changes;
    if (isPartial(kernel, result, maker.tile))
      changes = findChanges(maker.tile);
    // Of changes, which are one addition each, twice.
    elements +=
        changes
            ? 2 * kernel.getFlops().convertToDouble()
            : double(cast<RankedTensorType>(end.getValues()[result].getType())
                         .getNumElements());
    OpBuilder b(end);
    Value shared = sums[i];
    OpFoldResult number = b.getIndexAttr(0), one = b.getIndexAttr(1);
    if (loop) {
      shared =
          loop.getRegionIterArgs()[loop.getNumResults() - results.size() + i];
      b.setInsertionPointToStart(loop.getBody());
      number = numberOf(b, loop);
      b.setInsertionPoint(loop.getTerminator());
    }
    if (changes)
      b.setInsertionPoint(changes->loop);
    Value share = slice(b, loc, shared, number, one, {0});
    share = lowering::fill(b, loc, share, 0.0);
    share = changes ? addChanges(*changes, share)
                    : addSquares(b, loc, maker.tile, share);
    if (loop) {
      b.setInsertionPointToEnd(loop.getTerminator().getBody());
      tensor::ParallelInsertSliceOp::create(b, loc, share, shared, number, one,
                                            one);
    } else {
      b.setInsertionPoint(end);
      shared = tensor::InsertSliceOp::create(b, loc, share, shared, number, one,
                                             one);
    }
    end.getValuesMutable().append(
        loop ? loop.getResult(loop.getNumResults() - results.size() + i)
             : shared);
  }
  kernel.setFlops(
      llvm::APFloat(kernel.getFlops().convertToDouble() + 2 * elements));
  kernel.setBytes(
      llvm::APFloat(kernel.getBytes().convertToDouble() +
                    8.0 * double(workgroups) * double(results.size())));
}

} // namespace trainc::fusion
