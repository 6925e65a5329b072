//===- ScanLowering.cpp - a loop over time in one kernel ------------------===//
//
// Decides how nn.scan runs: one kernel with a loop over the runs, so that
// neither the time to compile nor the size of a plan grows with their number.
// The states lie in temporaries; what a run makes is copied to its row at its
// end. The body's operations become linalg, elementwise ones fused where one
// reads the other.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/SmallVectorExtras.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

SmallVector<int64_t, 4> allDimensions(Value value) {
  return llvm::to_vector<4>(llvm::seq<int64_t>(0, typeOf(value).getRank()));
}

Value emptyLike(OpBuilder &b, Location loc, RankedTensorType type) {
  return tensor::EmptyOp::create(b, loc, type.getShape(),
                                 type.getElementType());
}

/// `to` with the elements of `from`. Not a generic, of which fusion would
/// forget that it writes where the state lies.
Value copy(OpBuilder &b, Location loc, Value from, Value to) {
  return linalg::CopyOp::create(b, loc, from, to).getResult(0);
}

/// Row `t` of a tensor with rows: offsets, sizes, strides.
struct Row {
  SmallVector<OpFoldResult> offsets, sizes, strides;

  Row(OpBuilder &b, RankedTensorType type, Value t)
      : offsets(type.getRank(), b.getIndexAttr(0)),
        sizes(getAsIndexOpFoldResult(b.getContext(), type.getShape())),
        strides(type.getRank(), b.getIndexAttr(1)) {
    offsets[0] = t;
    sizes[0] = b.getIndexAttr(1);
  }
};

Value readRow(OpBuilder &b, Location loc, Value stack, Value t) {
  RankedTensorType type = typeOf(stack);
  Row row(b, type, t);
  return tensor::ExtractSliceOp::create(
      b, loc, type.clone(type.getShape().drop_front()), stack, row.offsets,
      row.sizes, row.strides);
}

Value writeRow(OpBuilder &b, Location loc, Value value, Value stack, Value t) {
  Row row(b, typeOf(stack), t);
  return tensor::InsertSliceOp::create(b, loc, value, stack, row.offsets,
                                       row.sizes, row.strides);
}

//===----------------------------------------------------------------------===//
// Operations of the body
//===----------------------------------------------------------------------===//

Value lowerElementwise(OpBuilder &b, nn::ElementwiseOpInterface op,
                       ValueRange operands) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Location loc = op->getLoc();
  SmallVector<Indexed> inputs;
  for (auto [i, operand] : llvm::enumerate(operands))
    inputs.push_back({operand, llvm::to_vector<4>(op.getOperandDimensions(i))});
  Value out = emptyLike(b, loc, type);
  return buildGeneric(b, loc, std::string(type.getRank(), 'p'), inputs,
                      {{out, allDimensions(out)}},
                      [&](OpBuilder &body, ValueRange x) {
                        return SmallVector<Value>{op.buildScalar(
                            body, loc, x.take_front(operands.size()))};
                      })[0];
}

Value lowerSum(OpBuilder &b, nn::ReduceSumOp op, Value input) {
  Location loc = op->getLoc();
  std::string iterators(typeOf(input).getRank(), 'p');
  for (int64_t d : op.getDimensions())
    iterators[d] = 'r';
  SmallVector<int64_t, 4> kept;
  for (int64_t d = 0; d < typeOf(input).getRank(); ++d)
    if (iterators[d] == 'p')
      kept.push_back(d);
  Value out = fill(b, loc, emptyLike(b, loc, op.getType()), 0.0);
  Type element = op.getType().getElementType();
  return buildGeneric(
      b, loc, iterators, {{input, allDimensions(input)}}, {{out, kept}},
      [&](OpBuilder &body, ValueRange x) {
        return SmallVector<Value>{arith::AddFOp::create(
            body, loc, x[1], castFloat(body, loc, x[0], element))};
      })[0];
}

/// All of a tiled operation as one tile; nothing where tiles drop dimensions.
std::optional<SmallVector<Value>> lowerAsOneTile(OpBuilder &b, Operation *op,
                                                 ValueRange operands,
                                                 ValueRange destinations) {
  auto tiled = dyn_cast<nn::TiledOpInterface>(op);
  if (!tiled || op->getNumResults() != 1 || tiled.getDroppedRank() != 0 ||
      tiled.getTileSizes().empty())
    return std::nullopt;
  ArrayRef<int64_t> shape = typeOf(op->getResult(0)).getShape();
  Indices offsets(shape.size(), b.getIndexAttr(0));
  Indices sizes = getAsIndexOpFoldResult(b.getContext(), shape);
  SmallVector<Value> none(operands.size());
  return tiled.lowerTile(b, operands, none, offsets, sizes, destinations);
}

/// The workgroups of an operation, one after the other: a kernel has one loop
/// over workgroups at most.
SmallVector<Value> runInOrder(scf::ForallOp forall) {
  OpBuilder b(forall);
  Location loc = forall.getLoc();
  SmallVector<Value> lower, upper, step;
  for (auto [from, bounds] : {std::pair(forall.getMixedLowerBound(), &lower),
                              std::pair(forall.getMixedUpperBound(), &upper),
                              std::pair(forall.getMixedStep(), &step)})
    for (OpFoldResult bound : from)
      bounds->push_back(materialize(b, loc, bound));
  auto nest = scf::buildLoopNest(
      b, loc, lower, upper, step, forall.getOutputs(),
      [&](OpBuilder &inner, Location, ValueRange ivs, ValueRange outs) {
        IRMapping mapping;
        mapping.map(forall.getInductionVars(), ivs);
        for (auto [argument, out] : llvm::zip(forall.getRegionIterArgs(), outs))
          mapping.map(argument, out);
        for (Operation &op : forall.getBody()->without_terminator())
          inner.clone(op, mapping);
        scf::ValueVector results(outs.begin(), outs.end());
        for (Operation &op : forall.getTerminator().getYieldingOps()) {
          auto insert = cast<tensor::ParallelInsertSliceOp>(op);
          unsigned index =
              cast<BlockArgument>(insert.getDest()).getArgNumber() -
              forall.getRank();
          auto map = [&](ArrayRef<OpFoldResult> values) {
            return llvm::map_to_vector(values, [&](OpFoldResult v) {
              if (auto value = dyn_cast<Value>(v))
                return OpFoldResult(mapping.lookupOrDefault(value));
              return v;
            });
          };
          results[index] = tensor::InsertSliceOp::create(
              inner, loc, mapping.lookupOrDefault(insert.getSource()),
              results[index], map(insert.getMixedOffsets()),
              map(insert.getMixedSizes()), map(insert.getMixedStrides()));
        }
        return results;
      });
  return SmallVector<Value>(nest.results);
}

/// The values that an operation of the body computes from `operands`.
FailureOr<SmallVector<Value>> lowerOperation(OpBuilder &b, Operation *op,
                                             ValueRange operands) {
  if (auto view = dyn_cast<nn::ReshapeOp>(op))
    return SmallVector<Value>{
        reshape(b, op->getLoc(), operands[0], view.getType().getShape())};
  if (auto elementwise = dyn_cast<nn::ElementwiseOpInterface>(op))
    return SmallVector<Value>{lowerElementwise(b, elementwise, operands)};
  if (auto sum = dyn_cast<nn::ReduceSumOp>(op))
    return SmallVector<Value>{lowerSum(b, sum, operands[0])};
  SmallVector<Value> destinations;
  for (Type type : op->getResultTypes())
    destinations.push_back(
        emptyLike(b, op->getLoc(), cast<RankedTensorType>(type)));
  if (auto results = lowerAsOneTile(b, op, operands, destinations))
    return *results;
  auto lowerable = dyn_cast<LowerableOpInterface>(op);
  if (!lowerable)
    return op->emitError() << "expected an operation with a lowering, but got '"
                           << op->getName() << "', which has none";
  return lowerable.lower(b, operands, destinations);
}

//===----------------------------------------------------------------------===//
// The loop
//===----------------------------------------------------------------------===//

/// Makes loops of workgroups' loops, and one operation of elementwise ones that
/// only one other reads.
LogicalResult simplify(scf::ForOp loop) {
  SmallVector<scf::ForallOp> foralls;
  loop.walk([&](scf::ForallOp forall) { foralls.push_back(forall); });
  for (scf::ForallOp forall : foralls) {
    forall->replaceAllUsesWith(runInOrder(forall));
    forall->erase();
  }
  RewritePatternSet patterns(loop.getContext());
  linalg::populateElementwiseOpsFusionPatterns(
      patterns, [](OpOperand *operand) {
        Operation *producer = operand->get().getDefiningOp();
        return producer &&
               (producer->hasOneUse() || producer->getNumOperands() == 1);
      });
  GreedyRewriteConfig config;
  config.setStrictness(GreedyRewriteStrictness::ExistingAndNewOps);
  SmallVector<Operation *> ops;
  loop.getBody()->walk([&](linalg::GenericOp op) { ops.push_back(op); });
  return applyOpPatternsGreedily(ops, std::move(patterns), config);
}

struct ScanModel : LowerableOpInterface::ExternalModel<ScanModel, nn::ScanOp> {
  FailureOr<SmallVector<Value>> lower(Operation *raw, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto op = cast<nn::ScanOp>(raw);
    Location loc = op.getLoc();
    unsigned inputs = op.getInputs().size(), states = op.getStates().size(),
             outputs = op.getOutputs().size();
    ValueRange rows = operands.take_front(inputs),
               starts = operands.slice(inputs, states),
               shared = operands.drop_front(inputs + states);

    // Stacks of states and outputs, sums, then the states at hand.
    SmallVector<Value> carried(destinations);
    for (Value &sum :
         MutableArrayRef<Value>(carried).drop_front(states + outputs))
      sum = fill(builder, loc, sum, 0.0);
    for (Value start : starts)
      carried.push_back(
          copy(builder, loc, start, emptyLike(builder, loc, typeOf(start))));
    auto loop = scf::ForOp::create(builder, loc, index(builder, loc, 0),
                                   index(builder, loc, op.getLength()),
                                   index(builder, loc, 1), carried);
    OpBuilder b = OpBuilder::atBlockEnd(loop.getBody());
    Value t = loop.getInductionVar();
    if (op.getReverse())
      t = arith::SubIOp::create(b, loc, index(b, loc, op.getLength() - 1), t);
    SmallVector<Value> held(loop.getRegionIterArgs());

    IRMapping mapping;
    for (auto [argument, stack] : llvm::zip(op.getRowArguments(), rows))
      mapping.map(argument, readRow(b, loc, stack, t));
    mapping.map(op.getStateArguments(), ValueRange(held).take_back(states));
    mapping.map(op.getSharedArguments(), shared);
    for (Operation &inner : op.getBody().front().without_terminator()) {
      SmallVector<Value> values;
      for (Value operand : inner.getOperands())
        values.push_back(mapping.lookup(operand));
      auto results = lowerOperation(b, &inner, values);
      if (failed(results))
        return failure();
      mapping.map(inner.getResults(), *results);
    }
    writeResults(op, b, t, mapping, held);
    scf::YieldOp::create(b, loc, held);
    if (failed(simplify(loop)))
      return op.emitError("expected the body to become loops, but it did not; "
                          "this is an error of trainc");
    return SmallVector<Value>(
        loop.getResults().take_front(destinations.size()));
  }

  /// What a run made, into `held`.
  void writeResults(nn::ScanOp op, OpBuilder &b, Value t,
                    const IRMapping &mapping,
                    MutableArrayRef<Value> held) const {
    Location loc = op.getLoc();
    unsigned states = op.getStates().size(), outputs = op.getOutputs().size();
    unsigned sums = op.getSums().size();
    for (auto [i, value] : llvm::enumerate(op.getRowResults()))
      held[states + i] =
          writeRow(b, loc, mapping.lookup(value), held[states + i], t);
    for (auto [i, value] : llvm::enumerate(op.getTerms())) {
      Value &sum = held[states + outputs + i];
      sum = buildGeneric(b, loc, std::string(typeOf(sum).getRank(), 'p'),
                         {{mapping.lookup(value), allDimensions(sum)}},
                         {{sum, allDimensions(sum)}},
                         [&](OpBuilder &body, ValueRange x) {
                           return SmallVector<Value>{
                               arith::AddFOp::create(body, loc, x[1], x[0])};
                         })[0];
    }
    for (auto [i, value] : llvm::enumerate(op.getNewStates())) {
      Value &state = held[states + outputs + sums + i];
      state = copy(b, loc, mapping.lookup(value), state);
      held[i] = writeRow(b, loc, state, held[i], t);
    }
  }

  double flops(Operation *raw) const {
    auto op = cast<nn::ScanOp>(raw);
    double run = 0;
    for (Operation &inner : op.getBody().front().without_terminator())
      if (auto lowerable = dyn_cast<LowerableOpInterface>(inner))
        run += lowerable.flops();
      else if (inner.getNumOperands() != 0 && inner.getNumResults() == 1)
        run += double(typeOf(inner.getResult(0)).getNumElements());
    return run * double(op.getLength());
  }
};

} // namespace

void registerScanLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::ScanOp::attachInterface<ScanModel>(*context);
  });
}

} // namespace trainc::fusion::lowering
