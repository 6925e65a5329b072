//===- KernelRunner.cpp - compile kernels from text and call them ---------===//

#include "test/unit/compiler/codegen/KernelRunner.h"

#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include <sys/mman.h>

using namespace mlir;

namespace trainc::test {

Kernels::Kernels(const std::string &text,
                 const codegen::CodegenCpuOptions &options) {
  DialectRegistry registry;
  registry
      .insert<plan::PlanDialect, train::TrainDialect, affine::AffineDialect,
              arith::ArithDialect, linalg::LinalgDialect, math::MathDialect,
              memref::MemRefDialect, scf::SCFDialect, vector::VectorDialect>();
  MLIRContext context(registry);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      errors += diagnostic.str() + "\n";
    return success();
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  PassManager pm(&context);
  codegen::buildCodegenCpuPipeline(pm, options);
  if (!module || failed(pm.run(*module))) {
    if (errors.empty())
      errors = "failed without a diagnostic";
    return;
  }
  for (auto kernel : module->getOps<plan::KernelOp>()) {
    Entry entry = {*kernel.getEntryOffset(),
                   *kernel.getScratchBytes(),
                   uint32_t(*kernel.getWorkgroups()),
                   kernel.getComputes().str(),
                   kernel.getFlops().convertToDouble(),
                   kernel.getBytes().convertToDouble(),
                   {},
                   {}};
    for (Type argument : kernel.getBufferTypes()) {
      auto type = cast<MemRefType>(argument);
      entry.parameter_bytes.push_back(
          type.getNumElements() *
          llvm::divideCeil(type.getElementTypeBitWidth(), 8));
      entry.parameter_is_float.push_back(type.getElementType().isF32());
    }
    entries[kernel.getSymName().str()] = std::move(entry);
  }
  for (auto op : module->getOps<plan::CodeOp>()) {
    auto image = cast<DenseElementsAttr>(op.getImage());
    for (int8_t byte : image.getValues<int8_t>())
      bytes.push_back(uint8_t(byte));
    for (StringRef name : op.getFeatures().getAsValueRange<StringAttr>())
      featureNames.push_back(name.str());
  }
  code = mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code, bytes.data(), bytes.size());
  mprotect(code, bytes.size(), PROT_READ | PROT_EXEC);
}

Kernels::~Kernels() {
  if (code)
    munmap(code, bytes.size());
}

bool Kernels::call(const std::string &name, std::vector<void *> buffers,
                   bool backwards, int64_t constant) const {
  Buffer<uint8_t> scratch(entries.at(name).scratch_bytes, 0xff);
  callIn(scratch.data(), name, buffers, backwards, constant);
  return scratch.intact();
}

void Kernels::callIn(void *scratch, const std::string &name,
                     const std::vector<void *> &buffers, bool backwards,
                     int64_t constant) const {
  const Entry &entry = entries.at(name);
  TraincKernelArguments arguments = {buffers.data(), scratch, entry.workgroups,
                                     0, constant};
  auto kernel = reinterpret_cast<TraincKernel>(static_cast<uint8_t *>(code) +
                                               entry.offset);
  for (uint32_t i = 0; i < entry.workgroups; ++i)
    kernel(&arguments, backwards ? entry.workgroups - 1 - i : i);
}

bool hostHasAvx512() { return __builtin_cpu_supports("avx512dq"); }

} // namespace trainc::test
