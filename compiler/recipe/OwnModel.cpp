//===- OwnModel.cpp -------------------------------------------------------===//

#include "compiler/recipe/OwnModel.h"

#include "compiler/recipe/OwnFile.h"
#include "compiler/support/TextModule.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace trainc::models;

namespace trainc::recipe {
namespace {

constexpr llvm::StringLiteral kInput = "inputs", kHidden = "hidden_states",
                              kHead = "lm_head.weight";
constexpr double kHeadDeviation = 0.02;

/// A module that has the form of a model.
struct OwnModel {
  OwningOpRef<ModuleOp> module;
  train::StepOp step;
  train::OutputOp hidden;
  train::ParameterOp table; ///< model.token_table, or null

  /// Of token ids.
  RankedTensorType idsType() {
    return cast<RankedTensorType>(step.getBody().getArgument(0).getType());
  }
};

/// The one train.step, of tokens, and nothing beside it but parameters.
LogicalResult checkModule(OwnModel &model) {
  for (Operation &op : *model.module->getBody()) {
    auto step = dyn_cast<train::StepOp>(op);
    if ((step && model.step) || (!step && !isa<train::ParameterOp>(op)))
      return op.emitError()
             << "expected train.parameter and one train.step in "
                "a model of a recipe, but got "
             << (step ? "a second train.step" : op.getName().getStringRef());
    if (step)
      model.step = step;
  }
  if (!model.step)
    return model.module->emitError()
           << "expected a train.step that makes hidden states of token ids, "
              "but got none";
  return success();
}

LogicalResult checkInputs(OwnModel &model, const BatchShape &batch) {
  Builder builder(model.module->getContext());
  auto ids = RankedTensorType::get({batch.sequences, batch.length},
                                   builder.getI32Type());
  SmallVector<StringRef> names(
      model.step.getInputs().getAsValueRange<StringAttr>());
  if (names.empty() || names.size() > 2 || names[0] != kInput ||
      (names.size() == 2 && names[1] != train::kControlRandom))
    return model.step.emitError()
           << "expected a train.step of [\"" << kInput << "\"], or [\""
           << kInput << "\", \"" << train::kControlRandom
           << "\"] with dropout, but got " << model.step.getInputs();
  BlockArgument argument = model.step.getBody().getArgument(0);
  if (argument.getType() != ids)
    return emitError(argument.getLoc())
           << "expected token ids of type " << ids
           << ", the recipe's batch.sequences and batch.length, but got "
           << argument.getType();
  return success();
}

LogicalResult checkBody(OwnModel &model, const BatchShape &batch) {
  for (Operation &op : model.step.getBody().front()) {
    if (auto output = dyn_cast<train::OutputOp>(op)) {
      if (output.getName() != kHidden || model.hidden)
        return op.emitError() << "expected one train.output \"" << kHidden
                              << "\" in a model of a recipe, but got \""
                              << output.getName() << "\"";
      model.hidden = output;
    } else if (!isa<train::ReadOp>(op) &&
               !isa<nn::NNDialect>(op.getDialect())) {
      return op.emitError()
             << "expected operations of nn, train.read and one train.output in "
                "a model of a recipe, which has the loss and the update of its "
                "own, but got "
             << op.getName();
    }
  }
  if (!model.hidden)
    return model.step.emitError() << "expected a train.output \"" << kHidden
                                  << "\" of type [B, T, C], but got none";
  auto type = cast<RankedTensorType>(model.hidden.getValue().getType());
  if (type.getRank() != 3 || type.getDimSize(0) != batch.sequences ||
      type.getDimSize(1) != batch.length || !type.getElementType().isF32())
    return model.hidden.emitError()
           << "expected hidden states of type tensor<" << batch.sequences << "x"
           << batch.length << "xCxf32>, but got " << type;
  return success();
}

/// Finds the parameter that model.token_table names.
LogicalResult findTable(OwnModel &model, const RecipeFile &file,
                        const Settings &settings) {
  if (!settings.has("token_table"))
    return success();
  const std::string wanted = settings.text("token_table");
  std::string names;
  for (auto parameter : model.module->getOps<train::ParameterOp>()) {
    names += (names.empty() ? "" : ", ") + parameter.getExternalName().str();
    if (parameter.getExternalName() == wanted)
      model.table = parameter;
  }
  if (!model.table)
    return file.error("model", "token_table")
           << "expected model.token_table to be the external name of a "
              "parameter of the module ("
           << names << "), but got \"" << wanted << "\"";
  auto hidden = cast<RankedTensorType>(model.hidden.getValue().getType());
  auto type =
      hidden.clone({settings.integer("vocab_size"), hidden.getShape().back()});
  if (model.table.getType() != type)
    return model.table.emitError()
           << "expected model.token_table of type " << type
           << ", [vocab_size, C], but got " << model.table.getType();
  return success();
}

/// φ of `ids` at the builder's place. A program for one sequence repeats it:
/// the module's shapes are those of the batch.
Value buildHidden(OwnModel &own, ModelBuilder &model, Value ids) {
  OpBuilder &builder = model.builder();
  for (auto parameter : own.module->getOps<train::ParameterOp>())
    model.adopt(parameter);
  RankedTensorType wanted = own.idsType();
  auto given = cast<RankedTensorType>(ids.getType());
  if (given != wanted) {
    Value row = reshape(model, ids, {given.getNumElements()});
    ids = nn::BroadcastOp::create(builder, model.loc(), wanted, row,
                                  ArrayRef<int64_t>{1});
  }
  IRMapping mapping;
  Block &body = own.step.getBody().front();
  mapping.map(body.getArgument(0), ids);
  if (body.getNumArguments() > 1) {
    Value counters;
    if (model.hasNoise()) {
      counters = model.counters();
    } else {
      // Gone with the noise.
      auto type = cast<RankedTensorType>(body.getArgument(1).getType());
      counters = nn::ConstantOp::create(
          builder, model.loc(), type,
          DenseElementsAttr::get(type, builder.getI64IntegerAttr(0)));
    }
    mapping.map(body.getArgument(1), counters);
  }
  SmallVector<Operation *> stochastic;
  for (Operation &op : body) {
    if (isa<train::OutputOp>(op))
      continue;
    Operation *clone = builder.clone(op, mapping);
    if (!model.hasNoise() && isa<nn::StochasticOpInterface>(clone))
      stochastic.push_back(clone);
  }
  // A value of the model that noise goes into may be the hidden states.
  Value hidden = mapping.lookup(own.hidden.getValue());
  auto type = cast<RankedTensorType>(hidden.getType());
  auto keep = nn::ReshapeOp::create(builder, model.loc(), type, hidden);
  IRRewriter rewriter(builder);
  for (Operation *op : stochastic) {
    rewriter.setInsertionPoint(op);
    cast<nn::StochasticOpInterface>(op).removeNoise(rewriter);
  }
  if (given == wanted)
    return keep;
  return nn::SliceOp::create(
      builder, model.loc(),
      type.clone({1, type.getDimSize(1), type.getDimSize(2)}), keep,
      ArrayRef<int64_t>{0, 0, 0});
}

Value buildLogits(OwnModel &own, ModelBuilder &model, const Settings &settings,
                  Value rows) {
  int64_t vocabulary = settings.integer("vocab_size");
  int64_t channels = shapeOf(rows)[1];
  Value table;
  if (own.table) {
    model.adopt(own.table);
    table = train::ReadOp::create(model.builder(), model.loc(),
                                  own.table.getTensorType(),
                                  own.table.getSymName());
  } else {
    table = model.namedParameter(kHead, {vocabulary, channels},
                                 Init::normal(kHeadDeviation));
  }
  model.markTable(table);
  return nn::MatmulOp::create(model.builder(), model.loc(),
                              model.floats({shapeOf(rows)[0], vocabulary}),
                              rows, table,
                              /*transpose_lhs=*/false, /*transpose_rhs=*/true);
}

} // namespace

std::shared_ptr<const Family> loadOwnModel(const RecipeFile &file,
                                           const Settings &settings,
                                           const BatchShape &batch,
                                           std::string &text) {
  FailureOr<OwnFile> source = readOwnFile(file, "model", "module", settings);
  if (failed(source))
    return nullptr;
  auto own = std::make_shared<OwnModel>();
  own->module = parseTextModule(*file.location.getContext(), source->text(),
                                source->path);
  if (!own->module || failed(checkModule(*own)) ||
      failed(checkInputs(*own, batch)) || failed(checkBody(*own, batch)) ||
      failed(findTable(*own, file, settings)))
    return nullptr;
  text += source->asComment();

  auto family = std::make_shared<Family>();
  family->name = llvm::sys::path::stem(source->path).str();
  family->generates = true;
  family->ignoredBuffers = [](const Settings &) {
    return std::vector<std::string>();
  };
  family->check = [](const Settings &, const BatchShape &, Report) {};
  family->buildHidden = [own](ModelBuilder &model, const Settings &,
                              Value ids) {
    return buildHidden(*own, model, ids);
  };
  family->buildLogits = [own](ModelBuilder &model, const Settings &values,
                              Value rows) {
    return buildLogits(*own, model, values, rows);
  };
  return family;
}

} // namespace trainc::recipe
