//===- AssignBuffers.cpp - a buffer for every value -----------------------===//
//
// Decides the arena's segments and the naive memory map: variables by role in
// their segments, those of a group one behind another, then every transient
// storage in a place of its own (the next pass lets them share). Rewrites
// launches to name buffers.
//
//===----------------------------------------------------------------------===//

#include "compiler/memory/Memory.h"
#include "compiler/memory/Placement.h"
#include "compiler/support/BufferSize.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace trainc::memory {

#define GEN_PASS_DEF_ASSIGNBUFFERS
#include "compiler/memory/Passes.h.inc"

namespace {

enum Segment {
  Parameters,
  Copies,
  Gradients,
  Optimizer,
  Metrics,
  Inputs,
  Transient
};
constexpr StringRef segmentNames[] = {"parameters", "copies",  "gradients",
                                      "optimizer",  "metrics", "inputs",
                                      "transient"};

constexpr StringLiteral arenaName = "arena";
constexpr int64_t arenaAlignmentBytes = 4096;

Segment segmentOf(train::Role role) {
  switch (role) {
  case train::Role::Gradient:
    return Gradients;
  case train::Role::Optimizer:
    return Optimizer;
  case train::Role::Metric:
    return Metrics;
  case train::Role::Copy:
    return Copies;
  case train::Role::Output:
    // Lives no longer than until the host has read it.
    return Transient;
  }
  llvm_unreachable("every role is listed");
}

/// The work of the pass on one module.
class Assigner {
public:
  explicit Assigner(ModuleOp module) : module(module) {}
  LogicalResult run();

private:
  unsigned addVariable(StringRef name, RankedTensorType type, Segment segment,
                       Location loc);
  void addGroup(train::GroupOp group);
  LogicalResult verifyGroupUse(plan::ProgramOp program);
  void collectInputs();
  DictionaryAttr describeInput(StringRef name, StringRef origin,
                               RankedTensorType type);
  void layOut();
  void rewrite(plan::ProgramOp program, ArrayRef<Command> commands);
  FlatSymbolRefAttr bufferFor(const Use &use);

  ModuleOp module;
  Storages storages;
  /// Of each storage; those of no variable come after all variables.
  std::vector<Segment> segments;
  /// Of members: their group's storage, and their first element in it.
  DenseMap<unsigned, std::pair<unsigned, int64_t>> placeInGroup;
  /// Of groups: what their buffer spans.
  DenseMap<unsigned, ArrayAttr> membersOf;
  std::vector<int64_t> offsets_bytes;
  /// Storages of the programs' arguments.
  DenseMap<Operation *, SmallVector<unsigned>> inputsOf;
  SmallVector<Attribute> inputDescriptions;
  /// Buffers so far: a storage has one per offset and shape it is seen with.
  DenseMap<std::tuple<unsigned, int64_t, Type>, FlatSymbolRefAttr> buffers;
  llvm::StringSet<> symbols;
  std::optional<OpBuilder> bufferBuilder;
};

unsigned Assigner::addVariable(StringRef name, RankedTensorType type,
                               Segment segment, Location loc) {
  unsigned index = storages.all.size();
  storages.all.push_back(
      {name.str(), MemRefType::get(type.getShape(), type.getElementType()), loc,
       /*variable=*/true, /*readOnly=*/segment == Inputs});
  storages.byVariable[name] = index;
  segments.push_back(segment);
  return index;
}

/// A storage over those of the members, which exist.
void Assigner::addGroup(train::GroupOp group) {
  SmallVector<StringRef> names;
  int64_t next = 0;
  unsigned index = storages.all.size();
  for (auto name : group.getMembers().getAsRange<FlatSymbolRefAttr>()) {
    unsigned member = storages.byVariable.at(name.getValue());
    placeInGroup[member] = {index, next};
    auto type = cast<ShapedType>(storages.all[member].type);
    next += train::GroupOp::getExtent(
        RankedTensorType::get(type.getShape(), type.getElementType()));
    names.push_back(name.getValue());
  }
  unsigned first = storages.byVariable.at(names.front());
  addVariable(group.getSymName(), group.getTensorType(), segments[first],
              group.getLoc());
  membersOf[index] = Builder(module.getContext()).getStrArrayAttr(names);
}

/// A group and its members are one memory, of which placement knows nothing: a
/// program that writes it uses one name only.
LogicalResult Assigner::verifyGroupUse(plan::ProgramOp program) {
  struct Uses {
    bool whole = false, members = false, written = false;
  };
  DenseMap<unsigned, Uses> uses; // of groups
  for (Operation &op : program.getBody().front()) {
    auto read = dyn_cast<train::ReadOp>(op);
    auto write = dyn_cast<train::WriteOp>(op);
    if (!read && !write)
      continue;
    unsigned storage =
        storages.byVariable.at(read ? read.getSymbol() : write.getSymbol());
    bool whole = membersOf.contains(storage);
    auto member = placeInGroup.find(storage);
    if (!whole && member == placeInGroup.end())
      continue;
    unsigned group = whole ? storage : member->second.first;
    Uses &own = uses[group];
    (whole ? own.whole : own.members) = true;
    own.written |= bool(write);
    if (own.whole && own.members && own.written)
      return op.emitOpError()
             << "expected a program that writes a group or members of it to "
                "use either only, but got both for @"
             << storages.all[group].name;
  }
  return success();
}

/// What the host must know of an input. Indices have a limit, so that bad data
/// is refused before it chooses a row; targets may hold the ignored value.
/// `origin` is its name in the step.
DictionaryAttr Assigner::describeInput(StringRef name, StringRef origin,
                                       RankedTensorType type) {
  Builder builder(module.getContext());
  bool control = name.starts_with("control.");
  NamedAttrList attributes;
  attributes.append("name", builder.getStringAttr(name));
  attributes.append("source",
                    builder.getStringAttr(control ? "control" : "data"));
  attributes.append("type", TypeAttr::get(type));
  auto limits = module->getAttrOfType<DictionaryAttr>("train.input_limits");
  auto limit = limits ? limits.getAs<DictionaryAttr>(origin) : DictionaryAttr();
  attributes.append("limit",
                    limit ? limit.get("limit") : builder.getI64IntegerAttr(0));
  if (Attribute ignore = limit ? limit.get("ignore") : Attribute())
    attributes.append("ignore", ignore);
  return attributes.getDictionary(module.getContext());
}

/// One variable per input name. A program that wants the name with another type
/// (prefill reads one row of "inputs") gets an input `<program>.<name>`.
void Assigner::collectInputs() {
  llvm::StringMap<RankedTensorType> types;
  for (auto program : module.getOps<plan::ProgramOp>()) {
    SmallVector<Attribute> names;
    for (auto [attribute, argument] :
         llvm::zip(program.getInputs().getAsRange<StringAttr>(),
                   program.getBody().getArguments())) {
      auto type = cast<RankedTensorType>(argument.getType());
      std::string name = attribute.str();
      if (auto found = types.find(name);
          found != types.end() && found->second != type)
        name = (program.getSymName() + "." + attribute.getValue()).str();
      if (types.try_emplace(name, type).second) {
        addVariable(name, type, Inputs, argument.getLoc());
        inputDescriptions.push_back(
            describeInput(name, attribute.getValue(), type));
      }
      inputsOf[program].push_back(storages.byVariable.at(name));
      names.push_back(StringAttr::get(module.getContext(), name));
    }
    program.setInputsAttr(ArrayAttr::get(module.getContext(), names));
  }
}

/// Offsets of all storages in segment order, and the arena with its segments.
void Assigner::layOut() {
  segments.resize(storages.all.size(), Transient);
  offsets_bytes.resize(storages.all.size());
  SmallVector<int64_t> starts, sizes;
  int64_t end_bytes = 0;
  for (int segment = Parameters; segment <= Transient; ++segment) {
    int64_t start_bytes = alignedOffset(end_bytes);
    end_bytes = start_bytes;
    // Groups first, in one piece each, then what is in none.
    for (bool groups : {true, false})
      for (auto [index, storage] : llvm::enumerate(storages.all)) {
        if (segments[index] != segment || membersOf.contains(index) != groups ||
            placeInGroup.contains(index))
          continue;
        offsets_bytes[index] = alignedOffset(end_bytes);
        end_bytes = offsets_bytes[index] + bufferSizeBytes(storage.type);
      }
    starts.push_back(start_bytes);
    sizes.push_back(end_bytes - start_bytes);
  }
  for (auto &[member, place] : placeInGroup)
    offsets_bytes[member] =
        offsets_bytes[place.first] +
        place.second *
            llvm::divideCeil(storages.all[member].type.getElementTypeBitWidth(),
                             8);
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  plan::ArenaOp::create(builder, module.getLoc(), arenaName,
                        static_cast<uint64_t>(end_bytes),
                        static_cast<uint64_t>(arenaAlignmentBytes),
                        builder.getStrArrayAttr(segmentNames), starts, sizes);
  bufferBuilder = builder;
}

/// The buffer of a storage seen with a shape, made on first use.
FlatSymbolRefAttr Assigner::bufferFor(const Use &use) {
  FlatSymbolRefAttr &buffer =
      buffers[{use.storage, use.offset_bytes, use.type}];
  if (buffer)
    return buffer;
  const Storage &storage = storages.all[use.storage];
  ArrayAttr spans = membersOf.lookup(use.storage);
  std::string name;
  llvm::raw_string_ostream stream(name);
  stream << (storage.variable ? "buffer." : "") << storage.name;
  if (use.offset_bytes != 0)
    stream << ".at_" << use.offset_bytes;
  if (use.type != storage.type) {
    stream << ".as";
    for (int64_t extent : use.type.getShape())
      stream << "_" << extent;
  }
  std::string unique = name;
  for (int count = 1; !symbols.insert(unique).second; ++count)
    unique = llvm::formatv("{0}.{1}", name, count);
  auto op = plan::BufferOp::create(
      *bufferBuilder, storage.loc, unique, arenaName,
      static_cast<uint64_t>(offsets_bytes[use.storage] + use.offset_bytes),
      use.type,
      storage.variable && !spans ? bufferBuilder->getStringAttr(storage.name)
                                 : StringAttr(),
      spans);
  return buffer = FlatSymbolRefAttr::get(op.getSymNameAttr());
}

void Assigner::rewrite(plan::ProgramOp program, ArrayRef<Command> commands) {
  Block &block = program.getBody().front();
  OpBuilder builder = OpBuilder::atBlockEnd(&block);
  SmallVector<Operation *> old;
  for (Operation &op : block)
    old.push_back(&op);
  for (const Command &command : commands) {
    SmallVector<Attribute> names;
    for (const Use &use : command.uses)
      names.push_back(bufferFor(use));
    if (plan::LaunchOp launch = command.launch) {
      plan::LaunchOp::create(builder, command.loc, TypeRange(),
                             launch.getKernelAttr(), ValueRange(), ValueRange(),
                             /*bound=*/Value(), builder.getArrayAttr(names),
                             launch.getLayerAttr(), launch.getConstantAttr(),
                             command.bound ? bufferFor(*command.bound)
                                           : FlatSymbolRefAttr());
    } else {
      plan::CopyOp::create(builder, command.loc,
                           cast<FlatSymbolRefAttr>(names[0]),
                           cast<FlatSymbolRefAttr>(names[1]));
    }
  }
  for (Operation *op : llvm::reverse(old))
    op->erase();
  block.eraseArguments(0, block.getNumArguments());
}

LogicalResult Assigner::run() {
  for (Operation &op : *module.getBody())
    if (StringAttr name =
            op.getAttrOfType<StringAttr>(SymbolTable::getSymbolAttrName()))
      symbols.insert(name.getValue());
  for (auto parameter : module.getOps<train::ParameterOp>())
    addVariable(parameter.getSymName(), parameter.getTensorType(), Parameters,
                parameter.getLoc());
  for (auto state : module.getOps<train::StateOp>())
    addVariable(state.getSymName(), state.getTensorType(),
                segmentOf(state.getRole()), state.getLoc());
  for (auto group : module.getOps<train::GroupOp>())
    addGroup(group);
  collectInputs();

  SmallVector<std::pair<plan::ProgramOp, std::vector<Command>>> programs;
  for (auto program : module.getOps<plan::ProgramOp>()) {
    if (failed(verifyGroupUse(program)))
      return failure();
    auto commands = placeProgram(program, inputsOf[program], storages);
    if (failed(commands))
      return failure();
    programs.emplace_back(program, std::move(*commands));
  }
  layOut();
  for (auto [index, storage] : llvm::enumerate(storages.all))
    if (storage.variable && !membersOf.contains(index))
      bufferFor({static_cast<unsigned>(index), storage.type});
  for (auto &[program, commands] : programs)
    rewrite(program, commands);
  module->setAttr("train.inputs",
                  ArrayAttr::get(module.getContext(), inputDescriptions));
  return success();
}

struct AssignBuffers : impl::AssignBuffersBase<AssignBuffers> {
  void runOnOperation() override {
    if (failed(Assigner(getOperation()).run()))
      signalPassFailure();
  }
};

} // namespace
} // namespace trainc::memory
