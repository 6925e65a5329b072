//===- Plan.cpp - registration and verifiers of the plan dialect ----------===//

#include "dialects/plan/Plan.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

#include "dialects/plan/PlanDialect.cpp.inc"
#include "dialects/plan/PlanEnums.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.cpp.inc"

namespace trainc::plan {

void PlanDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/plan/PlanOps.cpp.inc"
      >();
}

LogicalResult ProgramOp::verify() {
  unsigned arguments = getBody().getNumArguments();
  if (arguments == 0)
    return success();
  llvm::StringSet<> names;
  for (StringRef name : getInputs().getAsValueRange<StringAttr>())
    names.insert(name);
  if (getInputs().size() != arguments ||
      names.size() != arguments) // program_c1
    return emitOpError() << "expected " << arguments
                         << " distinct input names, but got " << getInputs();
  return success();
}

unsigned KernelOp::getNumInputs() {
  return llvm::count(getAccess(), int32_t(Access::Read));
}

BlockArgument KernelOp::getConstant() {
  Block &block = getBody().front();
  return block.getNumArguments() > getAccess().size()
             ? block.getArguments().back()
             : BlockArgument();
}

TypeRange KernelOp::getBufferTypes() {
  return TypeRange(getBody().front().getArgumentTypes())
      .take_front(getAccess().size());
}

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  ArrayRef<int32_t> access = getAccess();
  bool constant = access.size() + 1 == block.getNumArguments() &&
                  block.getArguments().back().getType().isInteger(64);
  bool sorted = access.size() + constant == block.getNumArguments();
  for (auto [i, a] : llvm::enumerate(access))
    sorted &= a >= 1 && a <= 3 && (i == 0 || a != 1 || access[i - 1] == 1);
  if (!sorted) // kernel_c1
    return emitOpError()
           << "expected one access per argument, read before the others "
              "(none for an i64 at the end), but got ["
           << access << "] for " << block.getNumArguments() << " arguments";
  auto result =
      dyn_cast_if_present<ReturnOp>(block.empty() ? nullptr : &block.back());
  if (!result)
    return emitOpError() << "expected plan.return at the end";
  TypeRange destinations = getBufferTypes().drop_front(getNumInputs());
  bool buffers =
      llvm::any_of(block.getArgumentTypes(), llvm::IsaPred<MemRefType>);
  if (buffers
          ? result.getNumOperands() != 0
          : destinations != TypeRange(result.getOperandTypes())) // kernel_c2
    return emitOpError()
           << "expected plan.return of the destinations' types, but got "
           << result.getOperandTypes();
  return success();
}

static bool isScalar(Type type) {
  auto shaped = dyn_cast<ShapedType>(type);
  return shaped && shaped.hasRank() && shaped.getRank() == 0 &&
         shaped.getElementType().isInteger(64);
}

LogicalResult LaunchOp::verify() {
  if (getBuffers() && getNumOperands() + getNumResults() != 0) // launch_c2
    return emitOpError() << "expected no operands and results beside buffers";
  if (getBound() && !isScalar(getBound().getType())) // launch_c4
    return emitOpError() << "expected a bound of type tensor<i64>, but got "
                         << getBound().getType();
  if (getBoundBuffer() && !getBuffers()) // launch_c4
    return emitOpError() << "expected a buffer as the bound only beside "
                            "buffers, but got "
                         << getBoundBufferAttr();
  return success();
}

LogicalResult BoundsOp::verify() {
  for (Type type : getBounds().getTypes())
    if (!isScalar(type)) // bounds_c1
      return emitOpError() << "expected bounds of type tensor<i64>, but got "
                           << type;
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto kernel =
      tables.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel) // launch_c1
    return emitOpError() << "expected " << getKernelAttr()
                         << " to be a plan.kernel, but it is not";
  if (bool(kernel.getConstant()) != bool(getConstant())) // launch_c3
    return emitOpError() << "expected "
                         << (kernel.getConstant() ? "a constant"
                                                  : "no constant")
                         << " for @" << getKernel() << ", but got "
                         << (getConstant() ? "one" : "none");
  TypeRange arguments = kernel.getBufferTypes();
  if (auto buffers = getBuffers()) {
    if (buffers->size() != arguments.size()) // launch_c2
      return emitOpError() << "expected " << arguments.size()
                           << " buffers, but got " << buffers->size();
    for (auto [name, type] :
         llvm::zip(buffers->getAsRange<FlatSymbolRefAttr>(), arguments)) {
      auto buffer = tables.lookupNearestSymbolFrom<BufferOp>(*this, name);
      if (!buffer || buffer.getType() != type)
        return emitOpError()
               << "expected " << name << " to be a buffer of type " << type
               << ", but it is not";
    }
    if (FlatSymbolRefAttr name = getBoundBufferAttr()) {
      auto bound = tables.lookupNearestSymbolFrom<BufferOp>(*this, name);
      if (!bound || !isScalar(bound.getType())) // launch_c4
        return emitOpError() << "expected " << name
                             << " to be a buffer of type memref<i64>, but it "
                                "is not";
    }
    return success();
  }
  // Kernels become memrefs before launches name buffers: contents must agree.
  auto same = [](TypeRange a, TypeRange b) {
    return llvm::equal(a, b, [](Type x, Type y) {
      auto shapedX = dyn_cast<ShapedType>(x), shapedY = dyn_cast<ShapedType>(y);
      return x == y ||
             (shapedX && shapedY && shapedX.getShape() == shapedY.getShape() &&
              shapedX.getElementType() == shapedY.getElementType());
    });
  };
  unsigned inputs = kernel.getNumInputs();
  if (!same(getInputs().getTypes(), arguments.take_front(inputs)) ||
      !same(getDestinations().getTypes(), arguments.drop_front(inputs)) ||
      !same(getResultTypes(), getDestinations().getTypes()))
    return emitOpError() << "expected operands of types " << arguments
                         << " and one result per destination, but got "
                         << getOperandTypes() << " and " << getResultTypes();
  return success();
}

LogicalResult JoinOp::verify() {
  RankedTensorType whole = getType();
  int64_t rows = 0;
  bool agree =
      whole.getRank() > 0 && whole.hasStaticShape() && whole.getDimSize(0) > 0;
  for (Type type : getParts().getTypes()) {
    auto part = cast<RankedTensorType>(type);
    agree = agree && part.hasStaticShape() &&
            part.getRank() == whole.getRank() &&
            part.getElementType() == whole.getElementType() &&
            part.getShape().drop_front() == whole.getShape().drop_front();
    if (!agree)
      break;
    int64_t rowBytes = whole.getNumElements() / whole.getDimSize(0) *
                       llvm::divideCeil(whole.getElementTypeBitWidth(), 8);
    if (rows * rowBytes % 64 != 0) // join_c2
      return emitOpError() << "expected every part to begin at a multiple of "
                              "64 bytes, but got one at "
                           << rows * rowBytes;
    rows += part.getDimSize(0);
  }
  if (!agree || getParts().empty() || rows != whole.getDimSize(0)) // join_c1
    return emitOpError() << "expected parts of whole rows that add up to "
                         << whole << ", but got " << getParts().getTypes();
  return success();
}

OpFoldResult JoinOp::fold(FoldAdaptor) {
  return getParts().size() == 1 ? getParts().front() : Value();
}

LogicalResult ArenaOp::verify() {
  if (!llvm::isPowerOf2_64(getAlignmentBytes())) // arena_c1
    return emitOpError()
           << "expected an alignment that is a power of two, but got "
           << getAlignmentBytes();
  ArrayRef<int64_t> offsets = getSegmentOffsets(), sizes = getSegmentSizes();
  bool ordered = offsets.size() == sizes.size() &&
                 offsets.size() == getSegmentNames().size();
  int64_t end = 0;
  for (size_t i = 0; ordered && i < offsets.size(); ++i) {
    ordered = offsets[i] >= end && sizes[i] >= 0;
    end = offsets[i] + sizes[i];
  }
  if (!ordered || end > int64_t(getSizeBytes())) // arena_c2
    return emitOpError() << "expected ordered, disjoint segments inside "
                         << getSizeBytes() << " bytes";
  return success();
}

LogicalResult BufferOp::verify() {
  auto type = dyn_cast<MemRefType>(getType());
  if (!type || !type.hasStaticShape() ||
      !type.getLayout().isIdentity()) // buffer_c2
    return emitOpError()
           << "expected a static memref type with identity layout, but got "
           << getType();
  if (getOffsetBytes() % 64 != 0) // buffer_c1
    return emitOpError()
           << "expected an offset that is a multiple of 64, but got "
           << getOffsetBytes();
  if (getVariable() && getSpans()) // buffer_c3
    return emitOpError() << "expected one variable or a range of them, but got "
                            "both";
  return success();
}

LogicalResult BufferOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto arena = tables.lookupNearestSymbolFrom<ArenaOp>(*this, getArenaAttr());
  if (!arena)
    return emitOpError() << "expected " << getArenaAttr()
                         << " to be a plan.arena, but it is not";
  auto type = cast<MemRefType>(getType());
  int64_t bytes = type.getNumElements() *
                  llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  if (getOffsetBytes() + bytes > arena.getSizeBytes()) // buffer_c1
    return emitOpError() << "expected the buffer inside "
                         << arena.getSizeBytes() << " bytes, but it ends at "
                         << getOffsetBytes() + bytes;
  return success();
}

LogicalResult CopyOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto source =
      tables.lookupNearestSymbolFrom<BufferOp>(*this, getSourceAttr());
  auto destination =
      tables.lookupNearestSymbolFrom<BufferOp>(*this, getDestinationAttr());
  if (!source || !destination ||
      source.getType() != destination.getType()) // copy_c1
    return emitOpError() << "expected two buffers of one type, but got "
                         << getSourceAttr() << " and " << getDestinationAttr();
  return success();
}

} // namespace trainc::plan
