//===- KernelTable.cpp - unique kernels and their launches ----------------===//

#include "compiler/fusion/KernelTable.h"

#include "mlir/IR/Location.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace trainc::fusion {

/// Everything that makes two kernels equal: all but the name.
static std::string textOf(plan::KernelOp kernel) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << kernel.getComputes() << '\n';
  os << ArrayRef<int32_t>(kernel.getAccess()).size();
  for (int32_t access : kernel.getAccess())
    os << ',' << access;
  for (Type type : kernel.getBody().front().getArgumentTypes())
    os << ' ' << type;
  // Print the kernel whole, without its name: a local printing of the region
  // numbers values from zero.
  StringAttr name = kernel.getSymNameAttr();
  kernel.setSymName("_");
  kernel->print(os, OpPrintingFlags().useLocalScope());
  kernel.setSymNameAttr(name);
  return text;
}

void KernelKey::add(Operation *op) {
  addAddress(op->getName().getAsOpaquePointer());
  add(op->getAttrDictionary());
  add(op->getResultTypes());
  if (op->getNumRegions() == 0)
    return;
  // Isolated from above, so that its text says all of it but the operands.
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Region &region : op->getRegions())
    for (Operation &inner : region.front()) {
      inner.print(os, OpPrintingFlags().printGenericOpForm());
      os << '\n';
    }
  add(StringAttr::get(op->getContext(), text));
}

KernelTable::KernelTable(ModuleOp module) : module(module) {
  for (auto kernel : module.getOps<plan::KernelOp>()) {
    byText[textOf(kernel)] = kernel;
    ++uses[kernel.getSymName().rsplit('_').first];
  }
}

std::string layerName(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName().str();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : llvm::reverse(fused.getLocations()))
      if (std::string name = layerName(part); !name.empty())
        return name;
  return {};
}

static int64_t sizeBytes(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getNumElements() *
         llvm::divideCeil(tensor.getElementTypeBitWidth(), 8);
}

/// The whole key: the caller's part and what it shares with all kernels.
static KernelKey keyOf(const KernelRequest &request, MLIRContext *context) {
  KernelKey key = request.key;
  key.add(StringAttr::get(context, request.stem));
  key.add(StringAttr::get(context, request.computes));
  key.add(llvm::bit_cast<uint64_t>(request.flops));
  key.add(llvm::bit_cast<uint64_t>(request.bytes.value_or(-1.0)));
  key.add(ValueRange(request.inputs).getTypes());
  key.add(ValueRange(request.destinations).getTypes());
  for (bool update : request.updates)
    key.add(update);
  key.add(request.constant.has_value());
  return key;
}

FailureOr<plan::LaunchOp> KernelTable::launch(OpBuilder &builder, Location loc,
                                              const KernelRequest &request,
                                              KernelBody body) {
  plan::KernelOp &kernel = byKey[keyOf(request, module.getContext())];
  if (!kernel) {
    auto built = build(request, body);
    if (failed(built))
      return failure();
    kernel = *built;
  }
  std::string layer = layerName(loc);
  return plan::LaunchOp::create(
      builder, loc, ValueRange(request.destinations).getTypes(),
      FlatSymbolRefAttr::get(kernel), request.inputs, request.destinations,
      request.bound, /*buffers=*/ArrayAttr(),
      layer.empty() ? StringAttr() : builder.getStringAttr(layer),
      request.constant ? builder.getI64IntegerAttr(*request.constant)
                       : IntegerAttr(),
      /*bound_buffer=*/FlatSymbolRefAttr());
}

/// A new kernel, or one with an equal body.
FailureOr<plan::KernelOp> KernelTable::build(const KernelRequest &request,
                                             KernelBody body) {
  SmallVector<int32_t> access(request.inputs.size(),
                              int32_t(plan::Access::Read));
  SmallVector<Type> types(ValueRange(request.inputs).getTypes());
  int64_t bytes = 0;
  for (auto [i, destination] : llvm::enumerate(request.destinations)) {
    bool update = i < request.updates.size() && request.updates[i];
    access.push_back(
        int32_t(update ? plan::Access::ReadWrite : plan::Access::Write));
    types.push_back(destination.getType());
    bytes += sizeBytes(destination.getType()) * (update ? 1 : 0);
  }
  for (Type type : types)
    bytes += sizeBytes(type);

  OpBuilder kernels(module.getBodyRegion());
  kernels.setInsertionPointToEnd(module.getBody());
  // For people who read profiles: what it makes, then a number.
  std::string stem = request.stem;
  if (!request.destinations.empty()) {
    char separator = '_';
    for (int64_t size :
         cast<RankedTensorType>(request.destinations.front().getType())
             .getShape()) {
      stem += separator + std::to_string(size);
      separator = 'x';
    }
  }
  std::string name = stem + "_" + std::to_string(uses[stem]);
  Location unknown = UnknownLoc::get(module.getContext());
  auto kernel = plan::KernelOp::create(
      kernels, unknown, kernels.getStringAttr(name),
      kernels.getDenseI32ArrayAttr(access),
      kernels.getStringAttr(request.computes),
      kernels.getF64FloatAttr(request.flops),
      kernels.getF64FloatAttr(request.bytes.value_or(double(bytes))),
      IntegerAttr(), IntegerAttr(), IntegerAttr(), IntegerAttr());
  Block *block =
      kernels.createBlock(&kernel.getBody(), {}, types,
                          SmallVector<Location>(types.size(), unknown));
  SmallVector<Value> inputs(
      block->getArguments().take_front(request.inputs.size()));
  SmallVector<Value> destinations(
      block->getArguments().drop_front(request.inputs.size()));
  if (request.constant)
    inputs.push_back(block->addArgument(kernels.getI64Type(), unknown));
  auto results = body(kernels, inputs, destinations);
  if (failed(results)) {
    kernel.erase();
    return failure();
  }
  plan::ReturnOp::create(kernels, unknown, *results);
  kernel->walk([&](Operation *op) { op->setLoc(unknown); });

  auto [entry, isNew] = byText.try_emplace(textOf(kernel), kernel);
  if (isNew)
    ++uses[stem];
  else
    kernel.erase();
  return entry->second;
}

} // namespace trainc::fusion
