//===- Inspect.cpp - trainrun inspect -------------------------------------===//
//
// What is in a plan, as a table for people and as one JSON object. Works on any
// machine: nothing is run.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/checkpoint/Safetensors.h"
#include "runtime/plan/Plan.h"
#include "tools/trainrun/Support.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace trainc::trainrun {

static std::vector<uint64_t> shapeOf(const abi::Variable &variable) {
  return {variable.shape()->begin(), variable.shape()->end()};
}

/// "{"key": value, ...}" from finished parts.
static std::string
object(std::initializer_list<std::pair<std::string_view, std::string>> fields) {
  std::string text = "{";
  for (const auto &[key, value] : fields)
    text += fmt::format("{}{}: {}", text.size() > 1 ? ", " : "",
                        jsonString(key), value);
  return text + '}';
}

/// A JSON array of `format(row)` over a flatbuffers vector.
template <typename Rows, typename Format>
static std::string array(const Rows *rows, Format format) {
  std::string text = "[";
  if (rows)
    for (const auto *row : *rows)
      text += (text.size() > 1 ? ", " : "") + format(*row);
  return text + ']';
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static std::string jsonOf(const abi::Variable &variable) {
  return object(
      {{"name", jsonString(view(variable.name()))},
       {"external_name", jsonString(view(variable.external_name()))},
       {"type", jsonString(elementTypeName(variable.element_type()))},
       {"shape", formatShape(shapeOf(variable))},
       {"initialization", jsonString(view(variable.initialization()))},
       {"decay", variable.decay() ? "true" : "false"},
       {"trainable", variable.trainable() ? "true" : "false"}});
}

static std::string jsonOf(const abi::Variant &variant) {
  auto arena = [](const abi::Arena &arena) {
    return object(
        {{"name", jsonString(view(arena.name()))},
         {"size_bytes", std::to_string(arena.size_bytes())},
         {"segments", array(arena.segments(), [](const abi::Segment &segment) {
            return object(
                {{"name", jsonString(view(segment.name()))},
                 {"offset_bytes", std::to_string(segment.offset_bytes())},
                 {"size_bytes", std::to_string(segment.size_bytes())}});
          })}});
  };
  auto kernel = [](const abi::Kernel &kernel) {
    return object({{"name", jsonString(view(kernel.name()))},
                   {"operation", jsonString(view(kernel.operation()))},
                   {"workgroups", std::to_string(kernel.workgroups())},
                   {"scratch_bytes", std::to_string(kernel.scratch_bytes())},
                   {"flops", jsonNumber(kernel.flops())},
                   {"bytes", jsonNumber(kernel.bytes())}});
  };
  auto program = [](const abi::Program &program) {
    size_t launches = 0;
    for (const abi::CommandItem *item : *program.commands())
      launches += item->command_as_Launch() != nullptr;
    return object({{"name", jsonString(view(program.name()))},
                   {"launches", std::to_string(launches)},
                   {"commands", std::to_string(program.commands()->size())}});
  };
  return object({{"target", jsonString(view(variant.target()))},
                 {"triple", jsonString(view(variant.triple()))},
                 {"code_bytes",
                  std::to_string(variant.code() ? variant.code()->size() : 0)},
                 {"arenas", array(variant.arenas(), arena)},
                 {"kernels", array(variant.kernels(), kernel)},
                 {"programs", array(variant.programs(), program)}});
}

static void printJson(const Plan &plan) {
  const abi::Plan &table = plan.table();
  const abi::Batch &batch = *table.batch();
  std::string parameters;
  for (const abi::Variable *variable : *table.variables())
    if (variable->role() == abi::Role::Parameter)
      parameters += (parameters.empty() ? "" : ", ") + jsonOf(*variable);
  auto input = [&](const abi::Input &input) {
    const abi::Variable &variable = plan.variable(input.variable());
    return object(
        {{"name", jsonString(view(input.name()))},
         {"source",
          jsonString(input.source() == abi::InputSource::Data ? "data"
                                                              : "control")},
         {"type", jsonString(elementTypeName(variable.element_type()))},
         {"shape", formatShape(shapeOf(variable))},
         {"limit", std::to_string(input.limit())}});
  };
  auto term = [](const abi::LossTerm &term) {
    return object({{"name", jsonString(view(term.name()))},
                   {"weight", jsonNumber(term.weight())}});
  };
  std::string text = object(
      {{"name", jsonString(view(table.name()))},
       {"producer", jsonString(view(table.producer()))},
       {"schema_version", std::to_string(table.schema_version())},
       {"objective", jsonString(view(batch.objective()))},
       {"sequences", std::to_string(batch.sequences())},
       {"length", std::to_string(batch.length())},
       {"micro_batches", std::to_string(batch.micro_batches())},
       {"total_steps", std::to_string(batch.total_steps())},
       {"vocab_size", std::to_string(batch.vocab_size())},
       {"seed", std::to_string(batch.seed())},
       {"parameter_count", std::to_string(parameterCount(plan))},
       {"arena_bytes", std::to_string(plan.arenaBytes())},
       {"scratch_bytes_per_thread",
        std::to_string(plan.scratchBytesPerThread())},
       {"inputs", array(table.inputs(), input)},
       {"losses", array(table.loss_terms(), term)},
       {"metrics", array(table.metrics(),
                         [](const abi::Metric &metric) {
                           return jsonString(view(metric.name()));
                         })},
       {"parameters", "[" + parameters + "]"},
       {"variants", array(table.variants(), [](const abi::Variant &variant) {
          return jsonOf(variant);
        })}});
  fmt::print("{}\n", text);
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

static void printVariant(const abi::Variant &variant) {
  fmt::print("\nvariant {} ({}), {} of code\n", view(variant.target()),
             view(variant.triple()),
             humanBytes(variant.code() ? variant.code()->size() : 0));
  for (const abi::Arena *arena : *variant.arenas()) {
    fmt::print("  arena {}: {}\n", view(arena->name()),
               humanBytes(arena->size_bytes()));
    if (arena->segments())
      for (const abi::Segment *segment : *arena->segments())
        fmt::print("    {:<14} {:>12}  at {}\n", view(segment->name()),
                   humanBytes(segment->size_bytes()), segment->offset_bytes());
  }
  fmt::print("  programs\n");
  for (const abi::Program *program : *variant.programs())
    fmt::print("    {:<14} {:>6} commands\n", view(program->name()),
               program->commands()->size());
  std::vector<uint64_t> launches(variant.kernels()->size());
  for (const abi::Program *program : *variant.programs())
    for (const abi::CommandItem *item : *program->commands())
      if (const abi::Launch *launch = item->command_as_Launch())
        ++launches[launch->kernel()];
  fmt::print("  kernels{:>34} {:>10} {:>12}\n", "launches", "workgroups",
             "scratch");
  for (uint32_t i = 0; i < variant.kernels()->size(); ++i) {
    const abi::Kernel &kernel = *variant.kernels()->Get(i);
    fmt::print("    {:<28} {:>8} {:>10} {:>12}  {}\n", view(kernel.name()),
               launches[i], kernel.workgroups(),
               humanBytes(kernel.scratch_bytes()), view(kernel.operation()));
  }
}

static void printTables(const Plan &plan) {
  const abi::Plan &table = plan.table();
  const abi::Batch &batch = *table.batch();
  auto orNone = [](std::string_view name) {
    return name.empty() ? std::string_view("(unnamed)") : name;
  };
  fmt::print("{}, {} by {}, schema {}\n", orNone(view(table.name())),
             orNone(view(batch.objective())), view(table.producer()),
             table.schema_version());
  fmt::print("batch       {} micro-batches of {} x {} tokens, {} steps, "
             "vocabulary {}\n",
             batch.micro_batches(), batch.sequences(), batch.length(),
             batch.total_steps(), batch.vocab_size());
  if (batch.ramp_from())
    fmt::print("ramp        from {} micro-batches over {} tokens\n",
               batch.ramp_from(), batch.ramp_tokens());
  fmt::print("memory      {} in arenas, {} of scratch per thread\n",
             humanBytes(plan.arenaBytes()),
             humanBytes(plan.scratchBytesPerThread()));
  fmt::print("losses     ");
  for (const abi::LossTerm *term : *table.loss_terms())
    fmt::print(" {} (weight {})", view(term->name()), term->weight());
  fmt::print("\nmetrics    ");
  for (const abi::Metric *metric : *table.metrics())
    fmt::print(" {}", view(metric->name()));
  fmt::print("\ninputs\n");
  for (const abi::Input *input : *table.inputs()) {
    const abi::Variable &variable = plan.variable(input->variable());
    fmt::print("  {:<28} {:<5} {}\n", view(input->name()),
               elementTypeName(variable.element_type()),
               formatShape(shapeOf(variable)));
  }
  fmt::print("parameters  {}\n", parameterCount(plan));
  for (const abi::Variable *variable : *table.variables())
    if (variable->role() == abi::Role::Parameter)
      fmt::print(
          "  {:<44} {:<5} {:<18} {}{}{}\n", view(variable->external_name()),
          elementTypeName(variable->element_type()),
          formatShape(shapeOf(*variable)), view(variable->initialization()),
          variable->decay() ? ", decay" : "",
          variable->trainable() ? "" : ", frozen");
  for (const abi::Variant *variant : *table.variants())
    printVariant(*variant);
}

Status runInspect(const InspectOptions &options) {
  Result<std::unique_ptr<Plan>> plan = Plan::inspect(options.plan);
  if (!plan.ok())
    return plan.status();
  if (options.json)
    printJson(**plan);
  else
    printTables(**plan);
  return {};
}

} // namespace trainc::trainrun
