//===- SharedTables.cpp - what a plan says once ---------------------------===//
//
// Decides the order of variables (parameters, states, inputs, each in module
// order) and translates module attributes.
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/Tables.h"

#include "dialects/train/Train.h"
#include "runtime/abi/PlanVerifier.h"
#include "llvm/ADT/StringSwitch.h"
#include <fmt/format.h>

using namespace mlir;

namespace trainc::emit {

abi::ElementType elementTypeOf(Type type) {
  if (type.isF32())
    return abi::ElementType::F32;
  if (type.isF64())
    return abi::ElementType::F64;
  if (type.isBF16())
    return abi::ElementType::BF16;
  if (type.isF16())
    return abi::ElementType::F16;
  if (type.isInteger(1))
    return abi::ElementType::I1;
  if (type.isInteger(8))
    return abi::ElementType::U8;
  if (type.isInteger(32))
    return abi::ElementType::I32;
  if (type.isInteger(64))
    return abi::ElementType::I64;
  return abi::ElementType::Unspecified;
}

std::vector<uint64_t> shapeOf(ShapedType type) {
  return {type.getShape().begin(), type.getShape().end()};
}

namespace {

/// "normal(0, 0.02)": for people who read `trainrun inspect`.
std::string initializationText(train::ParameterOp parameter) {
  double offset = parameter.getOffset().convertToDouble();
  double scale = parameter.getScale().convertToDouble();
  switch (parameter.getInit()) {
  case train::InitKind::Constant:
    return fmt::format("constant({})", offset);
  case train::InitKind::Normal:
    return fmt::format("normal({}, {})", offset, scale);
  case train::InitKind::Uniform:
    return fmt::format("uniform({}, {})", offset, offset + scale);
  case train::InitKind::Truncated:
    return fmt::format("truncated_normal({}, {})", offset, scale);
  }
  llvm_unreachable("every kind is listed");
}

class SharedTables {
public:
  SharedTables(ModuleOp module, TableIndex &index)
      : module(module), index(index), plan(std::make_unique<abi::PlanT>()) {}

  FailureOr<std::unique_ptr<abi::PlanT>> build() {
    plan->schema_version = abi::schemaVersion;
    plan->producer = "trainc " TRAINC_VERSION;
    plan->name = text("train.name");
    plan->recipe = text("train.recipe");
    plan->external_prefix = text("train.external_prefix");
    if (auto ignored =
            module->getAttrOfType<ArrayAttr>("train.ignored_buffers"))
      for (StringRef suffix : ignored.getAsValueRange<StringAttr>())
        plan->ignored_buffers.push_back(suffix.str());
    plan->content_hash = abi::hashPlaceholder;
    if (failed(addBatch()) || failed(addVariables()) || failed(addInputs()) ||
        failed(addLossTerms()) || failed(addMetrics()))
      return failure();
    return std::move(plan);
  }

private:
  std::string text(StringRef name) {
    auto attribute = module->getAttrOfType<StringAttr>(name);
    return attribute ? attribute.str() : std::string();
  }

  int64_t number(StringRef name, int64_t absent) {
    auto attribute = module->getAttrOfType<IntegerAttr>(name);
    return attribute ? attribute.getInt() : absent;
  }

  LogicalResult addBatch() {
    plan->batch = std::make_unique<abi::BatchT>();
    abi::BatchT &batch = *plan->batch;
    // Examples without a time dimension have one position.
    const std::pair<StringRef, int64_t> sizes[] = {{"train.sequences", 0},
                                                   {"train.length", 1}};
    for (auto [name, absent] : sizes)
      if (number(name, absent) <= 0)
        return module.emitError()
               << "expected a positive module attribute " << name
               << ", but got " << number(name, absent);
    batch.sequences = number("train.sequences", 0);
    batch.length = number("train.length", 1);
    batch.micro_batches = number("train.micro_batches", 1);
    batch.objective = text("train.objective");
    batch.total_steps = number("train.total_steps", 0);
    batch.seed = number("train.seed", 0);
    batch.ignore_index = number("train.ignore_index", 0);
    batch.vocab_size = number("train.vocab_size", 0);
    batch.ramp_from = number("train.ramp_from", 0);
    batch.ramp_tokens = number("train.ramp_tokens", 0);
    if (batch.ramp_from)
      plan->feature_bits |= abi::featureRamp;
    return success();
  }

  FailureOr<abi::VariableT *> addVariable(Operation *where, StringRef name,
                                          abi::Role role, ShapedType type) {
    auto variable = std::make_unique<abi::VariableT>();
    variable->name = name.str();
    variable->role = role;
    variable->element_type = elementTypeOf(type.getElementType());
    if (variable->element_type == abi::ElementType::Unspecified)
      return where->emitError()
             << "expected an element type of the plan's schema, but got "
             << type.getElementType();
    variable->shape = shapeOf(type);
    index.variables[name] = plan->variables.size();
    plan->variables.push_back(std::move(variable));
    return plan->variables.back().get();
  }

  LogicalResult addVariables() {
    for (auto parameter : module.getOps<train::ParameterOp>()) {
      auto variable =
          addVariable(parameter, parameter.getSymName(), abi::Role::Parameter,
                      parameter.getTensorType());
      if (failed(variable))
        return failure();
      (*variable)->external_name = parameter.getExternalName().str();
      (*variable)->initialization = initializationText(parameter);
      (*variable)->decay = parameter.getDecay();
      (*variable)->trainable = parameter.getTrainable();
    }
    for (auto state : module.getOps<train::StateOp>()) {
      // Numbers of train.state's roles are those of the schema.
      auto variable = addVariable(state, state.getSymName(),
                                  static_cast<abi::Role>(state.getRole()),
                                  state.getTensorType());
      if (failed(variable))
        return failure();
      if (state.getRole() == train::Role::Copy)
        plan->feature_bits |= abi::featureCopies;
      (*variable)->parameter = state.getParameter().value_or("").str();
      (*variable)->external_name = state.getExternalName().value_or("").str();
    }
    return success();
  }

  LogicalResult addInputs() {
    auto inputs = module->getAttrOfType<ArrayAttr>("train.inputs");
    if (!inputs)
      return module.emitError() << "expected the module attribute "
                                   "train.inputs, but got none; run the "
                                   "memory stage";
    for (auto description : inputs.getAsRange<DictionaryAttr>()) {
      StringRef name = description.getAs<StringAttr>("name").getValue();
      auto type =
          cast<ShapedType>(description.getAs<TypeAttr>("type").getValue());
      auto input = std::make_unique<abi::InputT>();
      input->name = name.str();
      input->source =
          description.getAs<StringAttr>("source").getValue() == "control"
              ? abi::InputSource::Control
              : abi::InputSource::Data;
      input->variable = plan->variables.size();
      if (auto limit = description.getAs<IntegerAttr>("limit"))
        input->limit = limit.getInt();
      if (auto ignore = description.getAs<IntegerAttr>("ignore")) {
        input->has_ignore_value = true;
        input->ignore_value = ignore.getInt();
      }
      if (failed(addVariable(module, name, abi::Role::Input, type)))
        return failure();
      index.inputs[name] = plan->inputs.size();
      plan->inputs.push_back(std::move(input));
    }
    return success();
  }

  FailureOr<uint32_t> findVariable(const std::string &name) {
    auto found = index.variables.find(name);
    if (found == index.variables.end())
      return module.emitError()
             << "expected a train.state @" << name << ", but got none";
    return found->second;
  }

  LogicalResult addLossTerms() {
    auto terms = module->getAttrOfType<ArrayAttr>("train.loss_terms");
    for (auto description : terms ? terms.getAsRange<DictionaryAttr>()
                                  : ArrayAttr::get(module.getContext(), {})
                                        .getAsRange<DictionaryAttr>()) {
      auto term = std::make_unique<abi::LossTermT>();
      term->name = description.getAs<StringAttr>("name").str();
      auto weight = description.getAs<FloatAttr>("weight");
      term->weight = weight ? weight.getValueAsDouble() : 1.0;
      auto normalize = description.getAs<StringAttr>("normalize");
      term->normalize = llvm::StringSwitch<abi::Normalize>(
                            normalize ? normalize.getValue() : "tokens")
                            .Case("tokens", abi::Normalize::Tokens)
                            .Case("sequences", abi::Normalize::Sequences)
                            .Case("padded", abi::Normalize::Padded)
                            .Default(abi::Normalize::Unspecified);
      std::pair<const char *, uint32_t *> fields[] = {
          {".sum", &term->sum},
          {".count", &term->count},
          {".evaluate_sum", &term->evaluate_sum},
          {".evaluate_count", &term->evaluate_count}};
      for (auto [suffix, field] : fields) {
        auto variable =
            findVariable(fmt::format("loss.{}{}", term->name, suffix));
        if (failed(variable))
          return failure();
        *field = *variable;
      }
      plan->loss_terms.push_back(std::move(term));
    }
    return success();
  }

  LogicalResult addMetrics() {
    auto names = module->getAttrOfType<ArrayAttr>("train.metrics");
    if (!names)
      return success();
    for (StringRef name : names.getAsValueRange<StringAttr>()) {
      auto variable = findVariable(fmt::format("metric.{}", name.str()));
      if (failed(variable))
        return failure();
      auto metric = std::make_unique<abi::MetricT>();
      metric->name = name.str();
      metric->variable = *variable;
      plan->metrics.push_back(std::move(metric));
    }
    return success();
  }

  ModuleOp module;
  TableIndex &index;
  std::unique_ptr<abi::PlanT> plan;
};

} // namespace

FailureOr<std::unique_ptr<abi::PlanT>> buildSharedTables(ModuleOp module,
                                                         TableIndex &index) {
  return SharedTables(module, index).build();
}

} // namespace trainc::emit
