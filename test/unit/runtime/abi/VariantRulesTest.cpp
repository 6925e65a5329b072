// Rules on memory and kernels of a target: README.md of runtime/abi,
// "Variants".
#include "test/unit/runtime/abi/Rules.h"

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::test;

using VariantRules = RuleTest;
TEST_P(VariantRules, IsRefused) { check(); }

static ArenaT &arena(PlanT &p) { return *p.variants[0]->arenas[0]; }
static BufferT &weight(PlanT &p) { return bufferOf(p, "table.weight"); }

/// A valid range over the first two parameters: one more than the plan has.
static BufferT &addSpan(PlanT &p) {
  addVariable(p, "second.weight", Role::Parameter, ElementType::F32, {weights});
  BufferT &second = bufferOf(p, "second.weight");
  arena(p).size_bytes += 64;
  auto span = std::make_unique<BufferT>();
  span->offset_bytes = arena(p).size_bytes;
  weight(p).offset_bytes = span->offset_bytes;
  second.offset_bytes = span->offset_bytes + 64;
  span->element_type = ElementType::F32;
  span->shape = {32};
  span->size_bytes = 128;
  span->spans = {0, variableIndex(p, "second.weight")};
  arena(p).size_bytes += 128;
  p.feature_bits = featureSpans;
  p.variants[0]->buffers.push_back(std::move(span));
  return *p.variants[0]->buffers.back();
}

TEST(Spans, AreAccepted) {
  auto plan = makePlan();
  addSpan(*plan);
  const std::vector<uint8_t> bytes = serialize(*plan);
  const Status status = verifyPlan(bytes.data(), bytes.size());
  EXPECT_TRUE(status.ok()) << status.message();
}

static const Rule rules[] = {
    {"TargetTwice",
     [](PlanT &p) {
       p.variants.push_back(std::make_unique<VariantT>(*p.variants[0]));
     },
     "unique names of targets, but got 'cpu' twice"},
    {"TooManyArenas",
     [](PlanT &p) {
       for (int i = 0; i != 64; ++i) {
         p.variants[0]->arenas.push_back(std::make_unique<ArenaT>());
         p.variants[0]->arenas.back()->name = std::to_string(i);
       }
     },
     "expected at most 64 arenas, but got 65"},
    {"ArenaTwice",
     [](PlanT &p) {
       p.variants[0]->arenas.push_back(std::make_unique<ArenaT>(arena(p)));
     },
     "unique names of arenas"},
    {"ArenaSize", [](PlanT &p) { arena(p).size_bytes = uint64_t{1} << 60; },
     "arena 'main': expected at most"},
    {"ArenaAlignmentNoPower", [](PlanT &p) { arena(p).alignment_bytes = 96; },
     "expected an alignment that is a power of two"},
    {"ArenaAlignmentSmall", [](PlanT &p) { arena(p).alignment_bytes = 32; },
     "expected an alignment that is a power of two"},
    {"ArenaAlignmentLarge",
     [](PlanT &p) { arena(p).alignment_bytes = uint64_t{4} << 20; },
     "expected an alignment that is a power of two"},
    {"SegmentsOverlap",
     [](PlanT &p) { arena(p).segments[1]->offset_bytes -= 1; },
     "expected ordered, disjoint segments, but got 'transient'"},
    {"SegmentOutside", [](PlanT &p) { arena(p).segments[1]->size_bytes += 1; },
     "expected segments inside the arena, but got 'transient'"},
    {"SegmentSizeOverflows",
     [](PlanT &p) { arena(p).segments[1]->size_bytes = UINT64_MAX; },
     "expected segments inside the arena"},
    {"SegmentTwice", [](PlanT &p) { arena(p).segments[1]->name = "variables"; },
     "unique names of segments"},
    {"BufferArena", [](PlanT &p) { weight(p).arena = 1; },
     "expected an arena below 1, but got 1"},
    {"BufferType",
     [](PlanT &p) { weight(p).element_type = ElementType::Unspecified; },
     "expected a known element type and a shape"},
    {"BufferSize", [](PlanT &p) { weight(p).size_bytes = 12; },
     "expected the size of its shape, 16 bytes, but got 12"},
    {"BufferOutside",
     [](PlanT &p) { weight(p).offset_bytes = arena(p).size_bytes; },
     "expected a place inside arena 'main'"},
    {"BufferOffsetOverflows",
     [](PlanT &p) { weight(p).offset_bytes = UINT64_MAX - 63; },
     "expected a place inside arena 'main'"},
    {"BufferUnaligned", [](PlanT &p) { weight(p).offset_bytes += 4; },
     "expected an offset aligned to 64"},
    {"BufferOfNoVariable", [](PlanT &p) { weight(p).variable = 1000; },
     "expected a variable below 15, but got 999"},
    {"VariableWithoutBuffer", [](PlanT &p) { weight(p).variable = 0; },
     "expected 1 buffer for variable 'table.weight', but got 0"},
    {"VariableWithTwoBuffers",
     [](PlanT &p) { addBuffer(p, ElementType::F32, {weights}, 1); },
     "expected 1 buffer for variable 'table.weight', but got 2"},
    {"TransientVariableWithBuffer",
     [](PlanT &p) { variable(p, "logits").role = Role::Transient; },
     "expected no buffer for the transient variable 'logits'"},
    {"BufferTypeOfVariable",
     [](PlanT &p) { weight(p).element_type = ElementType::I32; },
     "expected the type and shape of variable 'table.weight'"},
    {"BufferShapeOfVariable", [](PlanT &p) { weight(p).shape = {2, 2}; },
     "expected the type and shape of variable 'table.weight'"},
    {"PersistentOverlap",
     [](PlanT &p) {
       bufferOf(p, "table.weight.grad").offset_bytes = weight(p).offset_bytes;
     },
     "to overlap no other"},
    {"TransientOverPersistent",
     [](PlanT &p) {
       p.variants[0]->buffers.back()->offset_bytes = weight(p).offset_bytes;
     },
     "expected the buffer of variable 'table.weight' to overlap no other"},
    {"OutputOverPersistent",
     [](PlanT &p) {
       bufferOf(p, "logits").offset_bytes = weight(p).offset_bytes;
     },
     "expected the buffer of variable 'table.weight' to overlap no other"},
    {"LongTransientOverPersistent",
     [](PlanT &p) { // starts before several variables and covers them
       BufferT &b = *p.variants[0]->buffers.back();
       b.offset_bytes = 0;
       b.shape = {1024};
       b.size_bytes = 4096;
       arena(p).size_bytes = 8192;
     },
     "to overlap no other"},
    {"SpanWithoutFeature",
     [](PlanT &p) {
       addSpan(p);
       p.feature_bits = 0;
     },
     "expected feature bit 1 with buffers that span variables, but got feature "
     "bits 0x0"},
    {"SpanOfNoVariable", [](PlanT &p) { addSpan(p).spans[1] = 1000; },
     "expected a range of variables that have buffers, and no variable of its "
     "own, but got variable 1000 in one"},
    {"SpanWithVariable",
     [](PlanT &p) {
       addVariable(p, "third.weight", Role::Parameter, ElementType::F32, {32});
       const uint32_t third = variableIndex(p, "third.weight");
       p.variants[0]->buffers.pop_back();
       addSpan(p).variable = third + 1;
     },
     "and no variable of its own, but got variable 0 in one"},
    {"SpanOutOfOrder",
     [](PlanT &p) {
       BufferT &span = addSpan(p);
       std::swap(span.spans[0], span.spans[1]);
     },
     "expected variable 'table.weight' inside the range of 128 bytes"},
    {"SpanTooShort",
     [](PlanT &p) {
       BufferT &span = addSpan(p);
       span.shape = {18};
       span.size_bytes = 72;
     },
     "expected variable 'second.weight' inside the range of 72 bytes"},
    {"SpanOfOtherType",
     [](PlanT &p) { addSpan(p).element_type = ElementType::I32; },
     "of the range's type, but got another place or type"},
    {"SpanOfTwoRoles",
     [](PlanT &p) {
       addSpan(p);
       variable(p, "second.weight").role = Role::Output;
     },
     "expected a range of parameters, gradients, optimizer states or metrics, "
     "but got 'second.weight' in one"},
    {"SpansOverlap",
     [](PlanT &p) {
       auto other = std::make_unique<BufferT>(addSpan(p));
       p.variants[0]->buffers.push_back(std::move(other));
     },
     "expected ranges of variables to be disjoint"},
    {"VariableInForeignSpan", [](PlanT &p) { addSpan(p).spans.pop_back(); },
     "expected a range of variables to overlap only those"},
    {"TransientInSpan",
     [](PlanT &p) {
       const uint64_t offset_bytes = addSpan(p).offset_bytes;
       const uint32_t buffer = addBuffer(p, ElementType::F32, {4});
       p.variants[0]->buffers[buffer]->offset_bytes = offset_bytes + 64;
       bufferOf(p, "second.weight").offset_bytes = offset_bytes + 64;
       // Between the members, so that it overlaps neither.
       p.variants[0]->buffers[buffer - 1]->size_bytes = 256;
       p.variants[0]->buffers[buffer - 1]->shape = {64};
       bufferOf(p, "second.weight").offset_bytes = offset_bytes + 128;
       arena(p).size_bytes += 256;
     },
     "expected a range of variables to overlap only those"},
    {"KernelTwice", [](PlanT &p) { kernel(p, "reduce").name = "apply"; },
     "unique names of kernels"},
    {"KernelAbi", [](PlanT &p) { kernel(p, "apply").abi_version = 3; },
     "kernel 'apply': expected kernel ABI version 1 to 2, but got 3"},
    {"NoKernelAbi", [](PlanT &p) { kernel(p, "apply").abi_version = 0; },
     "kernel 'apply': expected kernel ABI version 1 to 2, but got 0"},
    {"KernelAbiOfConstants",
     [](PlanT &p) {
       kernel(p, "apply").reads_constant = true;
       kernel(p, "apply").abi_version = 1;
     },
     "kernel 'apply': expected kernel ABI version 2 of a kernel that reads a "
     "constant, but got 1"},
    {"KernelEntry",
     [](PlanT &p) {
       kernel(p, "apply").entry_offset = p.variants[0]->code.size();
     },
     "expected an entry below"},
    {"KernelWithoutCode", [](PlanT &p) { p.variants[0]->code.clear(); },
     "expected an entry below 0 bytes of code"},
    {"NoWorkgroups", [](PlanT &p) { kernel(p, "apply").workgroups = 0; },
     "expected 1 to 16777216 workgroups, but got 0"},
    {"TooManyWorkgroups",
     [](PlanT &p) { kernel(p, "apply").workgroups = UINT32_MAX; },
     "expected 1 to 16777216 workgroups"},
    {"Scratch",
     [](PlanT &p) { kernel(p, "apply").scratch_bytes = uint64_t{1} << 40; },
     "bytes of scratch, but got 1099511627776"},
    {"UnknownAccess",
     [](PlanT &p) { kernel(p, "apply").parameters[0]->access = Access(4); },
     "expected a known access, but got 4"},
    {"KernelParameterType",
     [](PlanT &p) {
       kernel(p, "apply").parameters[0]->element_type = ElementType(60);
     },
     "expected a known element type, but got 60"},
    {"TooManyParameters",
     [](PlanT &p) {
       for (int i = 0; i != 256; ++i)
         kernel(p, "apply")
             .parameters.push_back(std::make_unique<KernelParameterT>(
                 *kernel(p, "apply").parameters[0]));
     },
     "expected at most 256 parameters, but got 261"},
};
INSTANTIATE_TEST_SUITE_P(Rules, VariantRules, testing::ValuesIn(rules),
                         ruleName);
