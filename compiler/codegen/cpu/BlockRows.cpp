//===- BlockRows.cpp - neighbours that go over rows take turns ------------===//
//
// Decides which operations of a workgroup run a few rows at a time, one after
// another on the same rows, instead of each over all rows: those that all go
// over the same rows, whose rows are long, and whose buffers together do not
// fit the first cache. So of a layer norm's passes only the first waits for
// memory.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/Passes.h"

#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_BLOCKROWS
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

/// The smallest first cache of CPUs with AVX2, in bytes.
constexpr int64_t firstCache = 32 << 10;
/// Rows of fewer bytes are not worth a loop of their own, and what is done once
/// per row would no longer be vectors of several rows.
constexpr int64_t longRow = 1 << 10;
/// More rows at a time gain nothing: they hide the latency of sums over a row,
/// and share the loads of what is summed over rows.
constexpr int64_t mostRows = 4;

/// One buffer that an operation reads or writes.
struct Access {
  Value buffer, root;
  bool writes;
  /// The buffer's dimension that the operation's first loop goes along.
  std::optional<unsigned> rows;

  Access(Value buffer, bool writes, std::optional<unsigned> rows)
      : buffer(buffer), root(buffer), writes(writes), rows(rows) {
    while (auto view = root.getDefiningOp<ViewLikeOpInterface>())
      root = view.getViewSource();
  }

  /// Whether both touch memory of which one writes. Buffers of a kernel and
  /// its temporaries do not overlap.
  bool meets(const Access &other) const {
    return (writes || other.writes) && root == other.root;
  }

  /// Bytes of a row, or of all where there are no rows; 0: unknown.
  int64_t bytes() const {
    auto type = cast<MemRefType>(buffer.getType());
    int64_t elements = 1;
    for (auto [i, extent] : llvm::enumerate(type.getShape()))
      if (i != rows)
        elements *= ShapedType::isDynamic(extent) ? 0 : extent;
    return elements * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  }
};

/// An operation as something that goes over rows.
struct Member {
  linalg::GenericOp op;
  SmallVector<Access> accesses;
  /// Number of rows; null: the first loop is not one over rows.
  OpFoldResult rows;

  /// Nothing where the operation touches other memory than its operands.
  static std::optional<Member> of(linalg::GenericOp op) {
    if (!op.hasPureBufferSemantics() ||
        llvm::any_of(op.getBlock()->without_terminator(), [](Operation &inner) {
          return !isMemoryEffectFree(&inner);
        }))
      return std::nullopt;
    Member member{op, {}, {}};
    bool by_rows = op.getNumLoops() > 0;
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<MemRefType>(operand.get().getType());
      if (!type)
        continue;
      std::optional<unsigned> position;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      for (auto [i, expr] : llvm::enumerate(map.getResults())) {
        if (!expr.isFunctionOfDim(0))
          continue;
        by_rows &= isa<AffineDimExpr>(expr) && !position;
        position = i;
      }
      // Along the contiguous dimension of a matrix they are columns.
      if (position && type.getRank() > 1 && *position + 1 == type.getRank())
        by_rows = false;
      member.accesses.emplace_back(operand.get(), op.isDpsInit(&operand),
                                   position);
    }
    if (by_rows)
      member.rows = member.countRows();
    return member;
  }

  bool meets(const Member &other) const {
    return llvm::any_of(accesses, [&](const Access &mine) {
      return llvm::any_of(other.accesses, [&](const Access &theirs) {
        return mine.meets(theirs);
      });
    });
  }

  /// Whether this after `earlier`, row by row, is the same as after all of it:
  /// where they meet, both touch only the row whose turn it is.
  bool followsByRows(const Member &earlier) const {
    return isEqualConstantIntOrValue(rows, earlier.rows) &&
           llvm::all_of(accesses, [&](const Access &mine) {
             return llvm::all_of(earlier.accesses, [&](const Access &theirs) {
               return !mine.meets(theirs) ||
                      (mine.buffer == theirs.buffer && mine.rows &&
                       mine.rows == theirs.rows);
             });
           });
  }

private:
  OpFoldResult countRows() {
    for (const Access &access : accesses) {
      if (!access.rows)
        continue;
      auto type = cast<MemRefType>(access.buffer.getType());
      if (!type.isDynamicDim(*access.rows))
        return IntegerAttr::get(IndexType::get(op.getContext()),
                                type.getDimSize(*access.rows));
      if (auto view = access.buffer.getDefiningOp<memref::SubViewOp>();
          view && view.getDroppedDims().none())
        return view.getMixedSizes()[*access.rows];
      if (auto alloc = access.buffer.getDefiningOp<memref::AllocOp>())
        return alloc.getDynamicSizes()[type.getDynamicDimIndex(*access.rows)];
    }
    return {};
  }
};

/// Operations that run on the same rows in turn.
class Group {
public:
  /// Takes the operation in, or moves it before the group, or does neither.
  bool take(const Member &member) {
    if (member.rows && llvm::all_of(members, [&](const Member &earlier) {
          return member.followsByRows(earlier);
        })) {
      members.push_back(member);
      return true;
    }
    if (members.empty() || llvm::any_of(members, [&](const Member &earlier) {
          return member.meets(earlier);
        }))
      return false;
    member.op->moveBefore(members.front().op);
    return true;
  }

  /// An operation that computes without memory, or a new temporary.
  void passBy(Operation *op) {
    if (!members.empty())
      op->moveBefore(members.front().op);
  }

  /// Puts the members into a loop over rows, if that pays.
  void finish() {
    if (int64_t count = rowsAtATime())
      build(count);
    members.clear();
  }

private:
  /// 0: all at a time.
  int64_t rowsAtATime() const {
    int64_t row = 0, fixed = 0, longest = 0, sweeps = 0;
    llvm::SmallDenseSet<Value> seen;
    for (Member member : members) { // accessors of operations are not const
      sweeps += member.op.getNumLoops() > 1;
      for (const Access &access : member.accesses) {
        if (!seen.insert(access.buffer).second)
          continue;
        (access.rows ? row : fixed) += access.bytes();
        if (access.rows)
          longest = std::max(longest, access.bytes());
      }
    }
    if (sweeps < 2 || longest < longRow)
      return 0;
    std::optional<int64_t> rows = getConstantIntValue(members.front().rows);
    if (!rows)
      return 1;
    if (*rows < 2 || *rows * row + fixed <= firstCache)
      return 0;
    int64_t count = mostRows;
    while (count > 1 && (*rows % count || count * row + fixed > firstCache))
      count /= 2;
    return count < *rows ? count : 0;
  }

  void build(int64_t count) {
    Location loc = members.front().op.getLoc();
    OpBuilder b(members.front().op);
    auto index = [&](OpFoldResult value) {
      return getValueOrCreateConstantIndexOp(b, loc, value);
    };
    auto loop = scf::ForOp::create(b, loc, index(b.getIndexAttr(0)),
                                   index(members.front().rows),
                                   index(b.getIndexAttr(count)));
    b.setInsertionPointToStart(loop.getBody());
    llvm::SmallDenseMap<Value, Value> views;
    for (Member &member : members) {
      SmallVector<Value> operands(member.op->getOperands());
      for (Value &operand : operands)
        for (const Access &access : member.accesses)
          if (access.buffer == operand && access.rows) {
            Value &view = views[operand];
            if (!view)
              view = viewOfRows(b, loc, access, loop.getInductionVar(), count);
            operand = view;
            break;
          }
      Operation *part = clone(b, member.op, TypeRange(), operands);
      linalg::offsetIndices(b, cast<linalg::LinalgOp>(part),
                            {loop.getInductionVar()});
      member.op->erase();
    }
  }

  static Value viewOfRows(OpBuilder &b, Location loc, const Access &access,
                          Value first, int64_t count) {
    SmallVector<OpFoldResult> sizes =
        memref::getMixedSizes(b, loc, access.buffer);
    SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0)),
        strides(sizes.size(), b.getIndexAttr(1));
    offsets[*access.rows] = first;
    sizes[*access.rows] = b.getIndexAttr(count);
    return memref::SubViewOp::create(b, loc, access.buffer, offsets, sizes,
                                     strides);
  }

  SmallVector<Member> members;
};

struct BlockRows : impl::BlockRowsBase<BlockRows> {
  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) {
      if (!isa<linalg::GenericOp>(block->getParentOp()))
        blocks.push_back(block);
    });
    for (Block *block : blocks)
      runOnBlock(*block);
  }

  void runOnBlock(Block &block) {
    Group group;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      auto generic = dyn_cast<linalg::GenericOp>(op);
      std::optional<Member> member =
          generic ? Member::of(generic) : std::nullopt;
      if (member) {
        if (group.take(*member))
          continue;
        group.finish();
        (void)group.take(*member);
      } else if (!generic &&
                 (isMemoryEffectFree(&op) ||
                  isa<memref::AllocOp, memref::AllocaOp>(op)) &&
                 !op.hasTrait<OpTrait::IsTerminator>()) {
        group.passBy(&op);
      } else {
        group.finish();
      }
    }
    group.finish();
  }
};

} // namespace
} // namespace trainc::codegen
