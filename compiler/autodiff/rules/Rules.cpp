//===- Rules.cpp - the operations that rules build ------------------------===//

#include "compiler/autodiff/rules/Rules.h"

using namespace mlir;

namespace trainc::autodiff {

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

Value RuleContext::splat(double value, Value like) {
  RankedTensorType type = typeOf(like);
  auto element = builder.getFloatAttr(type.getElementType(), value);
  return build<nn::ConstantOp>(type, SplatElementsAttr::get(type, element));
}

Value RuleContext::compare(nn::ComparePredicate predicate, Value x, Value y) {
  Type type = typeOf(x).clone(builder.getI1Type());
  return build<nn::CompareOp>(type, predicate, x, y);
}

Value RuleContext::castLike(Value x, Value like) {
  Type element = typeOf(like).getElementType();
  if (typeOf(x).getElementType() == element)
    return x;
  return build<nn::CastOp>(typeOf(x).clone(element), x);
}

Value RuleContext::reduceSum(Value x, ArrayRef<int64_t> dimensions) {
  if (dimensions.empty())
    return x;
  SmallVector<int64_t> shape;
  for (int64_t d = 0; d < typeOf(x).getRank(); ++d)
    if (!llvm::is_contained(dimensions, d))
      shape.push_back(typeOf(x).getDimSize(d));
  return build<nn::ReduceSumOp>(typeOf(x).clone(shape), x, dimensions);
}

Value RuleContext::broadcastAlong(Value x, ArrayRef<int64_t> reduced,
                                  Value like) {
  SmallVector<int64_t> kept;
  for (int64_t d = 0; d < typeOf(like).getRank(); ++d)
    if (!llvm::is_contained(reduced, d))
      kept.push_back(d);
  Type type = typeOf(x).clone(typeOf(like).getShape());
  return build<nn::BroadcastOp>(type, x, kept);
}

} // namespace trainc::autodiff
