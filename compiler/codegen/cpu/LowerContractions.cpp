//===- LowerContractions.cpp - matrix products to the micro-kernel --------===//
//
// Decides which linalg operations are matrix products worth packing: a sum over
// one dimension of products of two operands of one type, both widened or not,
// with enough rows and columns, contiguous along one of them. Everything else
// stays for the plain loops.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/CpuTarget.h"
#include "compiler/codegen/cpu/DirectGemm.h"
#include "compiler/codegen/cpu/Passes.h"
#include "compiler/codegen/cpu/ProductLoops.h"

#include "mlir/Dialect/Affine/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_LOWERCONTRACTIONS
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

/// Below these, packing costs more than it gains.
constexpr int64_t smallestRows = 2;
constexpr int64_t smallestColumnBytes = 32;
constexpr int64_t smallestDepth = 4;

/// What a widening is of, or the value itself.
Value withoutExtension(Value value) {
  auto extension = value.getDefiningOp<arith::ExtFOp>();
  return extension ? extension.getIn() : value;
}

/// Whether the body is `out + lhs * rhs`, the factors as they are or both
/// widened.
bool isMultiplyAdd(linalg::LinalgOp op) {
  Block *body = op.getBlock();
  if (body->getNumArguments() != 3)
    return false;
  unsigned extensions = llvm::count_if(
      *body, [](Operation &inner) { return isa<arith::ExtFOp>(inner); });
  if ((extensions != 0 && extensions != 2) ||
      !llvm::hasNItems(*body, 3 + extensions))
    return false;
  auto sum =
      body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!sum)
    return false;
  for (auto [product, accumulator] : {std::pair(sum.getLhs(), sum.getRhs()),
                                      std::pair(sum.getRhs(), sum.getLhs())}) {
    auto multiply = product.getDefiningOp<arith::MulFOp>();
    Value x = body->getArgument(0), y = body->getArgument(1);
    if (!multiply || accumulator != body->getArgument(2))
      continue;
    Value lhs = withoutExtension(multiply.getLhs()),
          rhs = withoutExtension(multiply.getRhs());
    if ((lhs == x && rhs == y) || (lhs == y && rhs == x))
      return true;
  }
  return false;
}

/// The buffer that a view is of.
Value getRoot(Value view) {
  while (auto op = view.getDefiningOp<ViewLikeOpInterface>())
    view = op.getViewSource();
  return view;
}

/// Roles of the loops of a contraction.
struct Roles {
  unsigned m, n, k;
  SmallVector<unsigned> outer; ///< loops around the product
  bool swapped;                ///< the second input is A
};

/// Position in `map` of the loop, if it is there.
std::optional<unsigned> position(AffineMap map, unsigned dim) {
  for (unsigned i = 0; i < map.getNumResults(); ++i)
    if (map.getDimPosition(i) == dim)
      return i;
  return std::nullopt;
}

class Contraction {
public:
  explicit Contraction(linalg::LinalgOp op)
      : op(op), builder(op.getLoc(), op) {}

  /// Finds the roles; false where the operation stays for the loops.
  bool match() {
    if (!op.hasPureBufferSemantics() || op.getNumDpsInputs() != 2 ||
        op.getNumDpsInits() != 1 || !isMultiplyAdd(op))
      return false;
    Type element = getElementTypeOrSelf(op->getOperand(2).getType());
    if (!element.isF32() && !element.isF64())
      return false;
    Type stored = getElementTypeOrSelf(op->getOperand(0).getType());
    bool narrow = element.isF32() && (stored.isBF16() || stored.isF16());
    if (stored != element && !narrow)
      return false;
    maps = op.getIndexingMapsArray();
    for (unsigned i = 0; i < 3; ++i) {
      auto type = dyn_cast<MemRefType>(op->getOperand(i).getType());
      if (!type || type.getElementType() != (i < 2 ? stored : element) ||
          !maps[i].isProjectedPermutation())
        return false;
      if (i < 2 && getRoot(op->getOperand(i)) == getRoot(op->getOperand(2)))
        return false;
    }
    sizes = op.createLoopRanges(builder, op.getLoc());
    if (!assignRoles(element.getIntOrFloatBitWidth() / 8))
      return false;
    return isRow(0) && isRow(1) && isRow(2);
  }

  void lower(const VectorUnit &unit, ModuleOp module) {
    Gemm gemm;
    gemm.m = extent(roles.m), gemm.n = extent(roles.n),
    gemm.k = extent(roles.k);
    Operation *fill = gemm.k.constant.value_or(0) > 0 ? findFill() : nullptr;
    gemm.overwrite = fill;
    linalg::GenericOp epilogue = findEpilogue();
    builder.setInsertionPoint(epilogue ? epilogue : op);
    SmallVector<Value> inductions(sizes.size());
    for (unsigned dim : roles.outer) {
      Value zero = arith::ConstantIndexOp::create(builder, 0);
      Extent size = extent(dim);
      inductions[dim] = zero;
      if (size.constant == 1)
        continue;
      auto loop =
          scf::ForOp::create(builder, zero, size.value,
                             arith::ConstantIndexOp::create(builder, 1));
      inductions[dim] = loop.getInductionVar();
      builder.setInsertionPoint(loop.getBody()->getTerminator());
    }
    unsigned first = roles.swapped ? 1 : 0;
    gemm.a = view(first, roles.m, roles.k, inductions, gemm.a_transposed);
    gemm.b = view(1 - first, roles.k, roles.n, inductions, gemm.b_transposed);
    bool transposed;
    gemm.c = view(2, roles.m, roles.n, inductions, transposed);
    if (isDirectGemm(gemm)) {
      // What reads C stays an operation of its own: C is in cache.
      emitDirectGemm(builder, gemm, unit);
      epilogue = nullptr;
    } else {
      if (epilogue)
        gemm.finish = [&](Value row, Value column, Value rows, Value columns) {
          buildPart(epilogue, {row, column}, {rows, columns});
        };
      buildProduct(builder, gemm, unit, module);
    }
    if (fill)
      fill->erase();
    if (epilogue)
      epilogue->erase();
    op->erase();
  }

private:
  bool assignRoles(int64_t element_bytes) {
    SmallVector<unsigned> m, n, k;
    for (unsigned d = 0; d < sizes.size(); ++d) {
      bool a = position(maps[0], d).has_value(),
           b = position(maps[1], d).has_value(),
           c = position(maps[2], d).has_value();
      if (getConstantIntValue(sizes[d].size) == 1 || (a && b && c))
        roles.outer.push_back(d);
      else if (a && c)
        m.push_back(d);
      else if (b && c)
        n.push_back(d);
      else if (a && b)
        k.push_back(d);
      else
        return false;
    }
    if (m.empty() || n.empty() || k.size() != 1)
      return false;
    // N is what is contiguous in C; the operand that has it is B.
    unsigned last = 0;
    for (unsigned i = 0; i < maps[2].getNumResults(); ++i)
      if (unsigned d = maps[2].getDimPosition(i);
          llvm::is_contained(m, d) || llvm::is_contained(n, d))
        last = d;
    roles.swapped = llvm::is_contained(m, last);
    if (roles.swapped)
      std::swap(m, n);
    roles.n = last;
    roles.k = k[0];
    // Of several rows, the one next to the depth or the columns in memory.
    roles.m = *llvm::max_element(m, [&](unsigned x, unsigned y) {
      return extent(x).bound.value_or(INT64_MAX) <
             extent(y).bound.value_or(INT64_MAX);
    });
    for (unsigned d : llvm::concat<unsigned>(m, n))
      if (d != roles.m && d != roles.n)
        roles.outer.push_back(d);
    llvm::sort(roles.outer);
    return extent(roles.m).bound.value_or(INT64_MAX) >= smallestRows &&
           extent(roles.n).bound.value_or(INT64_MAX) * element_bytes >=
               smallestColumnBytes &&
           extent(roles.k).bound.value_or(INT64_MAX) >= smallestDepth;
  }

  /// Whether the last of the product's two dimensions in an operand is
  /// contiguous.
  bool isRow(unsigned operand) {
    auto type = cast<MemRefType>(op->getOperand(operand).getType());
    SmallVector<int64_t> strides;
    int64_t offset;
    if (failed(type.getStridesAndOffset(strides, offset)))
      return false;
    int64_t stride = 0;
    for (unsigned i = 0; i < maps[operand].getNumResults(); ++i)
      if (unsigned d = maps[operand].getDimPosition(i);
          d == roles.m || d == roles.n || d == roles.k)
        stride = strides[i];
    return stride == 1;
  }

  Extent extent(unsigned dim) {
    Extent result;
    OpFoldResult size = sizes[dim].size;
    result.constant = getConstantIntValue(size);
    result.bound = result.constant;
    result.value = getValueOrCreateConstantIndexOp(builder, op.getLoc(), size);
    if (!result.constant)
      if (FailureOr<int64_t> bound =
              ValueBoundsConstraintSet::computeConstantBound(
                  presburger::BoundType::UB, result.value, nullptr,
                  /*closedUB=*/true);
          succeeded(bound))
        result.bound = *bound;
    return result;
  }

  /// The slice of an operand with rows `row` and columns `column`, in the order
  /// of memory; `transposed` when columns come first.
  Value view(unsigned operand, unsigned row, unsigned column,
             ArrayRef<Value> inductions, bool &transposed) {
    Value source = op->getOperand(operand);
    AffineMap map = maps[operand];
    transposed = *position(map, row) > *position(map, column);
    if (map.getNumResults() == 2)
      return source;
    Builder &b = builder;
    SmallVector<OpFoldResult> offsets, extents,
        steps(map.getNumResults(), b.getIndexAttr(1));
    SmallVector<int64_t> shape;
    for (unsigned i = 0; i < map.getNumResults(); ++i) {
      unsigned d = map.getDimPosition(i);
      bool kept = d == row || d == column;
      offsets.push_back(kept ? OpFoldResult(b.getIndexAttr(0)) : inductions[d]);
      extents.push_back(kept ? sizes[d].size : OpFoldResult(b.getIndexAttr(1)));
      if (kept)
        shape.push_back(
            getConstantIntValue(sizes[d].size).value_or(ShapedType::kDynamic));
    }
    MemRefType type = memref::SubViewOp::inferRankReducedResultType(
        shape, cast<MemRefType>(source.getType()), offsets, extents, steps);
    return memref::SubViewOp::create(builder, type, source, offsets, extents,
                                     steps);
  }

  /// The linalg.fill with zero that gives C its contents, if nothing comes
  /// between.
  Operation *findFill() {
    Value c = op->getOperand(2), root = getRoot(c);
    for (Operation *before = op->getPrevNode(); before;
         before = before->getPrevNode()) {
      if (auto fill = dyn_cast<linalg::FillOp>(before);
          fill && fill.output() == c)
        return matchPattern(fill.value(), m_AnyZeroFloat()) ? fill : nullptr;
      if (isMemoryEffectFree(before) ||
          isa<memref::AllocOp, memref::AllocaOp>(before))
        continue;
      bool apart = isa<linalg::LinalgOp, memref::CopyOp>(before) &&
                   llvm::none_of(before->getOperands(),
                                 [&](Value v) { return getRoot(v) == root; });
      if (!apart)
        return nullptr;
    }
    return nullptr;
  }

  /// What goes on with C element by element, if nothing comes between: then it
  /// can do so part by part.
  linalg::GenericOp findEpilogue() {
    Value c = op->getOperand(2);
    if (maps[2].getNumResults() != 2)
      return {};
    Operation *after = op->getNextNode();
    while (after && (isMemoryEffectFree(after) ||
                     isa<memref::AllocOp, memref::AllocaOp>(after)))
      after = after->getNextNode();
    auto generic = dyn_cast_if_present<linalg::GenericOp>(after);
    if (!generic || !generic.hasPureBufferSemantics() ||
        generic.getNumLoops() != 2 || generic.getNumParallelLoops() != 2 ||
        !llvm::is_contained(generic->getOperands(), c))
      return {};
    for (OpOperand &operand : generic->getOpOperands()) {
      Value root = getRoot(operand.get());
      AffineMap map = generic.getMatchingIndexingMap(&operand);
      if (!map.isProjectedPermutation())
        return {};
      if (generic.isDpsInit(&operand) || operand.get() == c) {
        // Each element belongs to one part only, and no part needs it later.
        if (!map.isIdentity() || root == getRoot(op->getOperand(0)) ||
            root == getRoot(op->getOperand(1)))
          return {};
        for (OpOperand &other : generic->getOpOperands())
          if (other.get() != operand.get() && getRoot(other.get()) == root)
            return {};
      }
    }
    return generic;
  }

  /// The part of an elementwise operation at `offsets` of `sizes`.
  void buildPart(linalg::GenericOp generic, ArrayRef<Value> offsets,
                 ArrayRef<Value> sizes) {
    SmallVector<Value> operands;
    for (OpOperand &operand : generic->getOpOperands()) {
      AffineMap map = generic.getMatchingIndexingMap(&operand);
      if (map.getNumResults() == 0 ||
          !isa<MemRefType>(operand.get().getType())) {
        operands.push_back(operand.get());
        continue;
      }
      SmallVector<OpFoldResult> from, extent,
          steps(map.getNumResults(), builder.getIndexAttr(1));
      for (unsigned i = 0; i < map.getNumResults(); ++i) {
        from.push_back(getAsOpFoldResult(offsets[map.getDimPosition(i)]));
        extent.push_back(getAsOpFoldResult(sizes[map.getDimPosition(i)]));
      }
      operands.push_back(memref::SubViewOp::create(builder, operand.get(), from,
                                                   extent, steps));
    }
    auto part = cast<linalg::LinalgOp>(
        clone(builder, generic.getOperation(), TypeRange(), operands));
    IRRewriter rewriter(builder);
    linalg::offsetIndices(rewriter, part,
                          getAsOpFoldResult(ArrayRef<Value>(offsets)));
  }

  linalg::LinalgOp op;
  ImplicitLocOpBuilder builder;
  SmallVector<AffineMap> maps;
  SmallVector<Range> sizes;
  Roles roles;
};

struct LowerContractions : impl::LowerContractionsBase<LowerContractions> {
  using LowerContractionsBase::LowerContractionsBase;

  void runOnOperation() override {
    llvm::Expected<CpuTarget> target = CpuTarget::get(cpu);
    if (!target) {
      getOperation().emitError(llvm::toString(target.takeError()));
      return signalPassFailure();
    }
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops)
      if (Contraction contraction(op); contraction.match())
        contraction.lower(target->vectorUnit(), getOperation());
  }

  void getDependentDialects(DialectRegistry &registry) const override {
    LowerContractionsBase::getDependentDialects(registry);
    affine::registerValueBoundsOpInterfaceExternalModels(registry);
    arith::registerValueBoundsOpInterfaceExternalModels(registry);
    memref::registerValueBoundsOpInterfaceExternalModels(registry);
    scf::registerValueBoundsOpInterfaceExternalModels(registry);
  }
};

} // namespace
} // namespace trainc::codegen
