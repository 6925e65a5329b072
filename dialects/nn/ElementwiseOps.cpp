//===- ElementwiseOps.cpp - verifiers and folders of elementwise operations
//===//

#include "dialects/nn/Nn.h"

using namespace mlir;

namespace trainc::nn {

static LogicalResult verifySameShape(Operation *op, ArrayRef<int64_t> expected,
                                     ArrayRef<int64_t> got, StringRef what) {
  if (expected == got)
    return success();
  return op->emitOpError() << "expected " << what << " of shape [" << expected
                           << "], but got [" << got << "]";
}

LogicalResult CompareOp::verify() {
  // compare_c1
  return verifySameShape(*this, getLhs().getType().getShape(),
                         getResult().getType().getShape(), "a result");
}

LogicalResult SelectOp::verify() {
  // select_c1
  return verifySameShape(*this, getResult().getType().getShape(),
                         getCondition().getType().getShape(), "a condition");
}

LogicalResult AccumulateOp::verify() {
  if (!getFirst())
    return success();
  // accumulate_c1
  return verifySameShape(*this, {}, getFirst().getType().getShape(),
                         "a scalar for 'first'");
}

LogicalResult CastOp::verify() {
  // cast_c1
  return verifySameShape(*this, getInput().getType().getShape(),
                         getResult().getType().getShape(), "a result");
}

OpFoldResult CastOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  // Constants of update rules are f64 scalars: round them here, once.
  auto splat = dyn_cast_or_null<SplatElementsAttr>(adaptor.getInput());
  auto to = dyn_cast<FloatType>(getType().getElementType());
  if (!splat || !to || !isa<FloatType>(splat.getElementType()))
    return {};
  APFloat value = splat.getSplatValue<APFloat>();
  bool losesInfo;
  value.convert(to.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                &losesInfo);
  return DenseElementsAttr::get(getType(), value);
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

} // namespace trainc::nn
