//===- VerifyTables.cpp - what a plan says once ---------------------------===//
//
// Variables, inputs, loss terms, metrics and the batch, which all variants
// share.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/PlanVerifier.h"
#include "runtime/abi/VerifierDetail.h"

#include <cmath>
#include <unordered_map>

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::abi::detail;

namespace {

using VariableIndex = std::unordered_map<std::string_view, const Variable *>;

bool sameShape(const Variable &a, const Variable &b) {
  // The other variable may not have been judged yet.
  if (!arraySize(b.element_type(), *b.shape()) ||
      a.shape()->size() != b.shape()->size())
    return false;
  for (uint32_t i = 0; i != a.shape()->size(); ++i)
    if (a.shape()->Get(i) != b.shape()->Get(i))
      return false;
  return true;
}

bool isFloat(ElementType type) {
  return type == ElementType::F32 || type == ElementType::F64 ||
         type == ElementType::BF16 || type == ElementType::F16;
}

Status verifyVariable(const Variable &variable, const VariableIndex &byName) {
  const std::string where = fmt::format("variable '{}'", text(variable.name()));
  const Role role = variable.role();
  if (role < Role::Parameter || role > Role::Copy)
    return broken(where, "expected a known role, but got {}",
                  static_cast<unsigned>(role));
  if (elementSize(variable.element_type()) == 0)
    return broken(where, "expected a known element type, but got {}",
                  static_cast<unsigned>(variable.element_type()));
  if (!arraySize(variable.element_type(), *variable.shape()))
    return broken(where, "expected a shape of at most 8 positive extents whose "
                         "size fits 63 bits, but got another");

  const bool saved = role == Role::Parameter || role == Role::Optimizer;
  if (!saved && !text(variable.external_name()).empty())
    return broken(where,
                  "expected an external name only on parameters and optimizer "
                  "states, but got '{}'",
                  text(variable.external_name()));

  const std::string_view parameter = text(variable.parameter());
  if ((role == Role::Gradient || role == Role::Copy) && parameter.empty())
    return broken(where, "expected a {} to name its parameter, but got none",
                  role == Role::Gradient ? "gradient" : "copy");
  if (parameter.size() > maximumNameBytes)
    return broken(where,
                  "expected a parameter's name of at most {} bytes, but "
                  "got {}",
                  maximumNameBytes, parameter.size());
  if (!parameter.empty()) {
    const auto found = byName.find(parameter);
    if (found == byName.end() || found->second->role() != Role::Parameter)
      return broken(where, "expected the name of a parameter, but got '{}'",
                    parameter);
    if (role == Role::Copy &&
        (!isFloat(variable.element_type()) ||
         variable.element_type() == found->second->element_type()))
      return broken(where,
                    "expected a float type that its parameter '{}' has not, "
                    "but got {}",
                    parameter, EnumNameElementType(variable.element_type()));
    if ((role == Role::Gradient || role == Role::Copy) &&
        !sameShape(variable, *found->second))
      return broken(where,
                    "expected the shape of its parameter '{}', but got another",
                    parameter);
  }
  return {};
}

Status verifyVariables(const Plan &plan) {
  UniqueNames names("variables", "variable");
  UniqueNames externalNames("variables", "external name");
  VariableIndex byName;
  for (const Variable *variable : *plan.variables()) {
    TRAINC_RETURN_IF_ERROR(names.add(variable->name()));
    if (!text(variable->external_name()).empty())
      TRAINC_RETURN_IF_ERROR(externalNames.add(variable->external_name()));
    byName.emplace(text(variable->name()), variable);
  }
  for (const Variable *variable : *plan.variables()) {
    TRAINC_RETURN_IF_ERROR(verifyVariable(*variable, byName));
    if (variable->role() == Role::Copy &&
        (plan.feature_bits() & featureCopies) == 0)
      return broken(fmt::format("variable '{}'", text(variable->name())),
                    "expected feature bit {} with copies, but got feature "
                    "bits {:#x}",
                    featureCopies, plan.feature_bits());
  }
  return {};
}

/// Control inputs are written by the step loop, which knows these and no
/// others.
Status verifyControl(const Variable &variable, std::string_view name,
                     std::string_view where) {
  struct Known {
    std::string_view name;
    ElementType type;
    uint64_t size_bytes;
    std::string_view form;
  };
  constexpr Known known[] = {
      {"control.random", ElementType::I64, 24, "i64[3]"},
      {"control.micro_batch", ElementType::I64, 8, "i64"},
      {"control.position", ElementType::I32, 4, "i32[1]"},
      {"control.tokens", ElementType::I64, 8, "i64"}};
  for (const Known &entry : known)
    if (entry.name == name) {
      if (variable.element_type() != entry.type ||
          arraySize(entry.type, *variable.shape()) != entry.size_bytes)
        return broken(where, "expected type {}, but got another", entry.form);
      return {};
    }
  return broken(where, "expected a known control input (control.random, "
                       "control.micro_batch, control.position, "
                       "control.tokens), but got this");
}

Status verifyInputs(const Plan &plan) {
  UniqueNames names("inputs", "input");
  std::unordered_set<uint32_t> variables;
  for (const Input *input : *plan.inputs()) {
    TRAINC_RETURN_IF_ERROR(names.add(input->name()));
    const std::string where = fmt::format("input '{}'", text(input->name()));
    if (input->variable() >= plan.variables()->size())
      return broken(where, "expected a variable below {}, but got {}",
                    plan.variables()->size(), input->variable());
    const Variable &variable = *plan.variables()->Get(input->variable());
    if (variable.role() != Role::Input)
      return broken(where, "expected a variable of role Input, but got '{}'",
                    text(variable.name()));
    if (!variables.insert(input->variable()).second)
      return broken(where, "expected a variable of its own, but got '{}' again",
                    text(variable.name()));
    switch (input->source()) {
    case InputSource::Data:
      break;
    case InputSource::Control:
      TRAINC_RETURN_IF_ERROR(
          verifyControl(variable, text(input->name()), where));
      break;
    default:
      return broken(where, "expected a known source, but got {}",
                    static_cast<unsigned>(input->source()));
    }
  }
  return {};
}

/// Loss terms and metrics are numbers that the host reads as one double.
Status verifyScalar(const Plan &plan, uint32_t index, std::string_view where,
                    std::string_view field) {
  if (index >= plan.variables()->size())
    return broken(where, "expected {} to be a variable below {}, but got {}",
                  field, plan.variables()->size(), index);
  const Variable &variable = *plan.variables()->Get(index);
  if (variable.role() != Role::Metric ||
      variable.element_type() != ElementType::F64 ||
      variable.shape()->size() != 0)
    return broken(where,
                  "expected {} to be a Metric variable of type F64 without "
                  "extents, but got '{}'",
                  field, text(variable.name()));
  return {};
}

Status verifyNumbers(const Plan &plan) {
  UniqueNames terms("loss terms", "loss term");
  for (const LossTerm *term : *plan.loss_terms()) {
    TRAINC_RETURN_IF_ERROR(terms.add(term->name()));
    const std::string where = fmt::format("loss term '{}'", text(term->name()));
    if (!std::isfinite(term->weight()))
      return broken(where, "expected a finite weight, but got {}",
                    term->weight());
    if (term->normalize() < Normalize::Tokens ||
        term->normalize() > Normalize::Padded)
      return broken(where, "expected a known normalize, but got {}",
                    static_cast<unsigned>(term->normalize()));
    TRAINC_RETURN_IF_ERROR(verifyScalar(plan, term->sum(), where, "sum"));
    TRAINC_RETURN_IF_ERROR(verifyScalar(plan, term->count(), where, "count"));
    TRAINC_RETURN_IF_ERROR(
        verifyScalar(plan, term->evaluate_sum(), where, "evaluate_sum"));
    TRAINC_RETURN_IF_ERROR(
        verifyScalar(plan, term->evaluate_count(), where, "evaluate_count"));
  }
  UniqueNames metrics("metrics", "metric");
  for (const Metric *metric : *plan.metrics()) {
    TRAINC_RETURN_IF_ERROR(metrics.add(metric->name()));
    TRAINC_RETURN_IF_ERROR(verifyScalar(
        plan, metric->variable(),
        fmt::format("metric '{}'", text(metric->name())), "its value"));
  }
  return {};
}

} // namespace

Status detail::verifyTables(const Plan &plan) {
  TRAINC_RETURN_IF_ERROR(verifyVariables(plan));
  TRAINC_RETURN_IF_ERROR(verifyInputs(plan));
  TRAINC_RETURN_IF_ERROR(verifyNumbers(plan));
  const Batch &batch = *plan.batch();
  // 2^20 of each keeps products of two within 64 bits everywhere.
  constexpr uint32_t maximum = 1u << 20;
  for (const uint32_t extent :
       {batch.sequences(), batch.length(), batch.micro_batches()})
    if (extent == 0 || extent > maximum)
      return broken(
          "batch",
          "expected sequences, length and micro_batches from 1 to {}, "
          "but got {}",
          maximum, extent);
  if (batch.ramp_from() == 0 && batch.ramp_tokens() == 0)
    return {};
  if ((plan.feature_bits() & featureRamp) == 0)
    return broken("batch",
                  "expected feature bit {} of a plan with a ramp, but got {}",
                  featureRamp, plan.feature_bits());
  constexpr uint64_t maximum_tokens = uint64_t{1} << 60;
  if (batch.ramp_from() == 0 || batch.ramp_from() > batch.micro_batches() ||
      batch.micro_batches() > maximumRamp || batch.ramp_tokens() == 0 ||
      batch.ramp_tokens() > maximum_tokens)
    return broken("batch",
                  "expected a ramp from 1 to at most {} micro-batches over 1 "
                  "to {} tokens, but got {} to {} over {}",
                  maximumRamp, maximum_tokens, batch.ramp_from(),
                  batch.micro_batches(), batch.ramp_tokens());
  return {};
}
