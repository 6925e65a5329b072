// Random programs mean the same before and after the memory stage: values are
// hashes of how they were made, buffers are ranges of bytes that hold one.
#include "compiler/memory/Memory.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassManager.h"
#include "test/unit/compiler/Modules.h"
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <sstream>

using namespace mlir;

namespace trainc {
namespace {

constexpr int kVariables = 4;

/// A program of 3 kinds of kernels: one result; one updated in place; two
/// results. All values are of one type, some seen through views.
std::string randomModule(std::mt19937 &random) {
  auto below = [&](int bound) { return int(random() % unsigned(bound)); };
  std::ostringstream text;
  for (int v = 0; v < kVariables; ++v)
    text << "train.state @v" << v << " metric : tensor<16xf32>\n";
  text << R"(
plan.kernel @one access [1, 2] computes "f" {
^bb0(%a: memref<16xf32>, %o: memref<16xf32>):
  plan.return
}
plan.kernel @update access [1, 3] computes "f" {
^bb0(%a: memref<16xf32>, %o: memref<16xf32>):
  plan.return
}
plan.kernel @two access [1, 2, 3] computes "f" {
^bb0(%a: memref<16xf32>, %o: memref<16xf32>, %p: memref<16xf32>):
  plan.return
}
plan.program @apply ["x"] {
^bb0(%x: tensor<16xf32>):
  %e = tensor.empty() : tensor<16xf32>
)";
  std::vector<std::string> values = {"%x"};
  auto any = [&] { // the latest values are used most, as in real programs
    int back = std::min<int>(below(4), values.size() - 1);
    return values[below(3) ? values.size() - 1 - back : below(values.size())];
  };
  const char *t = "tensor<16xf32>";
  for (int i = 0; i < 14; ++i) {
    std::string r = "%r" + std::to_string(i);
    switch (below(7)) {
    case 0:
      text << "  " << r << " = train.read @v" << below(kVariables) << " : " << t
           << "\n";
      values.push_back(r);
      break;
    case 1:
      text << "  train.write " << any() << ", @v" << below(kVariables) << " : "
           << t << "\n";
      break;
    case 2:
      text << "  " << r << "w = tensor.expand_shape " << any()
           << " [[0, 1]] output_shape [4, 4] : " << t
           << " into tensor<4x4xf32>\n  " << r << " = tensor.collapse_shape "
           << r << "w [[0, 1]] : tensor<4x4xf32> into " << t << "\n";
      values.push_back(r);
      break;
    case 3:
    case 4:
      text << "  " << r << " = plan.launch @one ins(" << any() << " : " << t
           << ") outs(" << (below(4) ? "%e" : any()) << " : " << t << ") -> "
           << t << "\n";
      values.push_back(r);
      break;
    case 5:
      text << "  " << r << " = plan.launch @update ins(" << any() << " : " << t
           << ") outs(" << any() << " : " << t << ") -> " << t << "\n";
      values.push_back(r);
      break;
    default:
      text << "  " << r << ":2 = plan.launch @two ins(" << any() << " : " << t
           << ") outs(%e, " << any() << " : " << t << ", " << t << ") -> " << t
           << ", " << t << "\n";
      values.push_back(r + "#0");
      values.push_back(r + "#1");
    }
    if (below(3) == 0)
      text << "  train.write " << any() << ", @v" << below(kVariables) << " : "
           << t << "\n";
  }
  text << "}\n";
  return text.str();
}

using Hash = size_t;

/// What destination `index` of a kernel becomes.
Hash result(StringRef kernel, unsigned index, ArrayRef<Hash> read) {
  return llvm::hash_combine(kernel, index,
                            llvm::hash_combine_range(read.begin(), read.end()));
}

using Variables = std::map<std::string, Hash>;

Variables startValues() {
  Variables variables;
  for (int v = 0; v < kVariables; ++v)
    variables["v" + std::to_string(v)] = 1000 + v;
  return variables;
}

/// What `access` says that a kernel reads, in order.
SmallVector<Hash> readOf(ArrayRef<int32_t> access, ArrayRef<Hash> contents) {
  SmallVector<Hash> read;
  for (auto [a, hash] : llvm::zip(access, contents))
    if (a != 2)
      read.push_back(hash);
  return read;
}

Variables runTensors(plan::ProgramOp program) {
  Variables variables = startValues();
  llvm::DenseMap<Value, Hash> values;
  values[program.getBody().getArgument(0)] = 1;
  for (Operation &op : program.getBody().front()) {
    if (auto read = dyn_cast<train::ReadOp>(op)) {
      values[read.getResult()] = variables[read.getSymbol().str()];
    } else if (auto write = dyn_cast<train::WriteOp>(op)) {
      variables[write.getSymbol().str()] = values[write.getValue()];
    } else if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
      auto kernel = SymbolTable::lookupNearestSymbolFrom<plan::KernelOp>(
          launch, launch.getKernelAttr());
      SmallVector<Hash> contents;
      for (Value operand : launch->getOperands())
        contents.push_back(values[operand]);
      SmallVector<Hash> read = readOf(kernel.getAccess(), contents);
      for (auto [index, made] : llvm::enumerate(launch.getResults()))
        values[made] = result(launch.getKernel(), index, read);
    } else if (op.getNumOperands() == 1) { // a view
      values[op.getResult(0)] = values[op.getOperand(0)];
    }
  }
  return variables;
}

Variables runBuffers(ModuleOp module, plan::ProgramOp program) {
  std::map<int64_t, Hash> memory; // by offset; all buffers have one size
  std::map<std::string, int64_t> offsets;
  Variables variables = startValues();
  for (auto buffer : module.getOps<plan::BufferOp>()) {
    offsets[buffer.getSymName().str()] = buffer.getOffsetBytes();
    if (auto name = buffer.getVariable())
      memory[buffer.getOffsetBytes()] =
          *name == "x" ? 1 : variables.at(name->str());
  }
  auto at = [&](StringRef name) -> Hash & {
    return memory[offsets.at(name.str())];
  };
  for (Operation &op : program.getBody().front()) {
    if (auto copy = dyn_cast<plan::CopyOp>(op)) {
      at(copy.getDestination()) = at(copy.getSource());
      continue;
    }
    auto launch = cast<plan::LaunchOp>(op);
    auto kernel = SymbolTable::lookupNearestSymbolFrom<plan::KernelOp>(
        launch, launch.getKernelAttr());
    auto names = launch.getBuffersAttr().getAsRange<FlatSymbolRefAttr>();
    SmallVector<Hash> contents;
    for (FlatSymbolRefAttr name : names)
      contents.push_back(at(name.getValue()));
    SmallVector<Hash> read = readOf(kernel.getAccess(), contents);
    unsigned index = 0;
    for (auto [name, access] : llvm::zip(names, kernel.getAccess()))
      if (access != 1)
        at(name.getValue()) = result(launch.getKernel(), index++, read);
  }
  for (auto buffer : module.getOps<plan::BufferOp>())
    if (auto name = buffer.getVariable(); name && *name != "x")
      variables[name->str()] = memory[buffer.getOffsetBytes()];
  return variables;
}

TEST(PlacementTest, RandomProgramsKeepTheirMeaning) {
  test::Modules modules;
  modules.context.loadDialect<tensor::TensorDialect>();
  PassManager pipeline(&modules.context);
  pipeline.addPass(memory::createAssignBuffers());
  pipeline.addPass(memory::createAssignArenaOffsets());
  pipeline.addPass(memory::createVerifyMemoryContract());

  unsigned changed = 0;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    std::string text = randomModule(random);
    auto module = modules.parse(text);
    ASSERT_TRUE(module) << modules.errors << text;
    Variables expected = runTensors(*module->getOps<plan::ProgramOp>().begin());
    ASSERT_TRUE(succeeded(pipeline.run(*module))) << "seed " << seed << "\n"
                                                  << modules.errors << text;
    Variables got =
        runBuffers(*module, *module->getOps<plan::ProgramOp>().begin());
    ASSERT_EQ(got, expected) << "seed " << seed << "\n" << text;
    changed += expected != startValues();
  }
  // Most programs must write something, or the test says nothing.
  EXPECT_GT(changed, 1500u);
}

} // namespace
} // namespace trainc
