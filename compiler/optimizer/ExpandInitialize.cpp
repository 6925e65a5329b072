//===- ExpandInitialize.cpp - start values as a program -------------------===//
//
// Decides which stream of random numbers a parameter draws from: its external
// name's hash, so that adding or freezing other parameters leaves it alone.
//
//===----------------------------------------------------------------------===//

#include "compiler/optimizer/Passes.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace trainc::optimizer {

#define GEN_PASS_DEF_EXPANDINITIALIZEPASS
#include "compiler/optimizer/Passes.h.inc"

namespace {

/// FNV-1a, 64 bits, cut to 31 (http://www.isthe.com/chongo/tech/comp/fnv).
int64_t hashName(StringRef name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : name)
    hash = (hash ^ c) * 0x100000001b3;
  return hash & 0x7fffffff;
}

struct ExpandInitializePass
    : impl::ExpandInitializePassBase<ExpandInitializePass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    if (Operation *existing = symbols.lookup("initialize")) {
      existing->emitOpError() << "expected the name @initialize to be free for "
                                 "the program of start values, but got this";
      return signalPassFailure();
    }
    Location loc = module.getLoc();
    auto builder = OpBuilder::atBlockEnd(module.getBody());
    auto program = plan::ProgramOp::create(
        builder, loc, "initialize",
        builder.getStrArrayAttr({train::kControlRandom}));
    symbols.insert(program);
    Block &block = program.getBody().emplaceBlock();
    Value counters = block.addArgument(
        RankedTensorType::get({3}, builder.getI64Type()), loc);

    builder.setInsertionPointToEnd(&block);
    DenseSet<int64_t> streams;
    for (auto parameter : module.getOps<train::ParameterOp>()) {
      int64_t stream = hashName(parameter.getExternalName());
      // Two names with one hash must not share numbers.
      while (!streams.insert(stream).second)
        stream = (stream + 1) & 0x7fffffff;
      Value value = startValue(builder, parameter, counters, stream);
      train::WriteOp::create(builder, parameter.getLoc(), value,
                             parameter.getSymName());
    }
    // Gradients and outputs are written before they are read.
    llvm::SmallDenseSet<Attribute> written = writeGroups(builder, symbols);
    for (auto state : module.getOps<train::StateOp>()) {
      if ((state.getRole() != train::Role::Optimizer &&
           state.getRole() != train::Role::Metric) ||
          written.contains(state.getSymNameAttr()))
        continue;
      Value value = constant(builder, state.getLoc(), state.getTensorType(),
                             state.getValue().convertToDouble());
      train::WriteOp::create(builder, state.getLoc(), value,
                             state.getSymName());
    }
  }

  /// Writes whole the groups of optimizer states that all start as 0, as what
  /// is between their members does; returns the members' names.
  llvm::SmallDenseSet<Attribute> writeGroups(OpBuilder &builder,
                                             SymbolTable &symbols) {
    llvm::SmallDenseSet<Attribute> written;
    for (auto group : getOperation().getOps<train::GroupOp>()) {
      SmallVector<train::StateOp> states;
      for (auto name : group.getMembers().getAsRange<FlatSymbolRefAttr>())
        states.push_back(symbols.lookup<train::StateOp>(name.getAttr()));
      if (!llvm::all_of(states, [](train::StateOp state) {
            return state && state.getRole() == train::Role::Optimizer &&
                   state.getValue().isPosZero();
          }))
        continue;
      train::WriteOp::create(
          builder, group.getLoc(),
          constant(builder, group.getLoc(), group.getTensorType(), 0),
          group.getSymName());
      for (train::StateOp state : states)
        written.insert(state.getSymNameAttr());
    }
    return written;
  }

  static Value constant(OpBuilder &builder, Location loc, RankedTensorType type,
                        double value) {
    Type element = type.getElementType();
    Attribute attribute =
        isa<FloatType>(element)
            ? Attribute(builder.getFloatAttr(element, value))
            : Attribute(builder.getIntegerAttr(element, int64_t(value)));
    return nn::ConstantOp::create(builder, loc, type,
                                  SplatElementsAttr::get(type, attribute));
  }

  static nn::Distribution distributionOf(train::InitKind kind) {
    switch (kind) {
    case train::InitKind::Normal:
      return nn::Distribution::Normal;
    case train::InitKind::Truncated:
      return nn::Distribution::Truncated;
    case train::InitKind::Uniform:
    case train::InitKind::Constant: // draws nothing
      return nn::Distribution::Uniform;
    }
    llvm_unreachable("every kind is listed");
  }

  static Value startValue(OpBuilder &builder, train::ParameterOp parameter,
                          Value counters, int64_t stream) {
    RankedTensorType type = parameter.getTensorType();
    if (parameter.getInit() == train::InitKind::Constant)
      return constant(builder, parameter.getLoc(), type,
                      parameter.getOffset().convertToDouble());
    return nn::RandomOp::create(
        builder, parameter.getLoc(), type, distributionOf(parameter.getInit()),
        counters, parameter.getOffset(), parameter.getScale(), stream);
  }
};

} // namespace
} // namespace trainc::optimizer
