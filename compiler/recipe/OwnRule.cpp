//===- OwnRule.cpp --------------------------------------------------------===//

#include "compiler/recipe/OwnRule.h"

#include "compiler/recipe/OwnFile.h"
#include "compiler/support/TextModule.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace trainc::models;

namespace trainc::recipe {
namespace {

/// Of the rule, as a setting that no recipe has.
constexpr char kMatrixMinimum[] = "matrix_minimum";

/// Nothing but one train.update; null after a diagnostic.
train::UpdateOp findUpdate(ModuleOp module) {
  train::UpdateOp found;
  for (Operation &op : *module.getBody()) {
    auto update = dyn_cast<train::UpdateOp>(op);
    if (!update || found) {
      op.emitError() << "expected one train.update in a rule of a recipe, but "
                        "got "
                     << (update ? "a second one" : op.getName().getStringRef());
      return {};
    }
    found = update;
  }
  if (!found)
    module.emitError() << "expected a train.update in a rule of a recipe, but "
                          "got none";
  return found;
}

/// What the recipe says of all rules is said there only, never in two places.
LogicalResult checkAttributes(train::UpdateOp update) {
  std::pair<StringRef, double> defaults[] = {
      {"clip_norm", 0}, {"clip_epsilon", 1e-6}, {"weight_decay", 0}};
  for (NamedAttribute attribute : update->getAttrs()) {
    StringRef name = attribute.getName();
    if (name == "name" || name == "states" || name == "scalars" ||
        name == "scalar_values" || name.starts_with("matrix_"))
      continue;
    auto value = dyn_cast<FloatAttr>(attribute.getValue());
    if (value && llvm::any_of(defaults, [&](const auto &entry) {
          return entry.first == name &&
                 entry.second == value.getValueAsDouble();
        }))
      continue;
    return update.emitError()
           << "expected " << name << " in [optimizer] of the recipe, but got "
           << attribute.getValue() << " in its rule";
  }
  return success();
}

/// The recipe's schedule takes the place of the rule's own, which must say so.
LogicalResult checkSchedule(train::UpdateOp update) {
  Block &block = update.getSchedule().front();
  Value rate = block.getTerminator()->getOperand(0);
  auto constant = rate.getDefiningOp<nn::ConstantOp>();
  auto value = constant ? dyn_cast<DenseElementsAttr>(constant.getValue())
                        : DenseElementsAttr();
  if (value && value.isSplat() && block.getOperations().size() == 2 &&
      value.getSplatValue<APFloat>().convertToDouble() == 1)
    return success();
  return block.getTerminator()->emitError()
         << "expected a schedule that yields the constant 1 in a rule of a "
            "recipe, whose [schedule] makes the learning rate, but got another";
}

LogicalResult checkElements(train::UpdateOp update) {
  for (Region *region : {&update.getElement(), &update.getMatrix()}) {
    if (region->empty())
      continue;
    for (BlockArgument argument : region->getArguments())
      if (!cast<RankedTensorType>(argument.getType()).getElementType().isF32())
        return emitError(argument.getLoc())
               << "expected tensor<f32> for all of a parameter in a rule of a "
                  "recipe, but got "
               << argument.getType();
  }
  return success();
}

/// What `region` yields for `arguments`, computed where those are.
std::vector<Expression> inlineRegion(Region &region,
                                     ArrayRef<Expression> arguments) {
  OpBuilder &builder = arguments.front().builder();
  Block &block = region.front();
  IRMapping mapping;
  for (auto [inner, outer] : llvm::zip(block.getArguments(), arguments))
    mapping.map(inner, outer.value());
  for (Operation &op : block.without_terminator())
    builder.clone(op, mapping);
  std::vector<Expression> results;
  for (Value value : block.getTerminator()->getOperands())
    results.emplace_back(builder, mapping.lookup(value));
  return results;
}

/// The module that holds the operation, and the operation.
struct OwnRule {
  OwningOpRef<ModuleOp> module;
  train::UpdateOp update;
};

StepValues buildStep(OwnRule &own, Expression learningRate,
                     ArrayRef<Expression> scalars) {
  std::vector<Expression> arguments = {learningRate};
  arguments.insert(arguments.end(), scalars.begin(), scalars.end());
  auto values = inlineRegion(own.update.getStep(), arguments);
  auto middle = values.begin() + scalars.size();
  return {.scalars = {values.begin(), middle},
          .derived = {middle, values.end()}};
}

ElementValues buildElement(Region &region, const Element &e) {
  std::vector<Expression> arguments = {e.theta, e.gradient};
  arguments.insert(arguments.end(), e.states.begin(), e.states.end());
  arguments.push_back(e.decay);
  arguments.insert(arguments.end(), e.derived.begin(), e.derived.end());
  auto values = inlineRegion(region, arguments);
  return {.theta = values.front(),
          .states = {values.begin() + 1, values.end()}};
}

} // namespace

std::shared_ptr<const Optimizer>
loadOwnRule(const RecipeFile &file, Settings &settings, std::string &text) {
  FailureOr<OwnFile> source = readOwnFile(file, "optimizer", "rule", settings);
  if (failed(source))
    return nullptr;
  auto own = std::make_shared<OwnRule>();
  own->module = parseTextModule(*file.location.getContext(), source->text(),
                                source->path);
  if (!own->module || !(own->update = findUpdate(*own->module)) ||
      failed(checkAttributes(own->update)) ||
      failed(checkSchedule(own->update)) || failed(checkElements(own->update)))
    return nullptr;
  text += source->asComment();

  auto optimizer = std::make_shared<Optimizer>();
  optimizer->name = own->update.getName().str();
  for (StringRef state : own->update.getStates().getAsValueRange<StringAttr>())
    optimizer->states.emplace_back(state.str().c_str());
  for (auto [scalar, start] :
       llvm::zip(own->update.getScalars().getAsValueRange<StringAttr>(),
                 own->update.getScalarValues().getAsRange<FloatAttr>()))
    optimizer->scalars.push_back({scalar.str(), start.getValueAsDouble()});
  optimizer->step = [own](const Settings &, Expression learningRate,
                          ArrayRef<Expression> scalars) {
    return buildStep(*own, learningRate, scalars);
  };
  optimizer->element = [own](const Settings &, const Element &element) {
    return buildElement(own->update.getElement(), element);
  };
  if (own->update.getMatrix().empty())
    return optimizer;
  optimizer->matrix = [own](const Settings &, const Element &element) {
    return buildElement(own->update.getMatrix(), element);
  };
  for (auto [name, extent] :
       llvm::zip(own->update.getMatrixStates().getAsValueRange<StringAttr>(),
                 own->update.getMatrixExtents()))
    optimizer->matrixStates.emplace_back(name.str().c_str(),
                                         train::Extent(extent));
  optimizer->matrixMinimum = kMatrixMinimum;
  settings.set(kMatrixMinimum, int64_t(own->update.getMatrixMinimum()));
  return optimizer;
}

} // namespace trainc::recipe
