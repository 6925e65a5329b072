//===- ScanOps.cpp - verifier and parts of nn.scan ------------------------===//

#include "dialects/nn/Nn.h"

using namespace mlir;

namespace trainc::nn {

int64_t ScanOp::getLength() {
  return cast<RankedTensorType>(getInputs().front().getType()).getDimSize(0);
}

ValueRange ScanOp::getRowArguments() {
  return ValueRange(getBody().getArguments()).take_front(getInputs().size());
}

ValueRange ScanOp::getStateArguments() {
  return ValueRange(getBody().getArguments())
      .slice(getInputs().size(), getStarts().size());
}

ValueRange ScanOp::getSharedArguments() {
  return ValueRange(getBody().getArguments()).take_back(getShared().size());
}

ValueRange ScanOp::getNewStates() {
  Operation *yield = getBody().front().getTerminator();
  return ValueRange(yield->getOperands()).take_front(getStates().size());
}

ValueRange ScanOp::getRowResults() {
  Operation *yield = getBody().front().getTerminator();
  return ValueRange(yield->getOperands())
      .slice(getStates().size(), getOutputs().size());
}

ValueRange ScanOp::getTerms() {
  Operation *yield = getBody().front().getTerminator();
  return ValueRange(yield->getOperands()).take_back(getSums().size());
}

Value ScanOp::getOperandOf(BlockArgument argument) {
  return getOperand(argument.getArgNumber());
}

/// The type of a row of `type`.
static RankedTensorType rowOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.clone(tensor.getShape().drop_front());
}

/// Types of a list against what they should be.
static LogicalResult verifyTypes(ScanOp op, StringRef what, TypeRange got,
                                 ArrayRef<Type> wanted) {
  if (got.size() != wanted.size()) // scan_c2, scan_c3
    return op.emitOpError() << "expected " << wanted.size() << " " << what
                            << ", but got " << got.size();
  for (auto [i, types] : llvm::enumerate(llvm::zip(got, wanted)))
    if (std::get<0>(types) != std::get<1>(types))
      return op.emitOpError()
             << "expected " << std::get<1>(types) << " as number " << i + 1
             << " of the " << what << ", but got " << std::get<0>(types);
  return success();
}

LogicalResult ScanOp::verify() {
  if (getInputs().empty() || getStarts().empty()) // scan_c1
    return emitOpError() << "expected an operand to go over and a state to go "
                            "from, but got "
                         << getInputs().size() << " and " << getStarts().size();
  for (Type type : getInputs().getTypes()) {
    auto tensor = cast<RankedTensorType>(type);
    if (tensor.getRank() == 0 || tensor.getDimSize(0) == 0 ||
        (getInputs().front().getType() != type &&
         tensor.getDimSize(0) !=
             cast<RankedTensorType>(getInputs().front().getType())
                 .getDimSize(0))) // scan_c1
      return emitOpError() << "expected operands to go over of one first "
                              "dimension, but got "
                           << getInputs().front().getType() << " and " << type;
  }
  for (Type type : llvm::concat<const Type>(getStates().getTypes(),
                                            getOutputs().getTypes()))
    if (auto tensor = cast<RankedTensorType>(type);
        tensor.getRank() == 0 || tensor.getDimSize(0) != getLength()) // scan_c3
      return emitOpError() << "expected states and outputs with a first "
                              "dimension of "
                           << getLength() << ", but got " << type;
  return success();
}

LogicalResult ScanOp::verifyRegions() {
  SmallVector<Type> wanted;
  for (Type type : getInputs().getTypes())
    wanted.push_back(rowOf(type));
  llvm::append_range(wanted, getStarts().getTypes());
  llvm::append_range(wanted, getShared().getTypes());
  Block &block = getBody().front();
  if (failed(verifyTypes(*this, "arguments of the body",
                         block.getArgumentTypes(), wanted)))
    return failure();
  auto yield =
      dyn_cast_if_present<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield)
    return emitOpError() << "expected a body that ends with nn.yield";
  SmallVector<Type> results;
  for (Type type : llvm::concat<const Type>(getStates().getTypes(),
                                            getOutputs().getTypes()))
    results.push_back(rowOf(type));
  llvm::append_range(results, getSums().getTypes());
  if (getStates().size() != getStarts().size()) // scan_c3
    return emitOpError() << "expected " << getStarts().size()
                         << " states as results, but got "
                         << getStates().size();
  for (auto [i, types] : llvm::enumerate(
           llvm::zip(getStarts().getTypes(), getStates().getTypes())))
    if (std::get<0>(types) != rowOf(std::get<1>(types))) // scan_c3
      return emitOpError() << "expected rows of state " << i + 1 << " of type "
                           << std::get<0>(types) << ", but got "
                           << std::get<1>(types);
  if (failed(verifyTypes(*this, "values that the body yields",
                         yield.getOperandTypes(), results)))
    return failure();
  for (Operation &op : block.without_terminator()) { // scan_c4
    auto noise = dyn_cast<NoiseStreamOpInterface>(op);
    if (!isa<NNDialect>(op.getDialect()) || (noise && noise.getNoiseStream()))
      return op.emitOpError() << "expected operations of nn without noise in "
                                 "the body of nn.scan, but got this one";
  }
  return success();
}

} // namespace trainc::nn
