//===- ScanRules.cpp - the derivative of nn.scan --------------------------===//
//
// Decides what is kept of a scan for its backward pass, and what the backward
// pass does at once for all runs. It is a scan the other way: run t gets what
// run t got (the states before it are the results of the scan, so nothing else
// is stored), computes the body again, and from the gradient of the states
// after it that of the states before it. A gradient of a shared operand is the
// sum of what the runs contribute; where that is a matrix product, the sum over
// the runs is one product of all their rows.
//
//===----------------------------------------------------------------------===//

#include "compiler/autodiff/ReverseMode.h"
#include "compiler/autodiff/rules/Rules.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace trainc::autodiff {
namespace {

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

RankedTensorType stacked(Type row, int64_t length) {
  auto type = cast<RankedTensorType>(row);
  SmallVector<int64_t> shape = {length};
  llvm::append_range(shape, type.getShape());
  return type.clone(shape);
}

class ScanDifferentiator {
public:
  ScanDifferentiator(nn::ScanOp op, RuleContext &c)
      : op(op), c(c), length(op.getLength()), inner(c.builder.getContext()),
        mode(inner) {}

  LogicalResult run() {
    collectOperands();
    buildForward();
    seed();
    if (failed(mode.propagate(forward)))
      return failure();
    finishBody();
    buildScan();
    setGradients();
    return success();
  }

private:
  /// Rows of `stack` as they were before each run: those of `start`, then of
  /// the run before.
  Value before(Value start, Value stack) {
    auto type = typeOf(stack);
    SmallVector<int64_t> one(type.getShape()), rest(type.getShape());
    one[0] = 1, rest[0] = length - 1;
    Value first = c.build<nn::ReshapeOp>(type.clone(one), start);
    if (length == 1)
      return first;
    SmallVector<int64_t> zero(type.getRank(), 0), next(zero), last(zero);
    next[0] = 1, last[0] = length - 1;
    bool reverse = op.getReverse();
    Value others =
        c.build<nn::SliceOp>(type.clone(rest), stack, reverse ? next : zero);
    first = c.build<nn::PadOp>(type, first, reverse ? last : zero);
    others = c.build<nn::PadOp>(type, others, reverse ? zero : next);
    return c.add(first, others);
  }

  BlockArgument addRows(Value stack) {
    over.push_back(stack);
    auto type = typeOf(stack);
    return body->addArgument(type.clone(type.getShape().drop_front()), c.loc);
  }

  /// The backward scan's operands, and the arguments of its body.
  void collectOperands() {
    body = &region.emplaceBlock();
    inner.setInsertionPointToEnd(body);
    for (auto [argument, input] :
         llvm::zip(op.getRowArguments(), op.getInputs()))
      mapping.map(argument, addRows(input));
    for (auto [argument, start, stack] :
         llvm::zip(op.getStateArguments(), op.getStarts(), op.getStates()))
      mapping.map(argument, addRows(before(start, stack)));
    unsigned rows = op.getStates().size() + op.getOutputs().size();
    for (unsigned i = 0; i < rows; ++i)
      arriving.push_back(c.gradient(i) ? Value(addRows(c.gradient(i)))
                                       : Value());
    for (Value start : op.getStarts()) {
      starts.push_back(c.splat(0, start));
      carried.push_back(body->addArgument(start.getType(), c.loc));
    }
    for (auto [argument, value] :
         llvm::zip(op.getSharedArguments(), op.getShared())) {
      shared.push_back(value);
      mapping.map(argument, body->addArgument(value.getType(), c.loc));
    }
    for (unsigned i = 0; i < op.getSums().size(); ++i) {
      Value gradient = c.gradient(rows + i);
      if (gradient)
        shared.push_back(gradient);
      arriving.push_back(
          gradient ? Value(body->addArgument(gradient.getType(), c.loc))
                   : Value());
    }
  }

  bool needsShared(unsigned i) {
    return c.needs(op.getInputs().size() + op.getStarts().size() + i);
  }

  /// The body again, with what is active in it.
  void buildForward() {
    for (auto [i, argument] : llvm::enumerate(op.getRowArguments()))
      if (c.needs(i))
        mode.activate(mapping.lookup(argument));
    for (Value argument : op.getStateArguments())
      mode.activate(mapping.lookup(argument));
    for (auto [i, argument] : llvm::enumerate(op.getSharedArguments()))
      if (needsShared(i))
        mode.activate(mapping.lookup(argument));
    for (Operation &original : op.getBody().front().without_terminator()) {
      forward.push_back(inner.clone(original, mapping));
      mode.spread(*forward.back());
    }
  }

  /// Gradients of what the body yields: of a state that of its rows, and what
  /// the next run had for it.
  void seed() {
    Operation *yield = op.getBody().front().getTerminator();
    for (auto [i, original] : llvm::enumerate(yield->getOperands())) {
      Value value = mapping.lookup(original), gradient = arriving[i];
      if (!mode.isActive(value))
        continue;
      if (i < carried.size())
        gradient = gradient ? nn::AddOp::create(inner, c.loc, value.getType(),
                                                carried[i], gradient)
                            : carried[i];
      if (gradient)
        mode.accumulate(value, gradient);
    }
  }

  Value zeroLike(Value value) {
    auto type = typeOf(value);
    auto zero = inner.getFloatAttr(type.getElementType(), 0.0);
    return nn::ConstantOp::create(inner, c.loc, type,
                                  SplatElementsAttr::get(type, zero));
  }

  /// Where all rows of `row` will be: an operand that has them, or an output.
  struct Rows {
    Value operand;
    unsigned output;
  };
  Rows rowsOf(Value row) {
    if (auto argument = dyn_cast<BlockArgument>(row))
      if (argument.getArgNumber() < over.size())
        return {over[argument.getArgNumber()], 0};
    auto found = llvm::find(outputs, row);
    unsigned index = found - outputs.begin();
    if (found == outputs.end())
      outputs.push_back(row);
    return {Value(), index};
  }

  /// `value`, a matrix, with its dimensions exchanged.
  Value transposed(Value value) {
    auto type = typeOf(value);
    return nn::TransposeOp::create(
        inner, c.loc, type.clone({type.getDimSize(1), type.getDimSize(0)}),
        value, ArrayRef<int64_t>{1, 0});
  }

  /// Σ over runs of lhs·rhs as one product: both with their rows, over which it
  /// sums, first.
  struct Product {
    Rows lhs, rhs;
  };

  void finishBody() {
    for (Value argument : op.getStateArguments()) {
      Value gradient = mode.gradientOf(mapping.lookup(argument));
      states.push_back(gradient ? gradient
                                : zeroLike(mapping.lookup(argument)));
    }
    for (auto [i, argument] : llvm::enumerate(op.getRowArguments())) {
      Value gradient = mode.gradientOf(mapping.lookup(argument));
      inputRows.push_back(c.needs(i) && gradient
                              ? std::optional(rowsOf(gradient))
                              : std::nullopt);
    }
    for (auto [i, argument] : llvm::enumerate(op.getSharedArguments())) {
      sharedProducts.emplace_back();
      sharedSums.emplace_back();
      Value gradient = mode.gradientOf(mapping.lookup(argument));
      if (!needsShared(i) || !gradient)
        continue;
      auto product = gradient.getDefiningOp<nn::MatmulOp>();
      if (product && product.getType().getRank() == 2) {
        Value lhs = product.getLhs(), rhs = product.getRhs();
        sharedProducts.back() = {
            rowsOf(product.getTransposeLhs() ? lhs : transposed(lhs)),
            rowsOf(product.getTransposeRhs() ? transposed(rhs) : rhs)};
        continue;
      }
      sharedSums.back() = sums.size();
      sums.push_back(gradient);
    }
    SmallVector<Value> yielded(states);
    llvm::append_range(yielded, outputs);
    llvm::append_range(yielded, sums);
    nn::YieldOp::create(inner, c.loc, yielded);
  }

  void buildScan() {
    SmallVector<Type> stateTypes, outputTypes;
    for (Value value : states)
      stateTypes.push_back(stacked(value.getType(), length));
    for (Value value : outputs)
      outputTypes.push_back(stacked(value.getType(), length));
    scan = c.build<nn::ScanOp>(stateTypes, outputTypes,
                               ValueRange(sums).getTypes(), over, starts,
                               shared, !op.getReverse());
    scan.getBody().takeBody(region);
  }

  Value valueOf(const Rows &rows) {
    return rows.operand ? rows.operand : scan.getOutputs()[rows.output];
  }

  /// All rows of a stack of matrices, one below another.
  Value below(const Rows &rows) {
    Value stack = valueOf(rows);
    auto type = typeOf(stack);
    return c.build<nn::ReshapeOp>(
        type.clone({length * type.getDimSize(1), type.getDimSize(2)}), stack);
  }

  void setGradients() {
    unsigned operand = 0;
    for (const auto &rows : inputRows) {
      if (rows)
        c.set(operand, valueOf(*rows));
      ++operand;
    }
    for (auto [start, stack] : llvm::zip(op.getStarts(), scan.getStates())) {
      if (c.needs(operand)) {
        // Of the run that was the first of the scan.
        auto type = typeOf(stack);
        SmallVector<int64_t> shape(type.getShape()), offsets(type.getRank(), 0);
        shape[0] = 1, offsets[0] = op.getReverse() ? length - 1 : 0;
        Value row = c.build<nn::SliceOp>(type.clone(shape), stack, offsets);
        c.set(operand, c.build<nn::ReshapeOp>(start.getType(), row));
      }
      ++operand;
    }
    for (auto [value, product, sum] :
         llvm::zip(op.getShared(), sharedProducts, sharedSums)) {
      if (product) {
        Value lhs = below(product->lhs), rhs = below(product->rhs);
        c.set(operand,
              c.build<nn::MatmulOp>(value.getType(), lhs, rhs, true, false));
      } else if (sum) {
        c.set(operand, scan.getSums()[*sum]);
      }
      ++operand;
    }
  }

  nn::ScanOp op;
  RuleContext &c;
  int64_t length;
  Region region;
  Block *body = nullptr;
  OpBuilder inner;
  ReverseMode mode;
  IRMapping mapping; ///< of the scan's body to the copy in the new one
  SmallVector<Value> over, starts, shared;
  SmallVector<Value> arriving; ///< per yielded value: its gradient, or null
  SmallVector<Value> carried;
  SmallVector<Operation *> forward;
  SmallVector<Value> states, outputs, sums; ///< what the new body yields
  SmallVector<std::optional<Rows>> inputRows;
  SmallVector<std::optional<Product>> sharedProducts;
  SmallVector<std::optional<unsigned>> sharedSums;
  nn::ScanOp scan;
};

// s_t, y_t, z_t = f(x_t, s_{t-1}, w), Y_t = y_t, Z = Σ z_t, backward in t:
// (x_t', s_{t-1}', w' += …) = f'(x_t, s_{t-1}, w)ᵀ (s_t' + S_t', Y_t', Z')
LogicalResult scan(nn::ScanOp op, RuleContext &c) {
  return ScanDifferentiator(op, c).run();
}

} // namespace

void registerScanRules(MLIRContext *context) { attach<scan>(context); }

} // namespace trainc::autodiff
