// The emit stage: what the plan says is what the module says.
#include "compiler/emit/Emit.h"

#include "runtime/abi/PlanVerifier.h"
#include "runtime/abi/plan_generated.h"
#include "test/unit/compiler/Modules.h"
#include <gtest/gtest.h>

// Inside trainc: the C++ library has a namespace abi, too.
namespace trainc {
namespace {

using namespace trainc::test;

std::unique_ptr<abi::PlanT> unpack(const std::vector<uint8_t> &bytes) {
  return std::unique_ptr<abi::PlanT>(abi::GetPlan(bytes.data())->UnPack());
}

std::vector<uint8_t> emitCompiled() {
  Modules modules;
  auto module = modules.parse(kCompiled);
  EXPECT_TRUE(module) << modules.errors;
  std::vector<uint8_t> bytes;
  if (!module)
    return bytes;
  EXPECT_TRUE(succeeded(emit::emitPlan({*module}, bytes))) << modules.errors;
  return bytes;
}

/// Emits kCompiled with one replacement; returns the diagnostics, which must
/// be.
std::string errorsAfter(const std::string &from, const std::string &to) {
  Modules modules;
  auto module = modules.parse(replaced(kCompiled, from, to));
  EXPECT_TRUE(module) << modules.errors;
  if (!module || replaced(kCompiled, from, to).empty())
    return "the module is not what the test means";
  std::vector<uint8_t> bytes{1};
  EXPECT_TRUE(failed(emit::emitPlan({*module}, bytes)));
  EXPECT_TRUE(bytes.empty());
  return modules.errors;
}

TEST(EmitTest, SharedTables) {
  auto plan = unpack(emitCompiled());
  EXPECT_EQ(plan->schema_version, abi::schemaVersion);
  EXPECT_EQ(plan->name, "tiny");
  EXPECT_EQ(plan->recipe, "[model]\n");
  EXPECT_EQ(plan->external_prefix, "transformer.");
  EXPECT_EQ(plan->ignored_buffers, std::vector<std::string>{".attn.bias"});
  EXPECT_EQ(plan->batch->sequences, 2u);
  EXPECT_EQ(plan->batch->length, 4u);
  EXPECT_EQ(plan->batch->micro_batches, 2u);
  EXPECT_EQ(plan->batch->seed, 7u);
  EXPECT_EQ(plan->batch->total_steps, 100u);
  EXPECT_EQ(plan->batch->ignore_index, -100);
  EXPECT_EQ(plan->batch->vocab_size, 50u);
  EXPECT_EQ(plan->batch->objective, "causal_lm");

  ASSERT_EQ(plan->variables.size(), 11u);
  const abi::VariableT &wte = *plan->variables[0];
  EXPECT_EQ(wte.name, "wte");
  EXPECT_EQ(wte.role, abi::Role::Parameter);
  EXPECT_EQ(wte.external_name, "transformer.wte.weight");
  EXPECT_EQ(wte.initialization, "normal(0, 0.02)");
  EXPECT_TRUE(wte.decay);
  EXPECT_TRUE(wte.trainable);
  EXPECT_EQ(wte.shape, std::vector<uint64_t>{8});
  EXPECT_EQ(plan->variables[1]->role, abi::Role::Gradient);
  EXPECT_EQ(plan->variables[1]->parameter, "wte");
  EXPECT_EQ(plan->variables[2]->role, abi::Role::Optimizer);
  EXPECT_EQ(plan->variables[2]->external_name, "transformer.wte.weight.m");
  EXPECT_EQ(plan->variables[8]->role, abi::Role::Output);

  ASSERT_EQ(plan->inputs.size(), 2u);
  EXPECT_EQ(plan->inputs[0]->name, "inputs");
  EXPECT_EQ(plan->inputs[0]->source, abi::InputSource::Data);
  EXPECT_EQ(plan->inputs[0]->limit, 50u);
  EXPECT_TRUE(plan->inputs[0]->has_ignore_value);
  EXPECT_EQ(plan->inputs[0]->ignore_value, -100);
  EXPECT_EQ(plan->variables[plan->inputs[0]->variable]->role, abi::Role::Input);
  EXPECT_EQ(plan->inputs[1]->source, abi::InputSource::Control);
  EXPECT_FALSE(plan->inputs[1]->has_ignore_value);

  ASSERT_EQ(plan->loss_terms.size(), 1u);
  const abi::LossTermT &term = *plan->loss_terms[0];
  EXPECT_EQ(term.name, "lm");
  EXPECT_EQ(term.weight, 0.5);
  EXPECT_EQ(term.normalize, abi::Normalize::Sequences);
  EXPECT_EQ(plan->variables[term.sum]->name, "loss.lm.sum");
  EXPECT_EQ(plan->variables[term.count]->name, "loss.lm.count");
  EXPECT_EQ(plan->variables[term.evaluate_sum]->name, "loss.lm.evaluate_sum");
  EXPECT_EQ(plan->variables[term.evaluate_count]->name,
            "loss.lm.evaluate_count");
  ASSERT_EQ(plan->metrics.size(), 1u);
  EXPECT_EQ(plan->metrics[0]->name, "grad_norm");
  EXPECT_EQ(plan->variables[plan->metrics[0]->variable]->name,
            "metric.grad_norm");
}

TEST(EmitTest, Variant) {
  auto plan = unpack(emitCompiled());
  ASSERT_EQ(plan->variants.size(), 1u);
  const abi::VariantT &variant = *plan->variants[0];
  EXPECT_EQ(variant.target, "cpu:x86-64-v3");
  EXPECT_EQ(variant.triple, "x86_64-unknown-linux-gnu");
  EXPECT_EQ(variant.required_features,
            (std::vector<std::string>{"avx2", "fma"}));
  EXPECT_EQ(variant.code, (std::vector<uint8_t>{0xc3, 1, 2, 3}));

  ASSERT_EQ(variant.arenas.size(), 1u);
  EXPECT_EQ(variant.arenas[0]->size_bytes, 896u);
  ASSERT_EQ(variant.arenas[0]->segments.size(), 6u);
  EXPECT_EQ(variant.arenas[0]->segments[5]->name, "transient");
  EXPECT_EQ(variant.arenas[0]->segments[5]->offset_bytes, 640u);
  EXPECT_EQ(variant.arenas[0]->segments[5]->size_bytes, 256u);

  // 15 buffers, of which the variable "inputs" has two views.
  ASSERT_EQ(variant.buffers.size(), 14u);
  const abi::KernelT &gather = *variant.kernels[0];
  EXPECT_EQ(gather.operation, "nn.embedding");
  EXPECT_EQ(gather.flops, 10.0);
  EXPECT_EQ(gather.bytes, 96.0);
  EXPECT_EQ(gather.workgroups, 4u);
  EXPECT_EQ(gather.scratch_bytes, 128u);
  ASSERT_EQ(gather.parameters.size(), 3u);
  EXPECT_EQ(gather.parameters[0]->element_type, abi::ElementType::I32);
  EXPECT_EQ(gather.parameters[0]->size_bytes, 32u);
  EXPECT_EQ(gather.parameters[2]->access, abi::Access::Write);

  ASSERT_EQ(variant.programs.size(), 2u);
  const abi::ProgramT &accumulate = *variant.programs[0];
  EXPECT_EQ(accumulate.name, "accumulate");
  EXPECT_EQ(accumulate.inputs, (std::vector<uint32_t>{0, 1}));
  ASSERT_EQ(accumulate.outputs.size(), 2u);
  EXPECT_EQ(plan->variables[accumulate.outputs[0]]->name, "loss.lm.sum");
  EXPECT_EQ(plan->variables[accumulate.outputs[1]]->name, "logits");
  ASSERT_EQ(accumulate.commands.size(), 4u);
  const abi::LaunchT *launch = accumulate.commands[0]->command.AsLaunch();
  ASSERT_TRUE(launch);
  EXPECT_EQ(launch->layer, "wte");
  const abi::BufferT &ids = *variant.buffers[launch->buffers[0]];
  EXPECT_EQ(plan->variables[ids.variable - 1]->name, "inputs");
  EXPECT_EQ(ids.shape, (std::vector<uint64_t>{2, 4}));
  const abi::CopyT *copy = accumulate.commands[3]->command.AsCopy();
  ASSERT_TRUE(copy);
  EXPECT_EQ(variant.buffers[copy->source]->variable, 0u);
}

TEST(EmitTest, EqualModulesGiveEqualBytes) {
  EXPECT_EQ(emitCompiled(), emitCompiled());
}

TEST(EmitTest, SeveralVariants) {
  Modules modules;
  auto a = modules.parse(kCompiled);
  auto b = modules.parse(replaced(kCompiled, "cpu:x86-64-v3", "cpu:x86-64-v4"));
  std::vector<uint8_t> bytes;
  ASSERT_TRUE(succeeded(emit::emitPlan({*a, *b}, bytes))) << modules.errors;
  auto plan = unpack(bytes);
  ASSERT_EQ(plan->variants.size(), 2u);
  EXPECT_EQ(plan->variants[1]->target, "cpu:x86-64-v4");

  auto other = modules.parse(replaced(kCompiled, "seed = 7", "seed = 8"));
  EXPECT_TRUE(failed(emit::emitPlan({*a, *other}, bytes)));
  EXPECT_NE(modules.errors.find("expected variants of one model"),
            std::string::npos);
}

TEST(EmitTest, ErrorsSayWhatIsMissing) {
  EXPECT_NE(errorsAfter("workgroups = 4 : i64, ", "")
                .find("expected a compiled kernel"),
            std::string::npos);
  EXPECT_NE(errorsAfter("train.sequences = 2 : i64", "train.other = 2 : i64")
                .find("expected a positive module attribute train.sequences"),
            std::string::npos);
  EXPECT_NE(errorsAfter("train.metrics = [\"grad_norm\"]",
                        "train.metrics = [\"speed\"]")
                .find("expected a train.state @metric.speed"),
            std::string::npos);
  EXPECT_NE(errorsAfter("train.inputs = [", "train.others = [")
                .find("run the memory stage"),
            std::string::npos);
}

TEST(EmitTest, RunsTheRuntimesVerifier) {
  // Two buffers of variables in one place.
  EXPECT_NE(errorsAfter("@m in @arena 128", "@m in @arena 64")
                .find("the plan does not pass the runtime's verifier"),
            std::string::npos);
  // An entry outside of the code.
  EXPECT_NE(errorsAfter("entry_offset = 2", "entry_offset = 4")
                .find("the plan does not pass the runtime's verifier"),
            std::string::npos);
}

} // namespace
} // namespace trainc
