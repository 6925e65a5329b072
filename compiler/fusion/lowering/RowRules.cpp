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
};

/// All operands and results are by rows.
template <typename Op>
struct AllRows : RowwiseOpInterface::ExternalModel<AllRows<Op>, Op> {
  LogicalResult cutRows(Operation *, IsByRows, MutableArrayRef<bool> operands,
                        MutableArrayRef<bool>) const {
    std::fill(operands.begin(), operands.end(), true);
    return success();
  }
};

} // namespace

void registerRowRules(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, nn::NNDialect *) {
    nn::MatmulOp::attachInterface<MatmulRows>(*context);
    nn::ReduceSumOp::attachInterface<ReduceSumRows>(*context);
    nn::CrossEntropyOp::attachInterface<AllRows<nn::CrossEntropyOp>>(*context);
    nn::CrossEntropyGradOp::attachInterface<AllRows<nn::CrossEntropyGradOp>>(
        *context);
    nn::CrossEntropyWithGradOp::attachInterface<
        AllRows<nn::CrossEntropyWithGradOp>>(*context);
  });
}

} // namespace trainc::fusion::lowering
