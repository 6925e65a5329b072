//===- OutlineKernelFunctions.cpp - one function per kernel ---------------===//
//
// Decides how workgroups are numbered: the iterations of the kernel's top-level
// scf.forall in row-major order. Each kernel gets a module of its own, so that
// the following passes, and LLVM, treat kernels in parallel.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/Passes.h"

#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace trainc::codegen {
#define GEN_PASS_DEF_OUTLINEKERNELFUNCTIONS
#include "compiler/codegen/cpu/Passes.h.inc"

namespace {

/// Bounds of one dimension of the forall.
struct Dimension {
  int64_t lower, step, count;
};

/// The forall's dimensions. Fails with a diagnostic where they are not
/// constant.
FailureOr<SmallVector<Dimension>> getDimensions(scf::ForallOp forall) {
  SmallVector<Dimension> dimensions;
  for (auto [lower, upper, step] :
       llvm::zip(forall.getMixedLowerBound(), forall.getMixedUpperBound(),
                 forall.getMixedStep())) {
    auto l = getConstantIntValue(lower), u = getConstantIntValue(upper),
         s = getConstantIntValue(step);
    if (!l || !u || !s || *s <= 0)
      return forall.emitOpError("expected constant bounds and a positive step "
                                "in a kernel's workgroup loop");
    dimensions.push_back(
        {*l, *s, std::max<int64_t>(0, llvm::divideCeilSigned(*u - *l, *s))});
  }
  return dimensions;
}

/// Checks what stands beside the workgroup loop: every workgroup repeats it.
LogicalResult checkOutside(plan::KernelOp kernel, scf::ForallOp forall) {
  for (Operation &op : kernel.getBody().front()) {
    if (&op == forall.getOperation() || isa<plan::ReturnOp>(op) ||
        isa<memref::AllocOp, memref::AllocaOp, memref::DeallocOp>(op) ||
        isMemoryEffectFree(&op))
      continue;
    return op.emitOpError("expected only constants, views and temporaries "
                          "beside the workgroup loop of kernel '")
           << kernel.getSymName()
           << "', because every workgroup repeats them; move it into the loop "
              "or into a kernel of its own";
  }
  return success();
}

struct OutlineKernelFunctions
    : impl::OutlineKernelFunctionsBase<OutlineKernelFunctions> {
  void runOnOperation() override {
    for (auto kernel :
         llvm::make_early_inc_range(getOperation().getOps<plan::KernelOp>()))
      if (failed(outline(kernel)))
        return signalPassFailure();
  }

  LogicalResult outline(plan::KernelOp kernel) {
    Block &source = kernel.getBody().front();
    for (Type argument : kernel.getBufferTypes()) {
      auto type = dyn_cast<MemRefType>(argument);
      if (!type || !type.hasStaticShape() || !type.getLayout().isIdentity())
        return kernel.emitOpError("expected parameters of static memref types "
                                  "with identity layout, but got ")
               << argument;
    }
    auto foralls = llvm::to_vector(source.getOps<scf::ForallOp>());
    if (foralls.size() > 1)
      return kernel.emitOpError("expected at most one top-level scf.forall, "
                                "but got ")
             << foralls.size();
    SmallVector<Dimension> dimensions;
    int64_t workgroups = 1;
    if (!foralls.empty()) {
      FailureOr<SmallVector<Dimension>> found = getDimensions(foralls[0]);
      if (failed(found))
        return failure();
      dimensions = *found;
      for (const Dimension &d : dimensions)
        workgroups *= d.count;
      if (workgroups > 1 && failed(checkOutside(kernel, foralls[0])))
        return failure();
      if (foralls[0]->getNumResults())
        return foralls[0].emitOpError("expected a workgroup loop on buffers, "
                                      "but it has results");
    }
    kernel.setWorkgroups(workgroups);

    OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
    Location loc = kernel.getLoc();
    // The name is free for the kernel itself, so the module gets a suffix.
    auto module =
        ModuleOp::create(builder, loc, (kernel.getSymName() + ".code").str());
    module->setAttr(kernelModuleAttr,
                    FlatSymbolRefAttr::get(kernel.getSymNameAttr()));
    builder.setInsertionPointToEnd(module.getBody());
    SmallVector<Type> types(source.getArgumentTypes());
    types.push_back(builder.getIndexType());
    auto function = func::FuncOp::create(builder, loc,
                                         (kernel.getSymName() + ".body").str(),
                                         builder.getFunctionType(types, {}));
    Block *body = function.addEntryBlock();
    builder.setInsertionPointToEnd(body);
    IRMapping mapping;
    mapping.map(source.getArguments(), body->getArguments().drop_back());
    for (Operation &op : source) {
      if (auto forall = dyn_cast<scf::ForallOp>(op)) {
        mapInductions(builder, forall, dimensions, body->getArguments().back(),
                      mapping);
        for (Operation &inner : forall.getBody()->without_terminator())
          builder.clone(inner, mapping);
      } else if (!isa<plan::ReturnOp>(op)) {
        builder.clone(op, mapping);
      }
    }
    func::ReturnOp::create(builder, loc);
    return success();
  }

  /// Computes the forall's induction variables from the workgroup's number.
  void mapInductions(OpBuilder &builder, scf::ForallOp forall,
                     ArrayRef<Dimension> dimensions, Value workgroup,
                     IRMapping &mapping) {
    Location loc = forall.getLoc();
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(builder, loc, value);
    };
    Value rest = workgroup;
    // By number: the range of getInductionVars() would not outlive the head of
    // a loop over llvm::reverse(llvm::zip(…)).
    for (size_t i = dimensions.size(); i-- > 0;) {
      const Dimension &d = dimensions[i];
      // Constant zero where there is one iteration: bounds then fold.
      Value index = constant(0);
      if (d.count > 1) {
        Value count = constant(d.count);
        index = arith::RemUIOp::create(builder, loc, rest, count);
        rest = arith::DivUIOp::create(builder, loc, rest, count);
      }
      // As affine.apply, so that bounds of sizes can be derived from it.
      AffineExpr number = builder.getAffineDimExpr(0);
      Value value = affine::makeComposedAffineApply(
          builder, loc, number * d.step + d.lower, {index});
      mapping.map(forall.getInductionVar(i), value);
    }
  }
};

} // namespace
} // namespace trainc::codegen
