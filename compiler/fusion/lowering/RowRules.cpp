//===- RowRules.cpp - how operations fall into rows -----------------------===//

#include "compiler/fusion/lowering/Lowering.h"
#include "dialects/nn/Nn.h"

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

using nn::RowwiseOpInterface;
using IsByRows = llvm::function_ref<bool(Value)>;

/// Rows of the left operand are rows of the result; over rows of both, with the
/// left one transposed, the product is a sum.
struct MatmulRows
    : RowwiseOpInterface::ExternalModel<MatmulRows, nn::MatmulOp> {
  LogicalResult cutRows(Operation *op, IsByRows isByRows,
                        MutableArrayRef<bool> operands,
                        MutableArrayRef<bool> sums) const {
    auto matmul = cast<nn::MatmulOp>(op);
    bool tl = matmul.getTransposeLhs(), tr = matmul.getTransposeRhs();
    bool lhs = isByRows(matmul.getLhs()), rhs = isByRows(matmul.getRhs()),
         result = isByRows(matmul.getResult());
    if (matmul.getType().getRank() != 2)
      return failure();
    operands[0] = true;
    if (!tl && (lhs || result))
      return success(!rhs);
    operands[1] = sums[0] = true;
    return success(tl && !tr && (lhs || rhs) && !result);
  }
  bool isSilent(Operation *op, unsigned, ArrayRef<bool> silent) const {
    return silent[0] || (silent[1] && cast<nn::MatmulOp>(op).getTransposeLhs());
  }
};

struct ReduceSumRows
    : RowwiseOpInterface::ExternalModel<ReduceSumRows, nn::ReduceSumOp> {
  LogicalResult cutRows(Operation *op, IsByRows isByRows,
                        MutableArrayRef<bool> operands,
                        MutableArrayRef<bool> sums) const {
    auto reduction = cast<nn::ReduceSumOp>(op);
    ArrayRef<int64_t> dimensions = reduction.getDimensions();
    operands[0] = true;
    sums[0] = !dimensions.empty() && dimensions.front() == 0;
    return success(isByRows(reduction.getInput()));
  }
  bool isSilent(Operation *, unsigned, ArrayRef<bool> silent) const {
    return silent[0];
  }
};

/// A loss or its gradient. All operands and results are by rows.
template <typename Op>
struct LossRows : RowwiseOpInterface::ExternalModel<LossRows<Op>, Op> {
  LogicalResult cutRows(Operation *, IsByRows, MutableArrayRef<bool> operands,
                        MutableArrayRef<bool>) const {
    std::fill(operands.begin(), operands.end(), true);
    return success();
  }
  std::optional<std::pair<Value, int64_t>> getRowTargets(Operation *op) const {
    auto loss = cast<Op>(op);
    return std::pair<Value, int64_t>(loss.getTargets(), loss.getIgnoreIndex());
  }
  bool isSilent(Operation *op, unsigned result, ArrayRef<bool> silent) const {
    // Ids of rows that do not count and no gradient; lse is never zero.
    auto isOf = [&](OpOperand &operand) {
      return silent[operand.getOperandNumber()];
    };
    auto loss = cast<Op>(op);
    if (isLse(loss, op->getResult(result)))
      return false;
    if (isOf(loss.getTargetsMutable()))
      return true;
    if constexpr (std::is_same_v<Op, nn::CrossEntropyOp>)
      return false;
    else
      return op->getResult(result) == gradientOf(loss) &&
             isOf(loss.getGradientMutable());
  }

private:
  static bool isLse(Op loss, Value result) {
    if constexpr (std::is_same_v<Op, nn::CrossEntropyGradOp>)
      return false;
    else
      return result == loss.getLse();
  }
  static Value gradientOf(Op loss) {
    if constexpr (std::is_same_v<Op, nn::CrossEntropyOp>)
      return {};
    else
      return loss.getResult();
  }
};

} // namespace

void registerRowRules(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::MatmulOp::attachInterface<MatmulRows>(*context);
    nn::ReduceSumOp::attachInterface<ReduceSumRows>(*context);
    nn::CrossEntropyOp::attachInterface<LossRows<nn::CrossEntropyOp>>(*context);
    nn::CrossEntropyGradOp::attachInterface<LossRows<nn::CrossEntropyGradOp>>(
        *context);
    nn::CrossEntropyWithGradOp::attachInterface<
        LossRows<nn::CrossEntropyWithGradOp>>(*context);
  });
}

} // namespace trainc::fusion::lowering
