// Rules on what a plan says once: README.md of runtime/abi, "Tables".
#include "test/unit/runtime/abi/Rules.h"

#include <limits>

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::test;

using TableRules = RuleTest;
TEST_P(TableRules, IsRefused) { check(); }

/// Of the gradient, a copy of the parameter.
static VariableT &makeCopy(PlanT &p) {
  VariableT &copy = variable(p, "table.weight.grad");
  copy.role = Role::Copy;
  copy.element_type = ElementType::BF16;
  return copy;
}

static const Rule rules[] = {
    {"SchemaVersion", [](PlanT &p) { p.schema_version = 2; },
     "expected schema version 1, but got 2"},
    {"FeatureBits", [](PlanT &p) { p.feature_bits = 8; }, "unknown bits 0x8"},
    {"NoVariant", [](PlanT &p) { p.variants.clear(); },
     "expected at least one variant"},
    {"VariableNamedTwice",
     [](PlanT &p) { p.variables[1]->name = "table.weight"; },
     "unique names of variables, but got 'table.weight' twice"},
    {"VariableWithoutName", [](PlanT &p) { p.variables[1]->name = ""; },
     "expected every variable to have a name"},
    {"ExternalNameTwice",
     [](PlanT &p) {
       variable(p, "table.weight.momentum").external_name =
           "model.table.weight";
     },
     "unique names of external names"},
    {"UnknownRole",
     [](PlanT &p) { variable(p, "table.weight").role = Role(99); },
     "variable 'table.weight': expected a known role, but got 99"},
    {"NoRole",
     [](PlanT &p) { variable(p, "table.weight").role = Role::Unspecified; },
     "expected a known role, but got 0"},
    {"UnknownElementType",
     [](PlanT &p) {
       variable(p, "table.weight").element_type = ElementType(99);
     },
     "expected a known element type, but got 99"},
    {"EmptyExtent",
     [](PlanT &p) { variable(p, "table.weight").shape = {4, 0}; },
     "expected a shape of at most 8 positive extents"},
    {"OverflowingShape",
     [](PlanT &p) {
       variable(p, "table.weight").shape = {uint64_t{1} << 32,
                                            uint64_t{1} << 32};
     },
     "expected a shape of at most 8 positive extents"},
    {"TooManyExtents",
     [](PlanT &p) {
       variable(p, "table.weight").shape = {1, 1, 1, 1, 1, 1, 1, 1, 4};
     },
     "expected a shape of at most 8 positive extents"},
    {"ExternalNameOfMetric",
     [](PlanT &p) { variable(p, "grad_norm").external_name = "x"; },
     "expected an external name only on parameters"},
    {"GradientOfNothing",
     [](PlanT &p) { variable(p, "table.weight.grad").parameter = ""; },
     "expected a gradient to name its parameter"},
    {"GradientOfUnknown",
     [](PlanT &p) { variable(p, "table.weight.grad").parameter = "grad_norm"; },
     "expected the name of a parameter, but got 'grad_norm'"},
    {"GradientShape",
     [](PlanT &p) { variable(p, "table.weight.grad").shape = {2, 2}; },
     "expected the shape of its parameter"},
    {"InputNamedTwice", [](PlanT &p) { p.inputs[1]->name = "inputs"; },
     "unique names of inputs"},
    {"InputOutOfRange", [](PlanT &p) { p.inputs[0]->variable = 1000; },
     "input 'inputs': expected a variable below 15, but got 1000"},
    {"InputOfOtherRole", [](PlanT &p) { p.inputs[0]->variable = 0; },
     "expected a variable of role Input, but got 'table.weight'"},
    {"InputsShareAVariable",
     [](PlanT &p) { p.inputs[1]->variable = p.inputs[0]->variable; },
     "expected a variable of its own"},
    {"UnknownSource", [](PlanT &p) { p.inputs[0]->source = InputSource(7); },
     "expected a known source, but got 7"},
    {"UnknownControl", [](PlanT &p) { p.inputs[2]->name = "control.moon"; },
     "expected a known control input"},
    {"ControlType",
     [](PlanT &p) { std::swap(p.inputs[2]->variable, p.inputs[3]->variable); },
     "expected type i64[3]"},
    {"LossTermTwice",
     [](PlanT &p) {
       p.loss_terms.push_back(std::make_unique<LossTermT>(*p.loss_terms[0]));
     },
     "unique names of loss terms"},
    {"LossWeight",
     [](PlanT &p) {
       p.loss_terms[0]->weight = std::numeric_limits<double>::quiet_NaN();
     },
     "expected a finite weight"},
    {"Normalize",
     [](PlanT &p) { p.loss_terms[0]->normalize = Normalize::Unspecified; },
     "expected a known normalize, but got 0"},
    {"LossSumOutOfRange", [](PlanT &p) { p.loss_terms[0]->sum = 1000; },
     "expected sum to be a variable below"},
    {"LossCountOfOtherRole", [](PlanT &p) { p.loss_terms[0]->count = 0; },
     "expected count to be a Metric variable of type F64"},
    {"EvaluateSumType",
     [](PlanT &p) {
       variable(p, "loss.squares.evaluate_sum").element_type = ElementType::I64;
     },
     "expected evaluate_sum to be a Metric variable of type F64"},
    {"EvaluateCountShape",
     [](PlanT &p) { variable(p, "loss.squares.evaluate_count").shape = {1}; },
     "expected evaluate_count to be a Metric variable of type F64"},
    {"MetricTwice", [](PlanT &p) { p.metrics[1]->name = "learning_rate"; },
     "unique names of metrics"},
    {"MetricOutOfRange", [](PlanT &p) { p.metrics[0]->variable = 1000; },
     "metric 'learning_rate': expected its value to be a variable below"},
    {"MetricOfOtherRole", [](PlanT &p) { p.metrics[0]->variable = 0; },
     "expected its value to be a Metric variable"},
    {"NoRows", [](PlanT &p) { p.batch->sequences = 0; },
     "batch: expected sequences, length and micro_batches"},
    {"NoMicroBatches", [](PlanT &p) { p.batch->micro_batches = 0; },
     "batch: expected sequences, length and micro_batches"},
    {"CopyWithoutFeature", [](PlanT &p) { makeCopy(p); },
     "expected feature bit 4 with copies"},
    {"CopyOfNothing",
     [](PlanT &p) {
       p.feature_bits |= featureCopies;
       makeCopy(p).parameter.clear();
     },
     "expected a copy to name its parameter"},
    {"CopyOfAnotherShape",
     [](PlanT &p) {
       p.feature_bits |= featureCopies;
       makeCopy(p).shape.push_back(2);
     },
     "expected the shape of its parameter"},
    {"CopyOfTheSameType",
     [](PlanT &p) {
       p.feature_bits |= featureCopies;
       makeCopy(p).element_type = ElementType::F32;
     },
     "expected a float type that its parameter 'table.weight' has not"},
    {"CopyOfIntegers",
     [](PlanT &p) {
       p.feature_bits |= featureCopies;
       makeCopy(p).element_type = ElementType::I32;
     },
     "expected a float type that its parameter 'table.weight' has not"},
    {"CopyThatIsSaved",
     [](PlanT &p) {
       p.feature_bits |= featureCopies;
       makeCopy(p).external_name = "copy";
     },
     "expected an external name only on parameters and optimizer states"},
    {"RampWithoutFeature",
     [](PlanT &p) {
       p.batch->ramp_from = 1;
       p.batch->ramp_tokens = 100;
     },
     "batch: expected feature bit 2 of a plan with a ramp"},
    {"RampFromTooMany",
     [](PlanT &p) {
       p.feature_bits |= featureRamp;
       p.batch->ramp_from = p.batch->micro_batches + 1;
       p.batch->ramp_tokens = 100;
     },
     "batch: expected a ramp from 1 to at most 65536 micro-batches"},
    {"RampOverNothing",
     [](PlanT &p) {
       p.feature_bits |= featureRamp;
       p.batch->ramp_from = 1;
     },
     "batch: expected a ramp from 1 to at most 65536 micro-batches"},
    {"RampFromNothing",
     [](PlanT &p) {
       p.feature_bits |= featureRamp;
       p.batch->ramp_tokens = 1;
     },
     "batch: expected a ramp from 1 to at most 65536 micro-batches"},
    {"RampOfTooMany",
     [](PlanT &p) {
       p.feature_bits |= featureRamp;
       p.batch->micro_batches = 1u << 17;
       p.batch->ramp_from = 1;
       p.batch->ramp_tokens = 1;
     },
     "batch: expected a ramp from 1 to at most 65536 micro-batches"},
    {"EndlessRows", [](PlanT &p) { p.batch->length = 1u << 30; },
     "batch: expected sequences, length and micro_batches"},
};
INSTANTIATE_TEST_SUITE_P(Rules, TableRules, testing::ValuesIn(rules), ruleName);
