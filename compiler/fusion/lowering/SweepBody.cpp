//===- SweepBody.cpp - what a sweep does on a few rows --------------------===//

#include "compiler/fusion/lowering/SweepBody.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace trainc::fusion::lowering {

/// Terms of so many columns are summed along a row in their own type: in
/// vectors that is a few hundred per lane.
constexpr int64_t kNarrowColumns = 4096;

namespace {
/// A sum in the loop over columns.
struct Sum {
  unsigned term;             ///< number of its terms
  std::optional<size_t> row; ///< of one row only
  Value accumulator;         ///< where it grows
  Value *place;              ///< where it goes
};
} // namespace

static bool isRow(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank() == 1;
}

static SmallVector<int64_t, 4> dimensionsOf(Value value) {
  return isRow(value) ? SmallVector<int64_t, 4>{0} : SmallVector<int64_t, 4>{};
}

SweepBody::SweepBody(train::SweepOp op, ValueRange operands,
                     ValueRange destinations)
    : op(op), loc(op.getLoc()), operands(operands), destinations(destinations),
      columns(op.getNumColumns()) {
  resultKinds.append(op.getNewElements().size(), Kind::Element);
  resultKinds.append(op.getRowSums().size(), Kind::RowSum);
  resultKinds.append(op.getColumnSums().size(), Kind::ColumnSum);
  resultKinds.append(op.getSums().size(), Kind::Sum);
}

/// The scalars that values of the body are in a generic's body, where
/// `scalarOf` gives those of operands.
SmallVector<Value>
SweepBody::compute(OpBuilder &body, ArrayRef<Value> wanted,
                   llvm::function_ref<Value(unsigned)> scalarOf) {
  llvm::SmallDenseSet<Operation *> needed;
  SmallVector<Operation *> worklist;
  auto require = [&](Value value) {
    if (Operation *maker = value.getDefiningOp();
        maker && needed.insert(maker).second)
      worklist.push_back(maker);
  };
  for (Value value : wanted)
    require(value);
  while (!worklist.empty())
    for (Value operand : worklist.pop_back_val()->getOperands())
      require(operand);
  IRMapping computed;
  auto lookup = [&](Value value) -> Value {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return scalarOf(argument.getArgNumber());
    return computed.lookup(value);
  };
  for (Operation &inner : op.getBody().front().without_terminator()) {
    if (!needed.contains(&inner))
      continue;
    SmallVector<Value> arguments;
    for (Value operand : inner.getOperands())
      arguments.push_back(lookup(operand));
    computed.map(inner.getResult(0),
                 cast<nn::ElementwiseOpInterface>(inner).buildScalar(
                     body, loc, arguments));
  }
  return llvm::map_to_vector(wanted, lookup);
}

/// Operands that `wanted` of the body's values depend on.
SmallVector<unsigned> SweepBody::operandsFor(ArrayRef<Value> wanted) {
  llvm::SmallDenseSet<Value> seen;
  SmallVector<Value> worklist(wanted);
  SmallVector<unsigned> used;
  while (!worklist.empty()) {
    Value value = worklist.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    if (auto argument = dyn_cast<BlockArgument>(value))
      used.push_back(argument.getArgNumber());
    else
      llvm::append_range(worklist, value.getDefiningOp()->getOperands());
  }
  llvm::sort(used);
  return used;
}

/// A term before it is widened, where it may be added up like that.
Value SweepBody::narrowTerm(unsigned result) {
  Value term = yield()->getOperand(result);
  auto cast = term.getDefiningOp<nn::CastOp>();
  if (!cast || columns > kNarrowColumns ||
      !getElementTypeOrSelf(cast->getOperand(0)).isF32())
    return term;
  return cast->getOperand(0);
}

void SweepBody::buildSums(OpBuilder &b, MutableArrayRef<SweepRow> rows,
                          MutableArrayRef<Value> tiles) {
  SmallVector<Sum> sums;
  SmallVector<Value> terms;
  for (auto [i, kind] : llvm::enumerate(resultKinds)) {
    if (kind == Kind::Element)
      continue;
    unsigned number = terms.size();
    terms.push_back(narrowTerm(i));
    Type element = getElementTypeOrSelf(terms.back().getType());
    auto zero = [&] { return fill(b, loc, empty(b, loc, {}, element), 0.0); };
    if (kind == Kind::RowSum)
      for (auto [r, row] : llvm::enumerate(rows))
        sums.push_back({number, r, zero(), &row.outs[i]});
    else
      sums.push_back({number, std::nullopt,
                      kind == Kind::Sum ? zero() : tiles[i], &tiles[i]});
  }
  if (sums.empty())
    return;
  SmallVector<unsigned> used = operandsFor(terms);
  SmallVector<Indexed> inputs, outputs;
  for (SweepRow &row : rows)
    for (unsigned i : used)
      inputs.push_back({row.values[i], dimensionsOf(row.values[i])});
  for (Sum &sum : sums)
    outputs.push_back({sum.accumulator, dimensionsOf(sum.accumulator)});
  inputs = withSpace(b, inputs, outputs);
  SmallVector<Value> made = buildGeneric(
      b, loc, "r", inputs, outputs, [&](OpBuilder &body, ValueRange x) {
        SmallVector<SmallVector<Value>> own; // per row and term
        for (size_t r = 0; r < rows.size(); ++r)
          own.push_back(compute(body, terms, [&](unsigned operand) {
            return x[r * used.size() +
                     (llvm::find(used, operand) - used.begin())];
          }));
        SmallVector<Value> results;
        for (auto [sum, old] : llvm::zip(sums, x.drop_front(inputs.size()))) {
          SmallVector<Value> together;
          for (auto [r, values] : llvm::enumerate(own))
            if (!sum.row || *sum.row == r)
              together.push_back(values[sum.term]);
          results.push_back(addTo(body, old, addUp(body, together)));
        }
        return results;
      });
  for (auto [sum, value] : llvm::zip(sums, made))
    *sum.place = isRow(value) ? value : addScalar(b, *sum.place, value);
}

Value SweepBody::addTo(OpBuilder &body, Value sum, Value term) {
  return arith::AddFOp::create(body, loc, sum,
                               castFloat(body, loc, term, sum.getType()));
}

/// Pairs, then pairs of those, and so on.
Value SweepBody::addUp(OpBuilder &body, SmallVector<Value> values) {
  while (values.size() > 1) {
    SmallVector<Value> halved;
    for (size_t k = 0; k + 1 < values.size(); k += 2)
      halved.push_back(addTo(body, values[k], values[k + 1]));
    if (values.size() % 2)
      halved.push_back(values.back());
    values = halved;
  }
  return values.front();
}

/// `sum` and `value`, both of rank 0.
Value SweepBody::addScalar(OpBuilder &b, Value sum, Value value) {
  return buildGeneric(b, loc, "", {{value, {}}}, {{sum, {}}},
                      [&](OpBuilder &body, ValueRange x) {
                        return SmallVector<Value>{addTo(body, x[1], x[0])};
                      })[0];
}

/// A loop's length must follow from an operand: a row that nobody reads.
SmallVector<Indexed> SweepBody::withSpace(OpBuilder &b,
                                          SmallVector<Indexed> inputs,
                                          ArrayRef<Indexed> outputs) {
  if (llvm::none_of(
          llvm::concat<const Indexed>(inputs, outputs),
          [&](const Indexed &operand) { return isRow(operand.value); }))
    inputs.push_back(
        {empty(b, loc, {b.getIndexAttr(columns)}, b.getF32Type()), {0}});
  return inputs;
}

void SweepBody::buildElements(OpBuilder &b, SweepRow &row) {
  unsigned count = op.getNewElements().size();
  if (!count)
    return;
  SmallVector<Value> wanted(yield()->getOperands().take_front(count));
  // What a result overwrites is what its destination held.
  SmallVector<unsigned> used = operandsFor(wanted);
  SmallVector<Indexed> inputs, outputs;
  SmallVector<unsigned> read;
  for (unsigned i : used)
    if (!llvm::is_contained(destinations, operands[i])) {
      read.push_back(i);
      inputs.push_back({row.values[i], dimensionsOf(row.values[i])});
    }
  for (unsigned i = 0; i < count; ++i)
    outputs.push_back({row.outs[i], {0}});
  SmallVector<Value> made = buildGeneric(
      b, loc, "p", inputs, outputs, [&](OpBuilder &body, ValueRange x) {
        return compute(body, wanted, [&](unsigned operand) -> Value {
          auto place = llvm::find(read, operand);
          if (place != read.end())
            return x[place - read.begin()];
          auto same = llvm::find(destinations, operands[operand]);
          return x[inputs.size() + (same - destinations.begin())];
        });
      });
  llvm::copy(made, row.outs.begin());
}

} // namespace trainc::fusion::lowering
