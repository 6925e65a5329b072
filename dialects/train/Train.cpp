//===- Train.cpp - registration and verifiers of the train dialect --------===//

#include "dialects/train/Train.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;

#include "dialects/train/TrainDialect.cpp.inc"
#include "dialects/train/TrainEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/train/TrainAttributes.cpp.inc"

namespace trainc::train {
static ParseResult parseExtentList(OpAsmParser &parser, ArrayAttr &names,
                                   DenseI32ArrayAttr &extents);
static void printExtentList(OpAsmPrinter &printer, Operation *op,
                            ArrayAttr names, DenseI32ArrayAttr extents);
} // namespace trainc::train

#define GET_OP_CLASSES
#include "dialects/train/TrainOps.cpp.inc"

namespace trainc::train {

void TrainDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/train/TrainAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/train/TrainOps.cpp.inc"
      >();
}

/// `[row "v_row", element "m"]`.
static ParseResult parseExtentList(OpAsmParser &parser, ArrayAttr &names,
                                   DenseI32ArrayAttr &extents) {
  SmallVector<Attribute> words;
  SmallVector<int32_t> numbers;
  auto parseState = [&]() -> ParseResult {
    SMLoc place = parser.getCurrentLocation();
    StringRef word;
    StringAttr name;
    if (parser.parseKeyword(&word))
      return failure();
    std::optional<Extent> extent = symbolizeExtent(word);
    if (!extent)
      return parser.emitError(place)
             << "expected row, column or element, but got " << word;
    if (parser.parseAttribute(name))
      return failure();
    words.push_back(name);
    numbers.push_back(int32_t(*extent));
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square,
                                     parseState))
    return failure();
  names = parser.getBuilder().getArrayAttr(words);
  extents = parser.getBuilder().getDenseI32ArrayAttr(numbers);
  return success();
}

static void printExtentList(OpAsmPrinter &printer, Operation *, ArrayAttr names,
                            DenseI32ArrayAttr extents) {
  printer << '[';
  llvm::interleaveComma(
      llvm::zip(names, extents.asArrayRef()), printer, [&](auto state) {
        auto [name, extent] = state;
        printer << stringifyExtent(Extent(extent)) << ' ' << name;
      });
  printer << ']';
}

RankedTensorType lookupVariableType(SymbolTableCollection &tables,
                                    Operation *from, FlatSymbolRefAttr symbol) {
  Operation *op = tables.lookupNearestSymbolFrom(from, symbol);
  if (auto parameter = dyn_cast_or_null<ParameterOp>(op))
    return parameter.getTensorType();
  if (auto state = dyn_cast_or_null<StateOp>(op))
    return state.getTensorType();
  if (auto group = dyn_cast_or_null<GroupOp>(op))
    return group.getTensorType();
  return {};
}

RankedTensorType ParameterOp::getTensorType() {
  return dyn_cast<RankedTensorType>(getType());
}
RankedTensorType StateOp::getTensorType() {
  return dyn_cast<RankedTensorType>(getType());
}

LogicalResult ParameterOp::verify() {
  RankedTensorType type = getTensorType();
  if (!type || !type.hasStaticShape() ||
      !isa<FloatType>(type.getElementType())) // parameter_c1
    return emitOpError() << "expected a static float tensor type, but got "
                         << getType();
  if (!(getScale().convertToDouble() >= 0)) // parameter_c2
    return emitOpError() << "expected a scale of at least 0, but got "
                         << getScale().convertToDouble();
  if (!(getRateFactor().convertToDouble() >= 0)) // parameter_c2
    return emitOpError() << "expected a rate_factor of at least 0, but got "
                         << getRateFactor().convertToDouble();
  if (getWeightDecay() &&
      !(getWeightDecay()->convertToDouble() >= 0)) // parameter_c2
    return emitOpError() << "expected a weight_decay of at least 0, but got "
                         << getWeightDecay()->convertToDouble();
  return success();
}

LogicalResult StateOp::verify() {
  RankedTensorType type = getTensorType();
  if (!type || !type.hasStaticShape()) // state_c1
    return emitOpError() << "expected a static tensor type, but got "
                         << getType();
  if ((getRole() == Role::Gradient || getRole() == Role::Copy) &&
      !getParameter()) // state_c2
    return emitOpError() << "expected the parameter that the "
                         << stringifyRole(getRole())
                         << " belongs to, but got none";
  if ((getRole() == Role::Optimizer) != bool(getExternalNameAttr())) // state_c3
    return emitOpError()
           << "expected an external_name exactly for optimizer states";
  return success();
}

LogicalResult StateOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (!getParameter())
    return success();
  auto parameter =
      tables.lookupNearestSymbolFrom<ParameterOp>(*this, getParameterAttr());
  if (!parameter) // state_c2
    return emitOpError() << "expected " << getParameterAttr()
                         << " to be a train.parameter, but it is not";
  if (getRole() == Role::Gradient && parameter.getType() != getType())
    return emitOpError() << "expected the parameter's type "
                         << parameter.getType() << ", but got " << getType();
  if (getRole() == Role::Copy &&
      parameter.getTensorType().getShape() != getTensorType().getShape())
    return emitOpError() << "expected the shape of the parameter's type "
                         << parameter.getType() << ", but got " << getType();
  return success();
}

RankedTensorType GroupOp::getTensorType() {
  return dyn_cast<RankedTensorType>(getType());
}

int64_t GroupOp::getExtent(RankedTensorType member) {
  return llvm::alignTo(member.getNumElements(), 64);
}

LogicalResult GroupOp::verifySymbolUses(SymbolTableCollection &tables) {
  RankedTensorType type = getTensorType();
  if (!type || !type.hasStaticShape() || type.getRank() != 1) // group_c2
    return emitOpError()
           << "expected a static tensor type of one dimension, but got "
           << getType();
  int64_t needed = 0;
  llvm::SmallDenseSet<Attribute> seen;
  std::optional<std::optional<Role>> role;
  for (auto name : getMembers().getAsRange<FlatSymbolRefAttr>()) {
    Operation *member = tables.lookupNearestSymbolFrom(*this, name);
    auto state = dyn_cast_or_null<StateOp>(member);
    std::optional<Role> own;
    if (state)
      own = state.getRole();
    if (!state && !isa_and_present<ParameterOp>(member)) // group_c1
      return emitOpError()
             << "expected " << name
             << " to be a train.parameter or train.state, but it is not";
    if (!seen.insert(name).second || (role && *role != own))
      return emitOpError()
             << "expected distinct members that are all parameters or all "
                "states of one role, but got "
             << name << " as well";
    role = own;
    RankedTensorType memberType = lookupVariableType(tables, *this, name);
    if (memberType.getElementType() != type.getElementType())
      return emitOpError() << "expected members of element type "
                           << type.getElementType() << ", but got "
                           << memberType << " of " << name;
    needed += getExtent(memberType);
  }
  if (seen.empty() || type.getNumElements() < needed) // group_c2
    return emitOpError() << "expected members, and at least " << needed
                         << " elements for them, but got "
                         << getMembers().size() << " and "
                         << type.getNumElements();
  for (auto other : (*this)->getBlock()->getOps<GroupOp>()) // group_c3
    for (Attribute name : other.getMembers())
      if (other != *this && seen.contains(name))
        return emitOpError()
               << "expected a variable in one group, but got " << name
               << " in @" << other.getSymName() << " as well";
  return success();
}

static LogicalResult verifyAccess(Operation *op, SymbolTableCollection &tables,
                                  FlatSymbolRefAttr symbol, Type type) {
  RankedTensorType variable = lookupVariableType(tables, op, symbol);
  if (!variable) // read_c1, write_c1
    return op->emitOpError()
           << "expected " << symbol
           << " to be a train.parameter, train.state or train.group, but it is "
              "not";
  if (variable != type)
    return op->emitOpError() << "expected type " << variable << " of " << symbol
                             << ", but got " << type;
  return success();
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyAccess(*this, tables, getSymbolAttr(), getType());
}

LogicalResult WriteOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyAccess(*this, tables, getSymbolAttr(), getValue().getType());
}

LogicalResult SumSquaresOp::verifySymbolUses(SymbolTableCollection &tables) {
  for (auto symbol : getSymbols().getAsRange<FlatSymbolRefAttr>()) {
    RankedTensorType type = lookupVariableType(tables, *this, symbol);
    if (!type || !isa<FloatType>(type.getElementType())) // sum_squares_c1
      return emitOpError() << "expected " << symbol
                           << " to be a train.parameter, train.state or "
                              "train.group of a float type, but it is not";
  }
  return success();
}

LogicalResult StepOp::verify() {
  llvm::StringSet<> names;
  for (StringRef name : getInputs().getAsValueRange<StringAttr>())
    names.insert(name);
  unsigned arguments = getBody().getNumArguments();
  if (getInputs().size() != arguments || names.size() != arguments) // step_c1
    return emitOpError() << "expected " << arguments
                         << " distinct input names, but got " << getInputs();
  return success();
}

LogicalResult LossOp::verify() {
  if (getSum().getType().getRank() != 0) // loss_c1
    return emitOpError() << "expected scalars of type tensor<f64>, but got "
                         << getSum().getType();
  for (auto other : (*this)->getBlock()->getOps<LossOp>())
    if (other != *this && other.getName() == getName()) // loss_c2
      return emitOpError()
             << "expected distinct names of loss terms, but got \"" << getName()
             << "\" twice";
  return success();
}

LogicalResult ScaleLossOp::verify() {
  constexpr double kLargest = std::numeric_limits<float>::max();
  double initial = getInitial().convertToDouble();
  constexpr double kSmallest = std::numeric_limits<float>::min();
  if (!(initial >= kSmallest && initial <= kLargest)) // scale_loss_c1
    return emitOpError() << "expected a scale above 0 that is a normal f32, "
                            "but got "
                         << initial;
  double growth = getGrowth().convertToDouble();
  double backoff = getBackoff().convertToDouble();
  double floor = getFloor().convertToDouble();
  if (!(growth > 1 && growth <= kLargest)) // scale_loss_c2
    return emitOpError() << "expected a finite growth above 1, but got "
                         << growth;
  if (!(backoff > 0 && backoff < 1)) // scale_loss_c2
    return emitOpError() << "expected a backoff between 0 and 1, but got "
                         << backoff;
  if (getInterval() < 1 || getHysteresis() < 1) // scale_loss_c2
    return emitOpError() << "expected an interval and a hysteresis of at least "
                            "1, but got "
                         << getInterval() << " and " << getHysteresis();
  if (!(floor >= 0 && floor <= initial)) // scale_loss_c2
    return emitOpError() << "expected a floor from 0 to the scale of "
                         << initial << ", but got " << floor;
  for (auto other : (*this)->getBlock()->getOps<ScaleLossOp>())
    if (other != *this) // scale_loss_c3
      return emitOpError()
             << "expected one train.scale_loss in a module, but got a second";
  return success();
}

} // namespace trainc::train
