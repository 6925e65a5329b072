//===- LowerSumSquares.cpp - where a sum of squares is taken --------------===//
//
// The squares of a variable are best summed by the launch that writes it, by
// each workgroup while what it wrote is in cache: the kernel gets one more
// destination, a state of the module with a partial sum per workgroup, and the
// program that wants the sum adds those. Each run of the writing program
// overwrites them, so after several micro-batches they are those of the total.
// A launch that only changes some places of what another made (a table's rows)
// adds the difference, and both sum. Where that cannot be, the variable is read
// again. A remark of the category
// "fusion" says which, and why.
//
//===----------------------------------------------------------------------===//

#include "compiler/fusion/Fusion.h"
#include "compiler/fusion/KernelTable.h"
#include "compiler/fusion/Tiles.h"
#include "compiler/fusion/WorkgroupSums.h"
#include "compiler/fusion/lowering/Generic.h"
#include "dialects/nn/Nn.h"
#include "dialects/train/Train.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace trainc::fusion {

#define GEN_PASS_DEF_LOWERSUMSQUARESPASS
#include "compiler/fusion/Passes.h.inc"

namespace {

/// A result of a launch.
struct Made {
  plan::LaunchOp launch;
  unsigned result;
};

/// Where a variable's squares are summed: by the launch that makes what it
/// holds in the end and, where that only changes what others made, by those.
/// Or why not there.
struct Source {
  SmallVector<Made, 1> makers;
  std::string obstacle;
};

class SumSquaresLowering {
public:
  explicit SumSquaresLowering(ModuleOp module)
      : module(module), symbols(module) {}

  LogicalResult run() {
    SmallVector<train::SumSquaresOp> sums;
    for (auto program : module.getOps<plan::ProgramOp>()) {
      llvm::append_range(
          sums, program.getBody().front().getOps<train::SumSquaresOp>());
      for (auto write : program.getBody().front().getOps<train::WriteOp>())
        for (StringRef variable : membersOf(write.getSymbol()))
          writes[variable].push_back(write);
    }
    if (sums.empty())
      return success();
    for (train::SumSquaresOp sum : sums)
      for (auto symbol : sum.getSymbols().getAsRange<FlatSymbolRefAttr>())
        for (StringRef variable : membersOf(symbol.getValue()))
          choose(variable, sum);
    extendLaunches();
    eraseUnusedKernels();
    kernels.emplace(module);
    for (train::SumSquaresOp sum : sums)
      if (failed(lower(sum)))
        return failure();
    return success();
  }

private:
  /// A group's members, or the variable itself.
  SmallVector<StringRef> membersOf(StringRef symbol) {
    SmallVector<StringRef> names;
    if (auto group = symbols.lookup<train::GroupOp>(symbol))
      llvm::append_range(
          names, llvm::map_range(group.getMembers(), [](Attribute name) {
            return cast<FlatSymbolRefAttr>(name).getValue();
          }));
    else
      names.push_back(symbol);
    return names;
  }

  void choose(StringRef variable, train::SumSquaresOp sum) {
    auto [found, isNew] = sources.try_emplace(variable);
    if (!isNew)
      return;
    Source &source = found->second;
    source.obstacle = findMakers(variable, sum, source.makers);
    // A state of partial sums is counted once.
    if (source.obstacle.empty() &&
        llvm::any_of(source.makers, [&](const Made &made) {
          return wanted.lookup(made.launch).contains(made.result);
        }))
      source.obstacle = "another variable holds the same result";
    auto opts = remark::RemarkOpts::name("sum_squares").category("fusion");
    if (!source.obstacle.empty()) {
      source.makers.clear();
      remark::missed(sum.getLoc(), opts)
          << ("@" + variable +
              " is read again for the sum of its squares: " + source.obstacle)
                 .str();
      return;
    }
    int64_t parts = 0;
    for (const Made &made : source.makers) {
      wanted[made.launch].insert(made.result);
      parts += workgroupsOf(kernelOf(made.launch));
    }
    remark::passed(Made(source.makers.front()).launch.getLoc(), opts)
        << ("the squares of @" + variable +
            " are summed where it is written, in " + llvm::Twine(parts) +
            " parts")
               .str();
  }

  /// The launches that make what the variable holds in the end; or why their
  /// workgroups cannot sum it.
  std::string findMakers(StringRef variable, train::SumSquaresOp sum,
                         SmallVectorImpl<Made> &makers) {
    auto state = symbols.lookup<train::StateOp>(variable);
    if (!state || state.getRole() == train::Role::Optimizer)
      return "a checkpoint may set it";
    ArrayRef<train::WriteOp> all = writes[variable];
    if (all.size() != 1)
      return std::to_string(all.size()) + " writes set it, not one";
    train::WriteOp write = all.front();
    if (write.getSymbol() != variable)
      return "it is written in its group";
    if (write->getBlock() == sum->getBlock())
      return "the program that wants the sum writes it";
    Value value = write.getValue();
    while (true) {
      while (isa_and_present<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
          value.getDefiningOp()))
        value = value.getDefiningOp()->getOperand(0);
      auto launch = value.getDefiningOp<plan::LaunchOp>();
      if (!launch)
        return "no kernel makes it";
      if (launch.getBound())
        return "the launch that makes it may be left out";
      unsigned result = cast<OpResult>(value).getResultNumber();
      plan::KernelOp kernel = kernelOf(launch);
      if (std::string obstacle = obstacleToSums(kernel, result);
          !obstacle.empty())
        return obstacle;
      makers.push_back({launch, result});
      if (!sumsChanges(kernel, result))
        return {};
      value = launch.getDestinations()[result];
    }
  }

  plan::KernelOp kernelOf(plan::LaunchOp launch) {
    return symbols.lookup<plan::KernelOp>(launch.getKernel());
  }

  //===--------------------------------------------------------------------===//
  // Where it is written
  //===--------------------------------------------------------------------===//

  /// Replaces launches by those of kernels that also sum, and writes the sums
  /// to new states.
  void extendLaunches() {
    for (auto &[op, results] : wanted) {
      auto launch = cast<plan::LaunchOp>(op);
      SmallVector<unsigned> sorted(results.begin(), results.end());
      llvm::sort(sorted);
      plan::KernelOp kernel = summingKernel(kernelOf(launch), sorted);
      auto type = RankedTensorType::get(workgroupsOf(kernel),
                                        Float64Type::get(module.getContext()));
      OpBuilder b(launch);
      SmallVector<Value> destinations(launch.getDestinations());
      for (size_t i = 0; i < sorted.size(); ++i)
        destinations.push_back(tensor::EmptyOp::create(
            b, launch.getLoc(), type.getShape(), type.getElementType()));
      auto fresh = plan::LaunchOp::create(
          b, launch.getLoc(), ValueRange(destinations).getTypes(),
          FlatSymbolRefAttr::get(kernel), launch.getInputs(), destinations,
          /*bound=*/Value(), launch.getBuffersAttr(), launch.getLayerAttr(),
          launch.getConstantAttr(), /*bound_buffer=*/FlatSymbolRefAttr());
      unsigned before = launch.getNumResults();
      for (auto [from, to] : llvm::zip(launch.getResults(), fresh.getResults()))
        from.replaceAllUsesWith(to);
      for (auto [i, result] : llvm::enumerate(sorted)) {
        StringAttr state = createState(type, launch.getLoc());
        statesOf[{op, result}] = state;
        train::WriteOp::create(b, launch.getLoc(), fresh.getResult(before + i),
                               state);
      }
    }
    for (auto &[op, results] : wanted)
      op->erase();
  }

  /// `kernel` with sums of these results; one for all its launches.
  plan::KernelOp summingKernel(plan::KernelOp kernel,
                               ArrayRef<unsigned> results) {
    std::string name = (kernel.getSymName() + "_squares").str();
    if (results.size() > 1 || results.front() != 0)
      for (unsigned result : results)
        name += ("_" + llvm::Twine(result)).str();
    auto [found, isNew] = summing.try_emplace(name);
    if (isNew) {
      auto clone = cast<plan::KernelOp>(kernel->clone());
      clone.setSymName(name);
      module.getBody()->getOperations().insertAfter(kernel->getIterator(),
                                                    clone);
      symbols.insert(clone);
      addWorkgroupSums(clone, results);
      found->second = clone;
    }
    return found->second;
  }

  StringAttr createState(RankedTensorType type, Location loc) {
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto state = train::StateOp::create(
        b, loc, "squares." + std::to_string(statesOf.size()),
        train::Role::Metric, type, APFloat(0.0), FlatSymbolRefAttr(),
        StringAttr());
    return symbols.insert(state);
  }

  void eraseUnusedKernels() {
    llvm::SmallDenseSet<StringRef> used;
    for (auto program : module.getOps<plan::ProgramOp>())
      for (auto launch : program.getBody().front().getOps<plan::LaunchOp>())
        used.insert(launch.getKernel());
    for (auto kernel :
         llvm::make_early_inc_range(module.getOps<plan::KernelOp>()))
      if (!used.contains(kernel.getSymName()))
        symbols.erase(kernel);
  }

  //===--------------------------------------------------------------------===//
  // Where the sum is wanted
  //===--------------------------------------------------------------------===//

  /// One launch that adds all partial sums.
  LogicalResult lower(train::SumSquaresOp sum) {
    OpBuilder b(sum);
    Location loc = sum.getLoc();
    SmallVector<Attribute> states;
    SmallVector<StringRef> unsummed;
    for (auto symbol : sum.getSymbols().getAsRange<FlatSymbolRefAttr>()) {
      SmallVector<StringRef> members = membersOf(symbol.getValue()), own;
      for (StringRef variable : members) {
        Source &source = sources.find(variable)->second;
        for (const Made &made : source.makers)
          states.push_back(FlatSymbolRefAttr::get(statesOf.lookup(
              {Made(made).launch.getOperation(), made.result})));
        if (source.makers.empty())
          own.push_back(variable);
      }
      // All of a group are one read. What is between them is 0 unless somebody
      // writes the group.
      bool whole =
          own.size() == members.size() &&
          llvm::all_of(members, [&](StringRef variable) {
            return llvm::all_of(writes[variable], [&](train::WriteOp write) {
              return write.getSymbol() == variable;
            });
          });
      if (whole)
        unsummed.push_back(symbol.getValue());
      else
        llvm::append_range(unsummed, own);
    }
    SmallVector<Value> parts;
    if (!states.empty())
      parts.push_back(readTogether(b, loc, states));
    for (StringRef variable : unsummed) {
      auto part = sumPieces(b, loc, variable);
      if (failed(part))
        return failure();
      parts.push_back(*part);
    }
    auto total = addAll(b, loc, parts);
    if (failed(total))
      return failure();
    sum.replaceAllUsesWith(*total);
    sum.erase();
    return success();
  }

  /// States of partial sums as one group. What is between them stays 0: nobody
  /// writes the group.
  Value readTogether(OpBuilder &b, Location loc, ArrayRef<Attribute> states) {
    if (auto found = groups.find(ArrayAttr::get(module.getContext(), states));
        found != groups.end())
      return train::ReadOp::create(b, loc, found->second.getTensorType(),
                                   found->second.getSymName());
    int64_t size = 0;
    for (Attribute state : states)
      size += train::GroupOp::getExtent(
          symbols
              .lookup<train::StateOp>(cast<FlatSymbolRefAttr>(state).getAttr())
              .getTensorType());
    OpBuilder atEnd = OpBuilder::atBlockEnd(module.getBody());
    ArrayAttr members = ArrayAttr::get(module.getContext(), states);
    auto group = train::GroupOp::create(
        atEnd, loc, "squares.all." + std::to_string(groups.size()), members,
        RankedTensorType::get(size, b.getF64Type()));
    symbols.insert(group);
    groups[members] = group;
    return train::ReadOp::create(b, loc, group.getTensorType(),
                                 group.getSymName());
  }

  /// The sums of squares of consecutive pieces of a variable, by reading it.
  FailureOr<Value> sumPieces(OpBuilder &b, Location loc, StringRef variable) {
    SymbolTableCollection tables;
    auto symbol = FlatSymbolRefAttr::get(module.getContext(), variable);
    RankedTensorType type = train::lookupVariableType(tables, module, symbol);
    Value read = train::ReadOp::create(b, loc, type, variable);
    Value flat = asFlat(b, loc, read);
    int64_t size = type.getNumElements();
    int64_t piece = chooseTile(size, 4 * kTileElements)[0];
    auto partial =
        RankedTensorType::get(llvm::divideCeil(size, piece), b.getF64Type());
    KernelRequest request;
    request.stem = "sum_squares";
    request.computes = "train.sum_squares";
    request.flops = 2.0 * double(size);
    request.inputs = {flat};
    request.destinations = {tensor::EmptyOp::create(b, loc, partial.getShape(),
                                                    partial.getElementType())};
    auto launch = kernels->launch(
        b, loc, request,
        [&](OpBuilder &body, ValueRange inputs, ValueRange destinations) {
          return buildTiles(
              body, loc, size, piece, destinations,
              [&](OpBuilder &tile, ArrayRef<OpFoldResult> offsets,
                  ArrayRef<OpFoldResult> sizes, ValueRange outs) {
                AffineExpr number = tile.getAffineDimExpr(0).floorDiv(piece);
                Indices at = {affine::makeComposedFoldedAffineApply(
                    tile, loc, number, {offsets[0]})};
                Indices one = {tile.getIndexAttr(1)};
                Value share = lowering::fill(
                    tile, loc, slice(tile, loc, outs[0], at, one, {0}), 0.0);
                share = addSquares(tile, loc,
                                   slice(tile, loc, inputs[0], offsets, sizes),
                                   share);
                return SmallVector<TileResult>{{share, at, one}};
              });
        });
    if (failed(launch))
      return failure();
    return launch->getResult(0);
  }

  FailureOr<Value> addAll(OpBuilder &b, Location loc, ArrayRef<Value> parts) {
    KernelRequest request;
    request.stem = "sum_parts";
    request.computes = "train.sum_squares";
    request.inputs = llvm::to_vector(parts);
    for (Value part : parts)
      request.flops +=
          double(cast<RankedTensorType>(part.getType()).getNumElements());
    request.destinations = {
        tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>(), b.getF64Type())};
    auto launch = kernels->launch(
        b, loc, request,
        [&](OpBuilder &body, ValueRange inputs,
            ValueRange destinations) -> FailureOr<SmallVector<Value>> {
          Value sum = lowering::fill(body, loc, destinations[0], 0.0);
          for (Value part : inputs)
            sum = lowering::buildGeneric(
                body, loc, "r", {{part, {0}}}, {{sum, {}}},
                [&](OpBuilder &inner, ValueRange x) -> SmallVector<Value> {
                  return {arith::AddFOp::create(inner, loc, x[1], x[0])};
                })[0];
          return SmallVector<Value>{sum};
        });
    if (failed(launch))
      return failure();
    return launch->getResult(0);
  }

  ModuleOp module;
  SymbolTable symbols;
  std::optional<KernelTable> kernels;
  llvm::StringMap<SmallVector<train::WriteOp>> writes; ///< by variable
  llvm::MapVector<StringRef, Source> sources;          ///< by variable
  llvm::MapVector<Operation *, llvm::SmallSetVector<unsigned, 2>> wanted;
  DenseMap<std::pair<Operation *, unsigned>, StringAttr> statesOf;
  llvm::StringMap<plan::KernelOp> summing; ///< kernels that sum, by name
  llvm::MapVector<Attribute, train::GroupOp> groups;
};

struct LowerSumSquaresPass
    : impl::LowerSumSquaresPassBase<LowerSumSquaresPass> {
  void runOnOperation() override {
    if (failed(SumSquaresLowering(getOperation()).run()))
      signalPassFailure();
  }
};

} // namespace
} // namespace trainc::fusion
