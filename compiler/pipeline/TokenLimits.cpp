//===- TokenLimits.cpp - ids stay inside their tables ---------------------===//
//
// Kernels index tables and rows of logits by ids of the data without a look at
// them. What keeps them inside is the runtime's check of every batch: ids of
// inputs called "…inputs" and "…targets" below train.vocab_size, targets also
// train.ignore_index. A module that a person wrote must agree with that.
//
//===----------------------------------------------------------------------===//

#include "compiler/pipeline/TokenLimits.h"

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"

using namespace mlir;

namespace trainc {
namespace {

/// The input that `ids` come from, through operations of one operand; empty
/// where they are computed or come from the step loop.
StringRef inputOf(Value ids) {
  while (Operation *op = ids.getDefiningOp()) {
    if (op->getNumOperands() != 1)
      return {};
    ids = op->getOperand(0);
  }
  auto argument = cast<BlockArgument>(ids);
  Operation *owner = argument.getOwner()->getParentOp();
  ArrayAttr names;
  if (auto step = dyn_cast<train::StepOp>(owner))
    names = step.getInputs();
  else if (auto program = dyn_cast<plan::ProgramOp>(owner))
    names = program.getInputs();
  if (!names || argument.getArgNumber() >= names.size())
    return {};
  auto name = dyn_cast<StringAttr>(names[argument.getArgNumber()]);
  return !name || name.getValue().starts_with("control.") ? StringRef()
                                                          : name.getValue();
}

LogicalResult check(Operation *op, Value ids, int64_t rows) {
  const StringRef input = inputOf(ids);
  if (input.empty())
    return success();
  if (!input.ends_with("inputs") && !input.ends_with("targets"))
    return op->emitError() << "expected ids of an input whose name ends in "
                              "inputs or targets, which have a limit, but got "
                           << "those of '" << input << "'";
  auto module = op->getParentOfType<ModuleOp>();
  auto limit = module->getAttrOfType<IntegerAttr>("train.vocab_size");
  if (!limit || limit.getInt() < 1)
    return op->emitError() << "expected the module attribute train.vocab_size, "
                              "the limit of ids in the data, but got none";
  if (limit.getInt() > rows)
    return op->emitError() << "expected a row for each of train.vocab_size = "
                           << limit.getInt() << " ids, but got " << rows;
  return success();
}

LogicalResult checkIgnored(nn::CrossEntropyOp op) {
  auto module = op->getParentOfType<ModuleOp>();
  auto ignored = module->getAttrOfType<IntegerAttr>("train.ignore_index");
  if (!inputOf(op.getTargets()).ends_with("targets") || !ignored ||
      ignored.getInt() == static_cast<int64_t>(op.getIgnoreIndex()))
    return success();
  return op.emitError() << "expected ignore_index = " << ignored.getInt()
                        << " as train.ignore_index says, but got "
                        << static_cast<int64_t>(op.getIgnoreIndex());
}

} // namespace

LogicalResult checkTokenLimits(ModuleOp module) {
  WalkResult result = module.walk([](Operation *op) {
    if (auto embedding = dyn_cast<nn::EmbeddingOp>(op))
      return WalkResult(check(op, embedding.getIds(),
                              embedding.getTable().getType().getDimSize(0)));
    if (auto loss = dyn_cast<nn::CrossEntropyOp>(op)) {
      if (failed(check(op, loss.getTargets(),
                       loss.getLogits().getType().getDimSize(1))))
        return WalkResult::interrupt();
      return WalkResult(checkIgnored(loss));
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

} // namespace trainc
