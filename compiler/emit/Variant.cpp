//===- Variant.cpp - what a plan says per target --------------------------===//
//
// Decides indices: buffers, kernels and programs in module order, except that
// every variable has one buffer, of its declared shape, for all its views, and
// so has every range of variables.
//
//===----------------------------------------------------------------------===//

#include "compiler/emit/Tables.h"

#include "compiler/support/BufferSize.h"
#include "dialects/plan/Plan.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "runtime/abi/KernelAbi.h"
#include "runtime/abi/PlanVerifier.h"
#include <set>

using namespace mlir;

namespace trainc::emit {
namespace {

class VariantTables {
public:
  VariantTables(ModuleOp module, const abi::PlanT &plan,
                const TableIndex &index)
      : module(module), plan(plan), index(index),
        variant(std::make_unique<abi::VariantT>()) {}

  FailureOr<std::unique_ptr<abi::VariantT>> build() {
    if (failed(addCode()))
      return failure();
    for (auto arena : module.getOps<plan::ArenaOp>())
      addArena(arena);
    for (auto buffer : module.getOps<plan::BufferOp>())
      if (failed(addBuffer(buffer)))
        return failure();
    for (auto kernel : module.getOps<plan::KernelOp>())
      if (failed(addKernel(kernel)))
        return failure();
    for (auto program : module.getOps<plan::ProgramOp>())
      if (failed(addProgram(program)))
        return failure();
    return std::move(variant);
  }

private:
  LogicalResult addCode() {
    auto codes = module.getOps<plan::CodeOp>();
    if (!llvm::hasSingleElement(codes))
      return module.emitError() << "expected one plan.code, but got "
                                << std::distance(codes.begin(), codes.end())
                                << "; run the codegen stage";
    plan::CodeOp code = *codes.begin();
    variant->target = code.getTarget().str();
    variant->triple = code.getTriple().str();
    for (StringRef feature : code.getFeatures().getAsValueRange<StringAttr>())
      variant->required_features.push_back(feature.str());
    variant->code_hash = abi::hashPlaceholder;

    ArrayRef<char> bytes;
    if (auto dense = dyn_cast<DenseElementsAttr>(code.getImage())) {
      bytes = dense.getRawData();
      if (dense.isSplat()) {
        variant->code.assign(dense.getNumElements(),
                             bytes.empty() ? 0
                                           : static_cast<uint8_t>(bytes[0]));
        return success();
      }
    } else if (auto resource =
                   dyn_cast<DenseResourceElementsAttr>(code.getImage());
               resource && resource.getRawHandle().getBlob()) {
      bytes = resource.getRawHandle().getBlob()->getData();
    } else {
      return code.emitError() << "expected an image of dense bytes, but got "
                                 "another attribute";
    }
    variant->code.assign(bytes.begin(), bytes.end());
    return success();
  }

  void addArena(plan::ArenaOp op) {
    auto arena = std::make_unique<abi::ArenaT>();
    arena->name = op.getSymName().str();
    arena->size_bytes = op.getSizeBytes();
    arena->alignment_bytes = op.getAlignmentBytes();
    for (auto [name, offset, size] :
         llvm::zip(op.getSegmentNames().getAsValueRange<StringAttr>(),
                   op.getSegmentOffsets(), op.getSegmentSizes())) {
      auto segment = std::make_unique<abi::SegmentT>();
      segment->name = name.str();
      segment->offset_bytes = offset;
      segment->size_bytes = size;
      arena->segments.push_back(std::move(segment));
    }
    arenas[op.getSymName()] = variant->arenas.size();
    variant->arenas.push_back(std::move(arena));
  }

  LogicalResult addBuffer(plan::BufferOp op) {
    auto type = cast<MemRefType>(op.getType());
    uint32_t variable = 0; // index + 1
    if (std::optional<StringRef> name = op.getVariable()) {
      auto found = index.variables.find(*name);
      if (found == index.variables.end())
        return op.emitError() << "expected a variable of the module, but got '"
                              << *name << "'";
      variable = found->second + 1;
      // Views of a variable are for the compiler; the plan has it once.
      auto [place, isNew] =
          bufferOfVariable.try_emplace(variable, variant->buffers.size());
      if (!isNew) {
        buffers[op.getSymName()] = place->second;
        return success();
      }
    }
    std::vector<uint32_t> spans;
    if (auto names = op.getSpans()) {
      for (StringRef name : names->getAsValueRange<StringAttr>())
        spans.push_back(index.variables.lookup(name));
      auto [place, isNew] = bufferOfRange.try_emplace(op.getOffsetBytes(),
                                                      variant->buffers.size());
      if (!isNew) {
        buffers[op.getSymName()] = place->second;
        return success();
      }
    }
    auto buffer = std::make_unique<abi::BufferT>();
    buffer->arena = arenas.lookup(op.getArena());
    buffer->offset_bytes = op.getOffsetBytes();
    buffer->size_bytes = bufferSizeBytes(type);
    buffer->element_type = elementTypeOf(type.getElementType());
    buffer->shape =
        variable ? plan.variables[variable - 1]->shape : shapeOf(type);
    buffer->variable = variable;
    buffer->spans = std::move(spans);
    buffers[op.getSymName()] = variant->buffers.size();
    variant->buffers.push_back(std::move(buffer));
    return success();
  }

  LogicalResult addKernel(plan::KernelOp op) {
    if (!op.getWorkgroups() || !op.getScratchBytes() || !op.getEntryOffset() ||
        !op.getAbiVersion())
      return op.emitError() << "expected a compiled kernel, but got one "
                               "without workgroups, scratch_bytes, "
                               "entry_offset or abi_version; run the codegen "
                               "stage";
    auto kernel = std::make_unique<abi::KernelT>();
    kernel->name = op.getSymName().str();
    kernel->entry_offset = *op.getEntryOffset();
    kernel->abi_version = *op.getAbiVersion();
    kernel->workgroups = *op.getWorkgroups();
    kernel->scratch_bytes = *op.getScratchBytes();
    kernel->operation = op.getComputes().str();
    kernel->flops = op.getFlops().convertToDouble();
    kernel->bytes = op.getBytes().convertToDouble();
    for (auto [type, access] :
         llvm::zip_equal(op.getBufferTypes(), op.getAccess())) {
      auto shaped = dyn_cast<MemRefType>(type);
      if (!shaped)
        return op.emitError() << "expected memref arguments, but got " << type
                              << "; run the memory stage";
      auto parameter = std::make_unique<abi::KernelParameterT>();
      // Numbers of plan.kernel's access are those of the schema.
      parameter->access = static_cast<abi::Access>(access);
      parameter->element_type = elementTypeOf(shaped.getElementType());
      parameter->size_bytes = bufferSizeBytes(shaped);
      kernel->parameters.push_back(std::move(parameter));
    }
    kernel->reads_constant = bool(op.getConstant());
    kernels[op.getSymName()] = variant->kernels.size();
    variant->kernels.push_back(std::move(kernel));
    return success();
  }

  LogicalResult addProgram(plan::ProgramOp op) {
    auto program = std::make_unique<abi::ProgramT>();
    program->name = op.getSymName().str();
    for (StringRef name : op.getInputs().getAsValueRange<StringAttr>()) {
      auto found = index.inputs.find(name);
      if (found == index.inputs.end())
        return op.emitError() << "expected inputs listed in train.inputs, but "
                                 "got '"
                              << name << "'";
      program->inputs.push_back(found->second);
    }
    std::set<uint32_t> outputs;
    for (Operation &command : op.getBody().front()) {
      auto item = std::make_unique<abi::CommandItemT>();
      if (auto copy = dyn_cast<plan::CopyOp>(command)) {
        abi::CopyT table;
        table.source = buffers.lookup(copy.getSource());
        table.destination = buffers.lookup(copy.getDestination());
        noteWrite(table.destination, outputs);
        item->command.Set(std::move(table));
      } else if (auto launch = dyn_cast<plan::LaunchOp>(command);
                 launch && launch.getBuffersAttr()) {
        abi::LaunchT table;
        table.kernel = kernels.lookup(launch.getKernel());
        table.layer = launch.getLayer().value_or("").str();
        table.constant = static_cast<int64_t>(launch.getConstant().value_or(0));
        if (auto bound = launch.getBoundBuffer())
          table.bound = buffers.lookup(*bound) + 1;
        const abi::KernelT &kernel = *variant->kernels[table.kernel];
        for (auto [name, parameter] :
             llvm::zip(launch.getBuffersAttr().getAsRange<FlatSymbolRefAttr>(),
                       kernel.parameters)) {
          table.buffers.push_back(buffers.lookup(name.getValue()));
          if (parameter->access != abi::Access::Read)
            noteWrite(table.buffers.back(), outputs);
        }
        item->command.Set(std::move(table));
      } else {
        return command.emitError() << "expected launches on buffers and "
                                      "copies, but got this; run the memory "
                                      "stage";
      }
      program->commands.push_back(std::move(item));
    }
    program->outputs.assign(outputs.begin(), outputs.end());
    variant->programs.push_back(std::move(program));
    return success();
  }

  /// Programs list what the host may read after them.
  void noteWrite(uint32_t buffer, std::set<uint32_t> &outputs) {
    auto note = [&](uint32_t variable) {
      abi::Role role = plan.variables[variable]->role;
      if (role == abi::Role::Output || role == abi::Role::Metric)
        outputs.insert(variable);
    };
    if (uint32_t variable = variant->buffers[buffer]->variable)
      note(variable - 1);
    for (uint32_t variable : variant->buffers[buffer]->spans)
      note(variable);
  }

  ModuleOp module;
  const abi::PlanT &plan;
  const TableIndex &index;
  std::unique_ptr<abi::VariantT> variant;
  llvm::StringMap<uint32_t> arenas, buffers, kernels;
  llvm::DenseMap<uint32_t, uint32_t> bufferOfVariable;
  llvm::DenseMap<uint64_t, uint32_t> bufferOfRange; ///< by offset
};

} // namespace

FailureOr<std::unique_ptr<abi::VariantT>>
buildVariant(ModuleOp module, const abi::PlanT &plan, const TableIndex &index) {
  return VariantTables(module, plan, index).build();
}

} // namespace trainc::emit
