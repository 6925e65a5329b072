#include "test/unit/runtime/support/TestPlan.h"

#include "runtime/abi/KernelAbi.h"
#include "runtime/abi/PlanVerifier.h"

#include <cstdio>
#include <cstdlib>

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::test;

static uint64_t elementBytes(ElementType type) {
  switch (type) {
  case ElementType::F64:
  case ElementType::I64:
    return 8;
  case ElementType::F32:
  case ElementType::I32:
    return 4;
  case ElementType::BF16:
  case ElementType::F16:
    return 2;
  default:
    return 1;
  }
}

/// Test code that asks for what is not there is wrong: stop at once.
template <typename T>
static size_t indexOf(const std::vector<std::unique_ptr<T>> &items,
                      std::string_view name) {
  for (size_t i = 0; i != items.size(); ++i)
    if (items[i]->name == name)
      return i;
  std::fprintf(stderr, "no '%s' in the test plan\n", std::string(name).c_str());
  std::exit(1);
}

static VariantT &variant(PlanT &plan) { return *plan.variants.front(); }

uint32_t test::variableIndex(const PlanT &plan, std::string_view name) {
  return static_cast<uint32_t>(indexOf(plan.variables, name));
}
VariableT &test::variable(PlanT &plan, std::string_view name) {
  return *plan.variables[variableIndex(plan, name)];
}
uint32_t test::bufferIndex(const PlanT &plan, std::string_view name) {
  const auto &buffers = plan.variants.front()->buffers;
  for (uint32_t i = 0; i != buffers.size(); ++i)
    if (buffers[i]->variable == variableIndex(plan, name) + 1)
      return i;
  return 0;
}
BufferT &test::bufferOf(PlanT &plan, std::string_view name) {
  return *variant(plan).buffers[bufferIndex(plan, name)];
}
KernelT &test::kernel(PlanT &plan, std::string_view name) {
  return *variant(plan).kernels[indexOf(variant(plan).kernels, name)];
}
ProgramT &test::program(PlanT &plan, std::string_view name) {
  return *variant(plan).programs[indexOf(variant(plan).programs, name)];
}
LaunchT &test::launch(PlanT &plan, std::string_view name, size_t index) {
  return *program(plan, name).commands.at(index)->command.AsLaunch();
}

uint32_t test::addBuffer(PlanT &plan, ElementType type,
                         std::vector<uint64_t> shape,
                         uint32_t variable_plus_one) {
  ArenaT &arena = *variant(plan).arenas.front();
  auto buffer = std::make_unique<BufferT>();
  buffer->offset_bytes = arena.size_bytes;
  buffer->size_bytes = elementBytes(type);
  for (const uint64_t extent : shape)
    buffer->size_bytes *= extent;
  buffer->element_type = type;
  buffer->shape = std::move(shape);
  buffer->variable = variable_plus_one;
  const uint64_t alignment = TRAINC_BUFFER_ALIGNMENT;
  arena.size_bytes +=
      (buffer->size_bytes + alignment - 1) / alignment * alignment;
  variant(plan).buffers.push_back(std::move(buffer));
  return static_cast<uint32_t>(variant(plan).buffers.size() - 1);
}

uint32_t test::addVariable(PlanT &plan, std::string_view name, Role role,
                           ElementType type, std::vector<uint64_t> shape) {
  auto variable = std::make_unique<VariableT>();
  variable->name = name;
  variable->role = role;
  variable->element_type = type;
  variable->shape = shape;
  plan.variables.push_back(std::move(variable));
  return addBuffer(plan, type, std::move(shape),
                   static_cast<uint32_t>(plan.variables.size()));
}

static ProgramT &findOrAdd(PlanT &plan, std::string_view name) {
  auto &programs = variant(plan).programs;
  for (const auto &program : programs)
    if (program->name == name)
      return *program;
  programs.push_back(std::make_unique<ProgramT>());
  programs.back()->name = name;
  return *programs.back();
}

LaunchT &test::addLaunch(PlanT &plan, std::string_view program,
                         std::string_view name, uint64_t entry_offset,
                         std::vector<Operand> operands, uint32_t workgroups,
                         uint64_t scratch_bytes) {
  auto kernel = std::make_unique<KernelT>();
  kernel->name = name;
  kernel->entry_offset = entry_offset;
  kernel->abi_version = TRAINC_KERNEL_ABI_VERSION;
  kernel->workgroups = workgroups;
  kernel->scratch_bytes = scratch_bytes;
  kernel->operation = std::string("test.") + std::string(name);
  LaunchT launch;
  launch.kernel = static_cast<uint32_t>(variant(plan).kernels.size());
  for (const Operand &operand : operands) {
    const BufferT &buffer = *variant(plan).buffers.at(operand.buffer);
    auto parameter = std::make_unique<KernelParameterT>();
    parameter->access = operand.access;
    parameter->element_type = buffer.element_type;
    parameter->size_bytes = buffer.size_bytes;
    kernel->parameters.push_back(std::move(parameter));
    launch.buffers.push_back(operand.buffer);
  }
  variant(plan).kernels.push_back(std::move(kernel));
  auto item = std::make_unique<CommandItemT>();
  item->command.Set(std::move(launch));
  auto &commands = findOrAdd(plan, program).commands;
  commands.push_back(std::move(item));
  return *commands.back()->command.AsLaunch();
}

void test::addCopy(PlanT &plan, std::string_view program, uint32_t source,
                   uint32_t destination) {
  CopyT copy;
  copy.source = source;
  copy.destination = destination;
  auto item = std::make_unique<CommandItemT>();
  item->command.Set(std::move(copy));
  findOrAdd(plan, program).commands.push_back(std::move(item));
}

static void addInput(PlanT &plan, std::string_view name, InputSource source,
                     ElementType type, std::vector<uint64_t> shape) {
  auto input = std::make_unique<InputT>();
  input->name = name;
  input->source = source;
  input->variable = static_cast<uint32_t>(plan.variables.size());
  plan.inputs.push_back(std::move(input));
  addVariable(plan, name, Role::Input, type, std::move(shape));
}

static void addMetric(PlanT &plan, std::string_view name) {
  auto metric = std::make_unique<MetricT>();
  metric->name = name;
  metric->variable = static_cast<uint32_t>(plan.variables.size());
  plan.metrics.push_back(std::move(metric));
  addVariable(plan, name, Role::Metric, ElementType::F64, {});
}

static void addVariables(PlanT &plan, uint32_t rows) {
  const std::vector<uint64_t> tokens = {rows, length};
  addVariable(plan, "table.weight", Role::Parameter, ElementType::F32,
              {weights});
  variable(plan, "table.weight").external_name = "model.table.weight";
  variable(plan, "table.weight").trainable = true;
  addVariable(plan, "table.weight.grad", Role::Gradient, ElementType::F32,
              {weights});
  variable(plan, "table.weight.grad").parameter = "table.weight";
  addVariable(plan, "table.weight.momentum", Role::Optimizer, ElementType::F32,
              {weights});
  variable(plan, "table.weight.momentum").parameter = "table.weight";
  variable(plan, "table.weight.momentum").external_name =
      "model.table.weight.momentum";

  addInput(plan, "inputs", InputSource::Data, ElementType::I32, tokens);
  plan.inputs.back()->limit = vocabulary;
  addInput(plan, "targets", InputSource::Data, ElementType::I32, tokens);
  plan.inputs.back()->limit = vocabulary;
  plan.inputs.back()->has_ignore_value = true;
  plan.inputs.back()->ignore_value = ignored;
  addInput(plan, "control.random", InputSource::Control, ElementType::I64, {3});
  addInput(plan, "control.micro_batch", InputSource::Control, ElementType::I64,
           {});

  auto term = std::make_unique<LossTermT>();
  term->name = "squares";
  term->weight = 2.0;
  term->normalize = Normalize::Tokens;
  term->sum = static_cast<uint32_t>(plan.variables.size());
  term->count = term->sum + 1;
  term->evaluate_sum = term->sum + 2;
  term->evaluate_count = term->sum + 3;
  plan.loss_terms.push_back(std::move(term));
  for (const char *name :
       {"loss.squares.sum", "loss.squares.count", "loss.squares.evaluate_sum",
        "loss.squares.evaluate_count"})
    addVariable(plan, name, Role::Metric, ElementType::F64, {});
  addMetric(plan, "learning_rate");
  addMetric(plan, "grad_norm");
  addVariable(plan, "predictions", Role::Output, ElementType::F32, tokens);
  addVariable(plan, "logits", Role::Output, ElementType::F32, tokens);
}

static void addPrograms(PlanT &plan, uint32_t rows) {
  constexpr Access R = Access::Read, W = Access::Write, RW = Access::ReadWrite;
  const auto at = [&](std::string_view name) {
    return bufferIndex(plan, name);
  };
  const uint32_t partials = addBuffer(plan, ElementType::F64, {weights});
  const uint32_t staged = addBuffer(plan, ElementType::F32, {rows, length});

  addLaunch(plan, "initialize", "initialize", Initialize,
            {{at("control.random"), R},
             {at("table.weight"), W},
             {at("table.weight.momentum"), W}});
  addLaunch(plan, "count", "count", Count,
            {{at("targets"), R},
             {at("control.micro_batch"), R},
             {at("loss.squares.count"), RW}});
  addLaunch(plan, "accumulate", "accumulate", Accumulate,
            {{at("inputs"), R},
             {at("targets"), R},
             {at("control.micro_batch"), R},
             {at("table.weight"), R},
             {at("loss.squares.count"), R},
             {at("table.weight.grad"), RW},
             {partials, W}},
            weights);
  addLaunch(plan, "accumulate", "reduce", Reduce,
            {{partials, R},
             {at("control.micro_batch"), R},
             {at("loss.squares.sum"), RW}});
  addLaunch(plan, "apply", "apply", Apply,
            {{at("table.weight.grad"), R},
             {at("table.weight"), RW},
             {at("table.weight.momentum"), RW},
             {at("learning_rate"), W},
             {at("grad_norm"), W}});
  addLaunch(plan, "evaluate", "evaluate", Evaluate,
            {{at("inputs"), R},
             {at("targets"), R},
             {at("table.weight"), R},
             {at("loss.squares.evaluate_sum"), W},
             {at("loss.squares.evaluate_count"), W}});
  addLaunch(plan, "predict", "predict", Predict,
            {{at("inputs"), R}, {at("table.weight"), R}, {staged, W}});
  addCopy(plan, "predict", staged, at("predictions"));
  addCopy(plan, "predict", staged, at("logits"));

  // Inputs in the order of addVariables: inputs, targets, random, micro_batch.
  program(plan, "initialize").inputs = {2};
  program(plan, "count").inputs = {1, 3};
  program(plan, "accumulate").inputs = {0, 1, 3};
  program(plan, "evaluate").inputs = {0, 1};
  program(plan, "predict").inputs = {0};
  program(plan, "apply").outputs = {variableIndex(plan, "learning_rate"),
                                    variableIndex(plan, "grad_norm")};
  program(plan, "predict").outputs = {variableIndex(plan, "predictions"),
                                      variableIndex(plan, "logits")};
}

std::unique_ptr<PlanT> test::makePlan(uint32_t rows, uint32_t micro_batches) {
  auto plan = std::make_unique<PlanT>();
  plan->schema_version = schemaVersion;
  plan->producer = "trainc test";
  plan->name = "squares";
  plan->recipe = "# none";
  plan->external_prefix = "model.";
  plan->content_hash = hashPlaceholder;
  plan->batch = std::make_unique<BatchT>();
  plan->batch->sequences = rows;
  plan->batch->length = length;
  plan->batch->micro_batches = micro_batches;
  plan->batch->objective = "causal_lm";
  plan->batch->total_steps = 10;
  plan->batch->seed = 1;
  plan->batch->ignore_index = ignored;
  plan->batch->vocab_size = static_cast<uint32_t>(vocabulary);
  plan->variants.push_back(std::make_unique<VariantT>());
  VariantT &target = variant(*plan);
  target.target = "cpu";
  target.code = kernelImage(rows);
  target.code_hash = hashPlaceholder;
  target.arenas.push_back(std::make_unique<ArenaT>());
  target.arenas.front()->name = "main";
  target.arenas.front()->alignment_bytes = 4096;
  addVariables(*plan, rows);
  const uint64_t persistent_bytes = target.arenas.front()->size_bytes;
  addPrograms(*plan, rows);
  for (const char *name : {"variables", "transient"}) {
    auto segment = std::make_unique<SegmentT>();
    segment->name = name;
    target.arenas.front()->segments.push_back(std::move(segment));
  }
  target.arenas.front()->segments[0]->size_bytes = persistent_bytes;
  target.arenas.front()->segments[1]->offset_bytes = persistent_bytes;
  target.arenas.front()->segments[1]->size_bytes =
      target.arenas.front()->size_bytes - persistent_bytes;
  return plan;
}

std::vector<uint8_t> test::serialize(const PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  FinishPlanBuffer(builder, CreatePlan(builder, &plan));
  std::vector<uint8_t> bytes(builder.GetBufferPointer(),
                             builder.GetBufferPointer() + builder.GetSize());
  // A plan that cannot be finalized is what the test is about: keep it as is.
  (void)finalizePlan(bytes);
  return bytes;
}
