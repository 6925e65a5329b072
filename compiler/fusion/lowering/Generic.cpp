//===- Generic.cpp - terse construction of linalg operations --------------===//

#include "compiler/fusion/lowering/Generic.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace trainc::fusion::lowering {

SmallVector<Value> buildGeneric(OpBuilder &builder, Location loc,
                                StringRef iterators, ArrayRef<Indexed> inputs,
                                ArrayRef<Indexed> outputs, ScalarBody body) {
  SmallVector<AffineMap> maps;
  SmallVector<Value> ins, outs;
  for (const Indexed &operand : llvm::concat<const Indexed>(inputs, outputs)) {
    SmallVector<AffineExpr> exprs;
    for (int64_t d : operand.dimensions)
      exprs.push_back(builder.getAffineDimExpr(d));
    maps.push_back(
        AffineMap::get(iterators.size(), 0, exprs, builder.getContext()));
  }
  for (const Indexed &input : inputs)
    ins.push_back(input.value);
  for (const Indexed &output : outputs)
    outs.push_back(output.value);
  SmallVector<utils::IteratorType> types;
  for (char iterator : iterators)
    types.push_back(iterator == 'r' ? utils::IteratorType::reduction
                                    : utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      builder, loc, ValueRange(outs).getTypes(), ins, outs, maps, types,
      [&](OpBuilder &b, Location, ValueRange scalars) {
        linalg::YieldOp::create(b, loc, body(b, scalars));
      });
  return SmallVector<Value>(generic.getResults());
}

Value constant(OpBuilder &builder, Location loc, Type type, double value) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getFloatAttr(type, value));
}

Value index(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value fill(OpBuilder &builder, Location loc, Value tensor, double value) {
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  return linalg::FillOp::create(builder, loc,
                                constant(builder, loc, element, value), tensor)
      .getResult(0);
}

Value empty(OpBuilder &builder, Location loc, ArrayRef<OpFoldResult> sizes,
            Type element) {
  return tensor::EmptyOp::create(builder, loc, sizes, element);
}

Value materialize(OpBuilder &builder, Location loc, OpFoldResult index) {
  return getValueOrCreateConstantIndexOp(builder, loc, index);
}

Value castFloat(OpBuilder &builder, Location loc, Value value, Type element) {
  unsigned from = value.getType().getIntOrFloatBitWidth();
  unsigned to = element.getIntOrFloatBitWidth();
  if (from < to)
    return arith::ExtFOp::create(builder, loc, element, value);
  if (from > to)
    return arith::TruncFOp::create(builder, loc, element, value);
  return value;
}

Value widened(OpBuilder &builder, Location loc, Value tile, Type element) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (type.getElementType() == element)
    return tile;
  Value wide =
      empty(builder, loc, tensor::getMixedSizes(builder, loc, tile), element);
  auto all = llvm::to_vector<4>(llvm::seq<int64_t>(0, type.getRank()));
  return buildGeneric(builder, loc, std::string(type.getRank(), 'p'),
                      {{tile, all}}, {{wide, all}},
                      [&](OpBuilder &body, ValueRange x) -> SmallVector<Value> {
                        return {castFloat(body, loc, x[0], element)};
                      })[0];
}

} // namespace trainc::fusion::lowering
