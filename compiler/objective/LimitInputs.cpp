//===- LimitInputs.cpp - indices of the data stay inside their tables -----===//
//
// Kernels choose rows of tables and logits by integers of the data without a
// look at them. What keeps them inside is the runtime's check of every batch
// against the limits that are found here: of each input, the smallest of what
// its elements are used to choose from, in any program.
//
//===----------------------------------------------------------------------===//

#include "compiler/objective/Passes.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace trainc::objective {

#define GEN_PASS_DEF_LIMITINPUTSPASS
#include "compiler/objective/Passes.h.inc"

namespace {

/// What the values of one input may be.
struct Limit {
  int64_t limit;
  std::optional<int64_t> ignored; ///< only where every use ignores it
};

/// Where indices come from, through operations that only move elements.
Value originOf(Value indices) {
  while (true) {
    if (auto argument = dyn_cast<BlockArgument>(indices)) {
      auto scan = dyn_cast<nn::ScanOp>(argument.getOwner()->getParentOp());
      if (!scan)
        return indices;
      indices = scan.getOperandOf(argument);
      continue;
    }
    Operation *op = indices.getDefiningOp();
    if (!op->hasTrait<nn::MovesElements>())
      return indices;
    indices = op->getOperand(0);
  }
}

class LimitFinder {
public:
  explicit LimitFinder(ModuleOp module) : module_(module) {}

  LogicalResult run() {
    for (auto program : module_.getOps<plan::ProgramOp>()) {
      WalkResult result = program.walk([&](nn::IndexingOpInterface op) {
        return WalkResult(check(program, op));
      });
      if (result.wasInterrupted())
        return failure();
    }
    Builder builder(module_.getContext());
    NamedAttrList limits;
    for (const auto &[name, limit] : limits_) {
      NamedAttrList one;
      one.append("limit", builder.getI64IntegerAttr(limit.limit));
      if (limit.ignored)
        one.append("ignore", builder.getI64IntegerAttr(*limit.ignored));
      limits.append(name, one.getDictionary(module_.getContext()));
    }
    module_->setAttr("train.input_limits",
                     limits.getDictionary(module_.getContext()));
    return success();
  }

private:
  LogicalResult check(plan::ProgramOp program, nn::IndexingOpInterface op) {
    Value origin = originOf(op.getIndices());
    if (auto argument = dyn_cast<BlockArgument>(origin))
      return checkInput(program, argument, op);
    Operation *source = origin.getDefiningOp();
    if (auto constant = dyn_cast<nn::ConstantOp>(source))
      return checkConstant(constant, op);
    InFlightDiagnostic diagnostic =
        op->emitOpError()
        << "expected indices that are elements of an input or a constant, so "
           "that they can be checked when data is read, but got computed ones";
    diagnostic.attachNote(source->getLoc()) << "they come from here";
    return diagnostic;
  }

  LogicalResult checkInput(plan::ProgramOp program, BlockArgument argument,
                           nn::IndexingOpInterface op) {
    auto name = cast<StringAttr>(program.getInputs()[argument.getArgNumber()]);
    if (name.getValue().starts_with("control."))
      return checkPosition(op);
    Limit own{op.getIndexLimit(), op.getIgnoredIndex()};
    auto [entry, isNew] = limits_.try_emplace(name, own);
    Limit &limit = entry->second;
    limit.limit = std::min(limit.limit, own.limit);
    if (limit.ignored != own.ignored)
      limit.ignored = std::nullopt;
    return success();
  }

  /// Of integer inputs of the step loop, positions of a sequence are i32.
  LogicalResult checkPosition(nn::IndexingOpInterface op) {
    auto length = module_->getAttrOfType<IntegerAttr>("train.length");
    if (!length || length.getInt() <= op.getIndexLimit())
      return success();
    return op->emitOpError()
           << "expected a row for each of train.length = " << length.getInt()
           << " positions, but got " << op.getIndexLimit();
  }

  LogicalResult checkConstant(nn::ConstantOp constant,
                              nn::IndexingOpInterface op) {
    auto values = dyn_cast<DenseIntElementsAttr>(constant.getValue());
    if (!values)
      return success();
    for (const APInt &value : values)
      if (int64_t index = value.getSExtValue();
          (index < 0 || index >= op.getIndexLimit()) &&
          op.getIgnoredIndex() != index)
        return op->emitOpError()
               << "expected indices from 0 to " << op.getIndexLimit() - 1
               << ", but got the constant " << index;
    return success();
  }

  ModuleOp module_;
  llvm::MapVector<StringAttr, Limit> limits_;
};

struct LimitInputsPass : impl::LimitInputsPassBase<LimitInputsPass> {
  void runOnOperation() override {
    if (failed(LimitFinder(getOperation()).run()))
      signalPassFailure();
  }
};

} // namespace
} // namespace trainc::objective
