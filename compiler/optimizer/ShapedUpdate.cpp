//===- ShapedUpdate.cpp - a rule with means over some parameters ----------===//
//
// Parameters of one shape are updated together, in the passes that RegionCut
// finds. Sums leave a pass in f64, per row, or per block of rows, and what is
// left of a mean is done where it costs least: per matrix by operations on one
// value per matrix, per row or column by the next pass over those.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/ShapedUpdate.h"
#include "compiler/optimizer/Orthogonalize.h"
#include "compiler/optimizer/RegionCut.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace trainc::optimizer {

using train::Extent;

namespace {

/// Elements of a matrix that a workgroup takes; more where it makes sums of
/// columns, 16 bytes per column and workgroup, which must be few beside them.
constexpr int64_t blockElements = 1 << 16;
constexpr int64_t blockElementsOfColumns = 1 << 17;

class ShapedUpdate {
public:
  ShapedUpdate(OpBuilder &builder, train::UpdateOp update, Region &region,
               const ShapedParameters &parameters)
      : builder(builder), loc(update.getLoc()), name(update.getName()),
        cut(update, region), parameters(parameters) {
    for (auto [argument, value] :
         llvm::zip(region.getArguments(), parameters.arguments))
      outer[argument] = value;
  }

  void build() {
    for (Operation &op : cut.block().without_terminator())
      if (cut.extentOf(op.getResult(0)) == Extent::Update)
        outer[op.getResult(0)] = cloneOutside(op, {});
    for (int time = 1; time <= cut.last(); ++time) {
      for (Extent space : {Extent::Element, Extent::Row, Extent::Column})
        buildPass(space, time);
      for (Operation &op : cut.block().without_terminator()) {
        Value result = op.getResult(0);
        if (cut.extentOf(result) == Extent::Tensor &&
            cut.timeOf(result) == time && !isa<train::MeanOp>(op))
          outer[result] = cloneOutside(op, parameters.count);
      }
    }
  }

private:
  //===--------------------------------------------------------------------===//
  // One value per update or matrix
  //===--------------------------------------------------------------------===//

  /// The operation on tensors of `shape`; operands of the update are spread.
  Value cloneOutside(Operation &op, ArrayRef<int64_t> shape) {
    auto typeIn = [&](Value value) {
      return RankedTensorType::get(shape,
                                   getElementTypeOrSelf(value.getType()));
    };
    IRMapping mapping;
    for (Value operand : op.getOperands()) {
      Value value = outer.lookup(operand);
      if (value.getType() != typeIn(operand))
        value = nn::BroadcastOp::create(builder, loc, typeIn(operand), value,
                                        ArrayRef<int64_t>());
      mapping.map(operand, value);
    }
    Operation *clone = builder.clone(op, mapping);
    clone->setLoc(loc);
    clone->getResult(0).setType(typeIn(op.getResult(0)));
    return clone->getResult(0);
  }

  Value constant(OpBuilder &b, RankedTensorType type, double value) {
    Attribute element = b.getFloatAttr(type.getElementType(), value);
    return nn::ConstantOp::create(b, loc, type,
                                  SplatElementsAttr::get(type, element));
  }

  /// `sum` over `size`, in the type of `mean`.
  Value finish(OpBuilder &b, Value sum, int64_t size, train::MeanOp mean) {
    auto type = cast<RankedTensorType>(sum.getType());
    Value value =
        nn::DivOp::create(b, loc, type, sum, constant(b, type, double(size)));
    Type element = mean.getType().getElementType();
    return element.isF64()
               ? value
               : nn::CastOp::create(b, loc, type.clone(element), value)
                     .getResult();
  }

  //===--------------------------------------------------------------------===//
  // A pass
  //===--------------------------------------------------------------------===//

  int64_t sizeOf(Extent extent) const {
    switch (extent) {
    case Extent::Element:
      return parameters.rows * parameters.columns;
    case Extent::Row:
      return parameters.rows;
    case Extent::Column:
      return parameters.columns;
    case Extent::Tensor:
    case Extent::Update:
      return 1;
    }
    llvm_unreachable("every extent is listed");
  }

  /// What a pass makes.
  struct Pass {
    Extent space;
    int time;
    SmallVector<Value> values; ///< new elements, as values of the region
    SmallVector<StringAttr> variables; ///< that they go to, or null
    SmallVector<Value> before; ///< what those held, as arguments of the region
    /// Of those that are orthogonalised: by what.
    SmallVector<train::OrthogonalizeOp> matrices;
    SmallVector<train::MeanOp> rowSums, columnSums, sums;
    /// What it reads, and, of means, the sums that it turns into them.
    llvm::SetVector<Value> imports;

    bool writes() const {
      return llvm::any_of(before, [](Value value) { return bool(value); });
    }
    bool isEmpty() const {
      return values.empty() && rowSums.empty() && columnSums.empty() &&
             sums.empty();
    }
  };

  /// Which of a pass's values are the new parameters.
  size_t thetaOf(const Pass &pass) const {
    return llvm::find(pass.variables, parameters.variables.front()) -
           pass.variables.begin();
  }
  /// Whether a pass makes the new parameters, and their copies with them.
  bool copies(const Pass &pass) const {
    return parameters.copy && thetaOf(pass) < pass.variables.size();
  }

  /// Whether something beside the pass itself reads `value`.
  bool leaves(Value value, const Pass &pass) {
    return llvm::any_of(value.getUses(), [&](OpOperand &use) {
      Operation *user = use.getOwner();
      if (isa<train::MeanOp>(user))
        return false; // summed by the pass that computes its terms
      if (user != cut.block().getTerminator())
        return !cut.computes(pass.space, pass.time, user->getResult(0));
      unsigned i = use.getOperandNumber();
      return cut.yieldExtent(i) != pass.space || cut.yieldTime(i) != pass.time;
    });
  }

  Pass planPass(Extent space, int time) {
    Pass pass{space, time, {}, {}, {}, {}, {}, {}, {}, {}};
    for (auto [i, value] : llvm::enumerate(cut.yielded()))
      if (cut.yieldExtent(i) == space && cut.yieldTime(i) == time) {
        pass.values.push_back(value);
        pass.variables.push_back(parameters.variables[i]);
        pass.before.push_back(
            cut.block().getArgument(i == 0 ? 0 : i + 1)); // behind the gradient
        pass.matrices.push_back({});
      }
    for (Operation &op : cut.block().without_terminator()) {
      Value result = op.getResult(0);
      auto mean = dyn_cast<train::MeanOp>(op);
      if (mean && cut.extentOf(mean.getInput()) == space &&
          cut.sumTimeOf(mean) == time)
        (mean.getOver() == Extent::Row      ? pass.rowSums
         : mean.getOver() == Extent::Column ? pass.columnSums
                                            : pass.sums)
            .push_back(mean);
      if (space != Extent::Element && cut.extentOf(result) == space &&
          cut.timeOf(result) == time && leaves(result, pass) &&
          !llvm::is_contained(pass.values, result)) {
        pass.values.push_back(result);
        pass.variables.push_back({});
        pass.before.push_back({});
        pass.matrices.push_back({});
      }
      auto matrix = dyn_cast<train::OrthogonalizeOp>(op);
      if (matrix && space == Extent::Element &&
          cut.writeTimeOf(matrix) == time) {
        pass.values.push_back(matrix.getInput());
        pass.variables.push_back({});
        pass.before.push_back({});
        pass.matrices.push_back(matrix);
      }
    }
    for (auto [value, before] : llvm::zip(pass.values, pass.before)) {
      collect(pass, value);
      if (before)
        pass.imports.insert(before);
    }
    for (auto *means : {&pass.rowSums, &pass.columnSums, &pass.sums})
      for (train::MeanOp mean : *means)
        collect(pass, mean.getInput());
    return pass;
  }

  void collect(Pass &pass, Value value) {
    if (!cut.computes(pass.space, pass.time, value) ||
        value.getDefiningOp<train::MeanOp>()) {
      pass.imports.insert(value);
      return;
    }
    for (Value operand : value.getDefiningOp()->getOperands())
      collect(pass, operand);
  }

  void buildPass(Extent space, int time) {
    Pass pass = planPass(space, time);
    if (pass.isEmpty())
      return;
    // Sorted by how they reach the body, in the order of the operands.
    SmallVector<SmallVector<Value>> segments(5);
    for (Value value : pass.imports)
      segments[segmentOf(cut.extentOf(value), space)].push_back(value);
    SmallVector<SmallVector<Value>> operands(5);
    for (auto [own, values] : llvm::zip(operands, segments))
      for (Value value : values)
        own.push_back(outer.lookup(value));
    bool scales = parameters.gradientFactor &&
                  pass.imports.contains(cut.block().getArgument(1));
    if (copies(pass))
      operands[0].push_back(train::ReadOp::create(
          builder, loc,
          RankedTensorType::get(
              cast<RankedTensorType>(parameters.arguments[0].getType())
                  .getShape(),
              parameters.copied),
          parameters.copy));
    if (pass.writes())
      operands[4].push_back(parameters.changes);
    if (scales)
      operands[4].push_back(parameters.gradientFactor);

    bool whole = space == Extent::Element;
    int64_t rows = whole ? parameters.rows : 1;
    int64_t columns = whole ? parameters.columns : sizeOf(space);
    int64_t size =
        pass.columnSums.empty() ? blockElements : blockElementsOfColumns;
    int64_t most = std::clamp<int64_t>(size / columns, 1, rows);
    int64_t blocks = llvm::divideCeil(rows, most);
    int64_t atATime = llvm::divideCeil(rows, blocks); // evenly
    blocks = llvm::divideCeil(rows, atATime);
    SmallVector<Type> elements;
    for (auto [value, variable] : llvm::zip(pass.values, pass.variables)) {
      Type element = getElementTypeOrSelf(value.getType());
      int64_t size = sizeOf(space);
      elements.push_back(
          variable ? RankedTensorType::get(parameters.count *
                                               int64_t(llvm::alignTo(size, 64)),
                                           element)
                   : RankedTensorType::get({parameters.count, size}, element));
    }
    if (copies(pass))
      elements.push_back(RankedTensorType::get(
          cast<RankedTensorType>(elements[thetaOf(pass)]).getShape(),
          parameters.copied));
    auto sumTypes = [&](ArrayRef<train::MeanOp> means,
                        ArrayRef<int64_t> shape) {
      return SmallVector<Type>(
          means.size(), RankedTensorType::get(shape, builder.getF64Type()));
    };
    auto sweep = train::SweepOp::create(
        builder, nameOf(pass), elements,
        sumTypes(pass.rowSums, {parameters.count, rows}),
        sumTypes(pass.columnSums, {parameters.count, blocks, columns}),
        sumTypes(pass.sums, {parameters.count, blocks}),
        builder.getI64IntegerAttr(parameters.count),
        builder.getI64IntegerAttr(rows), builder.getI64IntegerAttr(columns),
        builder.getI64IntegerAttr(atATime), operands[0], operands[1],
        operands[2], operands[3], operands[4]);
    buildBody(sweep, pass, segments, scales);
    takeResults(sweep, pass);
  }

  /// "adafactor.elements.2": what is gone over, and the how manieth time.
  Location nameOf(const Pass &pass) {
    std::string text = (name + "." + train::stringifyExtent(pass.space) + "s." +
                        llvm::Twine(++passes[unsigned(pass.space)]))
                           .str();
    return NameLoc::get(builder.getStringAttr(text), loc);
  }

  /// Elements of the pass, rows, columns, one per matrix, one per update.
  static unsigned segmentOf(Extent extent, Extent space) {
    if (extent == space)
      return 0;
    switch (extent) {
    case Extent::Element:
      break;
    case Extent::Row:
      return 1;
    case Extent::Column:
      return 2;
    case Extent::Tensor:
      return 3;
    case Extent::Update:
      return 4;
    }
    llvm_unreachable("rows do not read elements");
  }

  void buildBody(train::SweepOp sweep, const Pass &pass,
                 ArrayRef<SmallVector<Value>> segments, bool scales) {
    Block &body = sweep.getBody().emplaceBlock();
    for (Value operand : sweep.getOperands())
      body.addArgument(
          RankedTensorType::get({}, getElementTypeOrSelf(operand.getType())),
          loc);
    OpBuilder b = OpBuilder::atBlockEnd(&body);
    IRMapping mapping;
    unsigned next = 0;
    Value oldCopy;
    for (auto [i, values] : llvm::enumerate(segments)) {
      for (Value value : values) {
        Value own = body.getArgument(next++);
        if (scales && value == cut.block().getArgument(1))
          own = nn::MulOp::create(b, loc, own.getType(), own,
                                  body.getArgument(body.getNumArguments() - 1));
        auto mean = value.getDefiningOp<train::MeanOp>();
        if (mean && cut.computes(pass.space, pass.time, value))
          own = finish(b, own, meanSize(mean), mean);
        mapping.map(value, own);
      }
      if (i == 0 && copies(pass))
        oldCopy = body.getArgument(next++);
    }
    // What goes to a variable is chosen.
    auto choose = [&](Value made, Value before) -> Value {
      Value changes = body.getArgument(body.getNumArguments() - 1 - scales);
      return nn::SelectOp::create(b, loc, made.getType(), changes, made,
                                  before);
    };
    SmallVector<Value> yielded;
    for (auto [value, before] : llvm::zip(pass.values, pass.before)) {
      Value made = cloneInside(b, value, mapping);
      yielded.push_back(before ? choose(made, mapping.lookup(before)) : made);
    }
    if (copies(pass)) {
      Value theta = mapping.lookup(pass.values[thetaOf(pass)]);
      yielded.push_back(choose(
          nn::CastOp::create(
              b, loc, RankedTensorType::get({}, parameters.copied), theta),
          oldCopy));
    }
    RankedTensorType f64 = RankedTensorType::get({}, b.getF64Type());
    for (auto *means : {&pass.rowSums, &pass.columnSums, &pass.sums})
      for (train::MeanOp mean : *means) {
        Value term = cloneInside(b, mean.getInput(), mapping);
        yielded.push_back(
            term.getType() == f64
                ? term
                : nn::CastOp::create(b, loc, f64, term).getResult());
      }
    train::YieldOp::create(b, loc, yielded);
  }

  Value cloneInside(OpBuilder &b, Value value, IRMapping &mapping) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      (void)cloneInside(b, operand, mapping);
    return b.clone(*op, mapping)->getResult(0);
  }

  /// How many values a mean is one of.
  int64_t meanSize(train::MeanOp mean) {
    int64_t terms = sizeOf(cut.extentOf(mean.getInput()));
    return terms /
           (mean.getOver() == Extent::Tensor ? 1 : sizeOf(mean.getOver()));
  }

  void takeResults(train::SweepOp sweep, Pass &pass) {
    for (auto [value, variable, matrix, result] :
         llvm::zip(pass.values, pass.variables, pass.matrices,
                   sweep.getNewElements())) {
      if (matrix)
        outer[matrix] = orthogonalize(builder, matrix, result, parameters.rows,
                                      parameters.columns);
      if (value.getDefiningOp() && pass.space != Extent::Element &&
          cut.extentOf(value) == pass.space)
        outer[value] = result;
      if (variable)
        train::WriteOp::create(builder, loc, result, variable);
    }
    if (copies(pass))
      train::WriteOp::create(builder, loc, sweep.getNewElements().back(),
                             parameters.copy);
    for (auto [mean, sum] : llvm::zip(pass.rowSums, sweep.getRowSums()))
      outer[mean] = sum;
    for (auto [mean, sum] : llvm::zip(pass.columnSums, sweep.getColumnSums()))
      outer[mean] = addBlocks(sum);
    for (auto [mean, sum] : llvm::zip(pass.sums, sweep.getSums()))
      outer[mean] = finish(builder, addBlocks(sum), meanSize(mean), mean);
  }

  Value addBlocks(Value sum) {
    auto type = cast<RankedTensorType>(sum.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.erase(shape.begin() + 1);
    return nn::ReduceSumOp::create(builder, loc, type.clone(shape), sum,
                                   builder.getDenseI64ArrayAttr({1}));
  }

  OpBuilder &builder;
  Location loc;
  StringRef name;
  RegionCut cut;
  const ShapedParameters &parameters;
  /// What values of the region are outside of passes, as far as they are there;
  /// of means over rows and columns the sums, until a pass turns those into
  /// means.
  DenseMap<Value, Value> outer;
  unsigned passes[5] = {};
};

} // namespace

void buildShapedUpdate(OpBuilder &builder, train::UpdateOp update,
                       Region &region, const ShapedParameters &parameters) {
  ShapedUpdate(builder, update, region, parameters).build();
}

} // namespace trainc::optimizer
