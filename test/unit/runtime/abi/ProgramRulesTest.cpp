// Rules on launches, copies and data flow: README.md of runtime/abi,
// "Programs".
#include "test/unit/runtime/abi/Rules.h"

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::test;

/// A copy of a parameter that no program makes.
static void addHalf(PlanT &p) {
  p.feature_bits |= featureCopies;
  const std::vector<uint64_t> shape = variable(p, "table.weight").shape;
  addVariable(p, "table.weight.half", Role::Copy, ElementType::BF16, shape);
  variable(p, "table.weight.half").parameter = "table.weight";
}

using ProgramRules = RuleTest;
TEST_P(ProgramRules, IsRefused) { check(); }

static CopyT &copy(PlanT &p, std::string_view name, size_t index) {
  return *program(p, name).commands.at(index)->command.AsCopy();
}

/// Moves the transient `partials` of "accumulate" onto `staged` of "predict".
static uint32_t partials(PlanT &p) {
  return launch(p, "accumulate", 1).buffers[0];
}

/// A transient of 192 bytes and the thirds of it.
struct Thirds {
  uint32_t whole, part[3];
  explicit Thirds(PlanT &p) : whole(addBuffer(p, ElementType::F64, {24})) {
    auto &buffers = p.variants[0]->buffers;
    for (uint64_t i = 0; i != 3; ++i) {
      part[i] = addBuffer(p, ElementType::F64, {8});
      buffers[part[i]]->offset_bytes = buffers[whole]->offset_bytes + 64 * i;
    }
  }
};

static const Rule rules[] = {
    {"ProgramTwice", [](PlanT &p) { program(p, "count").name = "apply"; },
     "unique names of programs"},
    {"InputOutOfRange", [](PlanT &p) { program(p, "count").inputs = {4}; },
     "program 'count': expected an input below 4, but got 4"},
    {"UndeclaredInput", [](PlanT &p) { program(p, "count").inputs = {3}; },
     "expected variable 'targets' among the program's inputs"},
    {"OutputOutOfRange", [](PlanT &p) { program(p, "apply").outputs = {99}; },
     "expected an output below 15, but got 99"},
    {"OutputOfOtherRole", [](PlanT &p) { program(p, "apply").outputs = {0}; },
     "expected outputs of role Output or Metric, but got 'table.weight'"},
    {"OutputNeverWritten",
     [](PlanT &p) {
       program(p, "count").outputs = {variableIndex(p, "logits")};
     },
     "expected output 'logits' to be written by a command"},
    {"OutputOverwritten",
     [](PlanT &p) { // `logits` is copied last
       bufferOf(p, "predictions").offset_bytes =
           bufferOf(p, "logits").offset_bytes;
     },
     "expected output 'predictions' to be whole at the end"},
    {"OutputOverwrittenInPart",
     [](PlanT &p) {
       BufferT &part =
           *p.variants[0]->buffers[addBuffer(p, ElementType::F32, {1})];
       part.offset_bytes = bufferOf(p, "logits").offset_bytes;
       addLaunch(p, "predict", "spoil", Reduce,
                 {{static_cast<uint32_t>(p.variants[0]->buffers.size() - 1),
                   Access::Write}});
     },
     "expected output 'logits' to be whole at the end"},
    {"OutputReadBeforeWrite",
     [](PlanT &p) { copy(p, "predict", 1).source = bufferIndex(p, "logits"); },
     "command 1: expected a transient buffer or output to be written whole"},
    {"OutputOfAnotherProgram",
     [](PlanT &p) {
       const uint32_t copied =
           addBuffer(p, ElementType::F32, variable(p, "logits").shape);
       addCopy(p, "apply", bufferIndex(p, "logits"), copied);
     },
     "expected a transient buffer or output to be written whole before"},
    {"OutputReadAsTransient",
     [](PlanT &p) {
       const uint32_t view =
           addBuffer(p, ElementType::F32, variable(p, "logits").shape);
       const uint32_t to =
           addBuffer(p, ElementType::F32, variable(p, "logits").shape);
       p.variants[0]->buffers[view]->offset_bytes =
           bufferOf(p, "logits").offset_bytes;
       addCopy(p, "predict", view, to);
     },
     "expected a transient buffer or output to be written whole before"},
    {"CopiesWithoutRefresh", [](PlanT &p) { addHalf(p); },
     "expected a program 'refresh' with copy 'table.weight.half', but got "
     "none"},
    {"CopyNotRefreshed",
     [](PlanT &p) {
       addHalf(p);
       auto refresh = std::make_unique<ProgramT>();
       refresh->name = "refresh";
       p.variants[0]->programs.push_back(std::move(refresh));
     },
     "program 'refresh': expected copy 'table.weight.half' to be written"},
    {"NoCommand",
     [](PlanT &p) { program(p, "count").commands[0]->command.Reset(); },
     "command 0: expected a launch or a copy"},
    {"LaunchKernel", [](PlanT &p) { launch(p, "count", 0).kernel = 100; },
     "expected a kernel below 7, but got 100"},
    {"LaunchBuffer", [](PlanT &p) { launch(p, "count", 0).buffers[0] = 100; },
     "expected a buffer below 17, but got 100"},
    {"LaunchTooFewBuffers",
     [](PlanT &p) { launch(p, "count", 0).buffers.pop_back(); },
     "expected 3 buffers for kernel 'count', but got 2"},
    {"LaunchSize",
     [](PlanT &p) { kernel(p, "count").parameters[0]->size_bytes = 16; },
     "parameter 0 of kernel 'count' to be 16 bytes of I32, but got 32 bytes"},
    {"LaunchType",
     [](PlanT &p) {
       kernel(p, "count").parameters[0]->element_type = ElementType::F32;
     },
     "parameter 0 of kernel 'count' to be 32 bytes of F32, but got 32 bytes of "
     "I32"},
    {"WrittenBufferTwice",
     [](PlanT &p) {
       auto &buffers = launch(p, "apply", 0).buffers;
       buffers[2] = buffers[1];
     },
     "expected written buffer 1 of kernel 'apply' to overlap no other"},
    {"WrittenBufferAlsoRead",
     [](PlanT &p) {
       auto &buffers = launch(p, "apply", 0).buffers;
       buffers[0] = buffers[2];
     },
     "expected written buffer 2 of kernel 'apply' to overlap no other"},
    {"InputWritten",
     [](PlanT &p) {
       launch(p, "count", 0).buffers[2] = bufferIndex(p, "inputs");
       KernelParameterT &parameter = *kernel(p, "count").parameters[2];
       parameter.element_type = ElementType::I32;
       parameter.size_bytes = 32;
       parameter.access = Access::Write;
     },
     "expected inputs to be written by the host only, but got a write to "
     "'inputs'"},
    {"BoundOutOfRange", [](PlanT &p) { launch(p, "count", 0).bound = 100; },
     "expected a buffer below 17, but got 99"},
    {"BoundType",
     [](PlanT &p) {
       launch(p, "count", 0).bound = bufferIndex(p, "grad_norm") + 1;
     },
     "expected the bound to be an I64 scalar, but got 8 bytes of F64"},
    {"BoundWritten",
     [](PlanT &p) {
       const uint32_t bound =
           addVariable(p, "rows", Role::Optimizer, ElementType::I64, {});
       addLaunch(p, "initialize", "make rows", Stamp, {{bound, Access::Write}})
           .bound = bound + 1;
     },
     "expected the bound to overlap no written buffer"},
    {"ConstantUnread", [](PlanT &p) { launch(p, "count", 0).constant = -7; },
     "expected no constant for kernel 'count', which reads none, but got -7"},
    {"CopySource", [](PlanT &p) { copy(p, "predict", 1).source = 100; },
     "expected a buffer below 17, but got 100"},
    {"CopySizes",
     [](PlanT &p) {
       copy(p, "predict", 1).source = bufferIndex(p, "table.weight");
     },
     "expected a copy between equal sizes, but got 16 to 32 bytes"},
    {"CopyOntoItself",
     [](PlanT &p) {
       copy(p, "predict", 1).source = copy(p, "predict", 1).destination;
     },
     "expected source and destination of a copy to be disjoint"},
    {"CopyOfUndeclaredInput",
     [](PlanT &p) { copy(p, "predict", 1).source = bufferIndex(p, "targets"); },
     "expected variable 'targets' among the program's inputs"},
    {"ReadBeforeWrite",
     [](PlanT &p) {
       auto &commands = program(p, "accumulate").commands;
       std::swap(commands[0], commands[1]);
     },
     "command 0: expected a transient buffer or output to be written whole "
     "before"},
    {"ReadOfOtherProgramsTransient",
     [](PlanT &p) {
       auto &commands = program(p, "accumulate").commands;
       commands.erase(commands.begin());
     },
     "expected a transient buffer or output to be written whole before"},
    {"UpdateBeforeWrite",
     [](PlanT &p) {
       kernel(p, "accumulate").parameters[6]->access = Access::ReadWrite;
     },
     "command 0: expected a transient buffer or output to be written whole "
     "before"},
    {"CopyBeforeWrite",
     [](PlanT &p) {
       auto &commands = program(p, "predict").commands;
       std::swap(commands[0], commands[1]);
     },
     "command 0: expected a transient buffer or output to be written whole "
     "before"},
    {"ReadAfterOverlappingWrite",
     [](PlanT &p) {
       const Thirds cut(p);
       addLaunch(p, "apply", "make", Reduce, {{cut.whole, Access::Write}});
       addLaunch(p, "apply", "spoil", Reduce, {{cut.part[1], Access::Write}});
       addLaunch(p, "apply", "use", Reduce, {{cut.whole, Access::Read}});
     },
     "command 3: expected a transient buffer or output to be written whole "
     "before"},
};
INSTANTIATE_TEST_SUITE_P(Rules, ProgramRules, testing::ValuesIn(rules),
                         ruleName);

// Two names for one transient range are views of the same bytes.
TEST(ProgramFlow, AcceptsAnotherViewOfTheSameRange) {
  auto plan = makePlan();
  const uint32_t view = addBuffer(*plan, ElementType::F64, {2, 2});
  auto &buffers = plan->variants[0]->buffers;
  buffers[view]->offset_bytes = buffers[partials(*plan)]->offset_bytes;
  launch(*plan, "accumulate", 1).buffers[0] = view;
  const std::vector<uint8_t> bytes = serialize(*plan);
  const Status status = verifyPlan(bytes.data(), bytes.size());
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(ProgramFlow, AcceptsTransientsThatShareMemoryInTurn) {
  auto plan = makePlan();
  auto &buffers = plan->variants[0]->buffers;
  // `staged` of "predict" over `partials` of "accumulate".
  buffers.back()->offset_bytes = buffers[partials(*plan)]->offset_bytes;
  const std::vector<uint8_t> bytes = serialize(*plan);
  const Status status = verifyPlan(bytes.data(), bytes.size());
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(ProgramFlow, AcceptsOutputsInTheMemoryOfOtherPrograms) {
  auto plan = makePlan();
  auto &buffers = plan->variants[0]->buffers;
  // "predict" leaves its outputs where "accumulate" keeps `partials`, and one
  // of them where its own `staged`, read for the last time, lay.
  bufferOf(*plan, "predictions").offset_bytes =
      buffers[partials(*plan)]->offset_bytes;
  addCopy(*plan, "predict", bufferIndex(*plan, "predictions"),
          bufferIndex(*plan, "logits"));
  auto &commands = program(*plan, "predict").commands;
  std::swap(commands[2], commands[3]);
  commands.pop_back();
  bufferOf(*plan, "logits").offset_bytes = buffers.back()->offset_bytes;
  const std::vector<uint8_t> bytes = serialize(*plan);
  const Status status = verifyPlan(bytes.data(), bytes.size());
  EXPECT_TRUE(status.ok()) << status.message();
}

static Status verified(const PlanT &plan) {
  const std::vector<uint8_t> bytes = serialize(plan);
  return verifyPlan(bytes.data(), bytes.size());
}

// Rows of what was written may be read, and so may what several writes join to.
TEST(ProgramFlow, AcceptsPartsOfARangeAndRangesThatJoin) {
  auto plan = makePlan();
  const Thirds cut(*plan), joined(*plan);
  addLaunch(*plan, "accumulate", "whole", Reduce, {{cut.whole, Access::Write}});
  for (const int i : {2, 0, 1})
    addLaunch(*plan, "accumulate", "third " + std::to_string(i), Reduce,
              {{cut.part[i], Access::Read}, {joined.part[i], Access::Write}});
  addLaunch(*plan, "accumulate", "join", Reduce,
            {{joined.whole, Access::ReadWrite}});
  const Status status = verified(*plan);
  EXPECT_TRUE(status.ok()) << status.message();
}

// A gap between the parts, a missing end, and a part of what was overwritten in
// another place since.
TEST(ProgramFlow, RefusesIncompleteJoins) {
  for (const int missing : {0, 1, 2}) {
    auto plan = makePlan();
    const Thirds joined(*plan);
    for (const int i : {0, 1, 2})
      if (i != missing)
        addLaunch(*plan, "accumulate", "third " + std::to_string(i), Reduce,
                  {{joined.part[i], Access::Write}});
    addLaunch(*plan, "accumulate", "join", Reduce,
              {{joined.whole, Access::Read}});
    EXPECT_NE(verified(*plan).message().find("to be written whole before"),
              std::string::npos)
        << missing;
  }
  auto plan = makePlan();
  const Thirds cut(*plan);
  addLaunch(*plan, "accumulate", "whole", Reduce, {{cut.whole, Access::Write}});
  addLaunch(*plan, "accumulate", "spoil", Reduce,
            {{cut.part[0], Access::Write}});
  addLaunch(*plan, "accumulate", "read", Reduce, {{cut.part[2], Access::Read}});
  EXPECT_NE(verified(*plan).message().find("to be written whole before"),
            std::string::npos);
}
