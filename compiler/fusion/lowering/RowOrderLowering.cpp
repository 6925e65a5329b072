//===- RowOrderLowering.cpp - rows that count to the front ----------------===//
//
// The order is made by one workgroup in two passes over the targets: one more
// per row and step is nothing beside a row of logits, and it is the same for
// any number of threads.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/lowering/Generic.h"
#include "compiler/fusion/lowering/Lowering.h"
#include "compiler/support/BufferSize.h"
#include "dialects/nn/Nn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <limits>

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::LowerableOpInterface;

Value toInteger(OpBuilder &b, Location loc, Value position, Type type) {
  return arith::IndexCastOp::create(b, loc, type, position);
}

struct OrderRowsModel
    : LowerableOpInterface::ExternalModel<OrderRowsModel, nn::OrderRowsOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &b,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto order = cast<nn::OrderRowsOp>(op);
    Location loc = op->getLoc();
    Value targets = operands[0], zero = index(b, loc, 0),
          one = index(b, loc, 1),
          rows = index(b, loc, order.getTargets().getType().getDimSize(0));
    auto counts = [&](OpBuilder &body, Value row) -> Value {
      Value target = tensor::ExtractOp::create(body, loc, targets, row);
      Value ignored = arith::ConstantOp::create(
          body, loc, body.getI32IntegerAttr(order.getIgnoreIndex()));
      return arith::CmpIOp::create(body, loc, arith::CmpIPredicate::ne, target,
                                   ignored);
    };

    auto count = scf::ForOp::create(b, loc, zero, rows, one, zero);
    {
      OpBuilder body = OpBuilder::atBlockEnd(count.getBody());
      Value so_far = count.getRegionIterArgs()[0];
      Value next = arith::AddIOp::create(body, loc, so_far, one);
      Value sum = arith::SelectOp::create(
          body, loc, counts(body, count.getInductionVar()), next, so_far);
      scf::YieldOp::create(body, loc, sum);
    }
    Value counted = count.getResult(0);

    // Of rows that count and of the others: the slot of the next.
    auto place = scf::ForOp::create(
        b, loc, zero, rows, one,
        ValueRange{destinations[0], destinations[1], zero, counted});
    {
      OpBuilder body = OpBuilder::atBlockEnd(place.getBody());
      Value row = place.getInductionVar();
      auto state = place.getRegionIterArgs();
      Value isCounted = counts(body, row);
      Value slot =
          arith::SelectOp::create(body, loc, isCounted, state[2], state[3]);
      Type id = body.getI32Type();
      Value rowsInOrder = tensor::InsertOp::create(
          body, loc, toInteger(body, loc, row, id), state[0], slot);
      Value slots = tensor::InsertOp::create(
          body, loc, toInteger(body, loc, slot, id), state[1], row);
      auto after = [&](Value next) -> Value {
        return arith::AddIOp::create(body, loc, next, one);
      };
      Value nextCounted = arith::SelectOp::create(body, loc, isCounted,
                                                  after(state[2]), state[2]);
      Value nextOther = arith::SelectOp::create(body, loc, isCounted, state[3],
                                                after(state[3]));
      scf::YieldOp::create(
          body, loc, ValueRange{rowsInOrder, slots, nextCounted, nextOther});
    }

    SmallVector<Value> results = {place.getResult(0), place.getResult(1)};
    Type number = b.getI64Type();
    results.push_back(
        tensor::InsertOp::create(b, loc, toInteger(b, loc, counted, number),
                                 destinations[2], ValueRange()));
    auto integer = [&](int64_t value) -> Value {
      return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
    };
    for (auto [first, destination] :
         llvm::zip(order.getFirsts(), destinations.drop_front(3))) {
      Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt,
                                         counted, index(b, loc, first));
      Value bound = arith::SelectOp::create(
          b, loc, some, integer(std::numeric_limits<int64_t>::max()),
          integer(0));
      results.push_back(
          tensor::InsertOp::create(b, loc, bound, destination, ValueRange()));
    }
    return results;
  }
  double flops(Operation *) const { return 0; }
};

struct GatherRowsModel
    : LowerableOpInterface::ExternalModel<GatherRowsModel, nn::GatherRowsOp> {
  FailureOr<SmallVector<Value>> lower(Operation *op, OpBuilder &builder,
                                      ValueRange operands,
                                      ValueRange destinations) const {
    auto gather = cast<nn::GatherRowsOp>(op);
    Location loc = op->getLoc();
    RankedTensorType type = gather.getType();
    Type element = type.getElementType();
    // Rows of one dimension, be they scalars or more.
    int64_t rows = type.getDimSize(0);
    SmallVector<int64_t> shape = {rows, type.getNumElements() / rows};
    Value input = reshape(builder, loc, operands[0], shape);
    Value out = reshape(builder, loc, destinations[0], shape);
    SmallVector<Value> results = buildTiles(
        builder, loc, shape, chooseTile(shape), out,
        [&](OpBuilder &b, ArrayRef<OpFoldResult> offsets,
            ArrayRef<OpFoldResult> sizes, ValueRange outs) {
          Value limit;
          if (gather.getBelow())
            limit = tensor::ExtractOp::create(b, loc, operands[2]);
          Value names = slice(b, loc, operands[1], offsets[0], sizes[0]);
          Value gathered = buildGeneric(
              b, loc, "pp", {{names, {0}}},
              {{slice(b, loc, outs[0], offsets, sizes), {0, 1}}},
              [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                Value row = arith::IndexCastOp::create(
                    body, loc, body.getIndexType(), x[0]);
                Value column = arith::AddIOp::create(
                    body, loc, linalg::IndexOp::create(body, loc, 1),
                    materialize(body, loc, offsets[1]));
                Value value = tensor::ExtractOp::create(
                    body, loc, input, ValueRange{row, column});
                if (!limit)
                  return {value};
                Value inside = arith::CmpIOp::create(
                    body, loc, arith::CmpIPredicate::slt,
                    arith::ExtSIOp::create(body, loc, limit.getType(), x[0]),
                    limit);
                Value zero = arith::ConstantOp::create(
                    body, loc, body.getZeroAttr(element));
                return {
                    arith::SelectOp::create(body, loc, inside, value, zero)};
              })[0];
          return SmallVector<TileResult>{
              {gathered, Indices(offsets), Indices(sizes)}};
        });
    return SmallVector<Value>{
        reshape(builder, loc, results[0], type.getShape())};
  }
  double flops(Operation *) const { return 0; }
};

} // namespace

void registerRowOrderLowering(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::OrderRowsOp::attachInterface<OrderRowsModel>(*context);
    nn::GatherRowsOp::attachInterface<GatherRowsModel>(*context);
  });
}

} // namespace trainc::fusion::lowering
