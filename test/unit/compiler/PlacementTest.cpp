// Random programs mean the same before and after the memory stage: values are
// hashes of how each 64 bytes of them were made, buffers ranges that hold some.
#include "compiler/memory/Memory.h"
#include "compiler/support/BufferSize.h"

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

constexpr char kHeader[] = R"(
plan.kernel @one access [1, 2] computes "f" {
^bb0(%a: memref<32xf32>, %o: memref<32xf32>):
  plan.return
}
plan.kernel @update access [1, 3] computes "f" {
^bb0(%a: memref<32xf32>, %o: memref<32xf32>):
  plan.return
}
plan.kernel @two access [1, 2, 3] computes "f" {
^bb0(%a: memref<32xf32>, %o: memref<32xf32>, %p: memref<32xf32>):
  plan.return
}
plan.kernel @one_half access [1, 2] computes "f" {
^bb0(%a: memref<16xf32>, %o: memref<16xf32>):
  plan.return
}
plan.kernel @update_half access [1, 3] computes "f" {
^bb0(%a: memref<16xf32>, %o: memref<16xf32>):
  plan.return
}
plan.program @apply ["x"] {
^bb0(%x: tensor<32xf32>):
  %e = tensor.empty() : tensor<32xf32>
  %eh = tensor.empty() : tensor<16xf32>
)";

/// A program of 3 kinds of kernels: one result; one updated in place; two
/// results. Values are whole (two atoms of 64 bytes) or halves, which are
/// slices of what launches made, or join to whole ones.
std::string randomModule(std::mt19937 &random) {
  auto below = [&](int bound) { return int(random() % unsigned(bound)); };
  std::ostringstream text;
  for (int v = 0; v < kVariables; ++v)
    text << "train.state @v" << v << " metric : tensor<32xf32>\n";
  text << kHeader;
  std::vector<std::string> values = {"%x"}, made, halves;
  // The latest values are used most, as in real programs.
  auto latest = [&](const std::vector<std::string> &from) {
    int back = std::min<int>(below(4), from.size() - 1);
    return from[below(3) ? from.size() - 1 - back : below(from.size())];
  };
  auto any = [&] { return latest(values); };
  const char *t = "tensor<32xf32>", *h = "tensor<16xf32>";
  for (int i = 0; i < 18; ++i) {
    std::string r = "%r" + std::to_string(i);
    auto make = [&](const std::string &value) {
      values.push_back(value);
      made.push_back(value);
    };
    switch (below(10)) {
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
           << " [[0, 1]] output_shape [8, 4] : " << t
           << " into tensor<8x4xf32>\n  " << r << " = tensor.collapse_shape "
           << r << "w [[0, 1]] : tensor<8x4xf32> into " << t << "\n";
      values.push_back(r);
      break;
    case 3:
    case 4:
      text << "  " << r << " = plan.launch @one ins(" << any() << " : " << t
           << ") outs(" << (below(4) ? "%e" : any()) << " : " << t << ") -> "
           << t << "\n";
      make(r);
      break;
    case 5:
      text << "  " << r << " = plan.launch @update ins(" << any() << " : " << t
           << ") outs(" << any() << " : " << t << ") -> " << t << "\n";
      make(r);
      break;
    case 6:
    case 7:
      if (made.empty())
        break;
      if (halves.size() < 2 || below(2)) {
        text << "  " << r << " = tensor.extract_slice " << latest(made) << "["
             << 16 * below(2) << "] [16] [1] : " << t << " to " << h << "\n";
        halves.push_back(r);
      } else {
        text << "  " << r << " = plan.join " << latest(halves) << ", "
             << latest(halves) << " : " << h << ", " << h << " -> " << t
             << "\n";
        make(r);
      }
      break;
    case 8:
      if (halves.empty())
        break;
      text << "  " << r << " = plan.launch @"
           << (below(2) ? "one_half ins(" : "update_half ins(")
           << latest(halves) << " : " << h << ") outs(" << latest(halves)
           << " : " << h << ") -> " << h << "\n";
      halves.push_back(r);
      break;
    default:
      text << "  " << r << ":2 = plan.launch @two ins(" << any() << " : " << t
           << ") outs(%e, " << any() << " : " << t << ", " << t << ") -> " << t
           << ", " << t << "\n";
      make(r + "#0");
      make(r + "#1");
    }
    if (below(3) == 0)
      text << "  train.write " << any() << ", @v" << below(kVariables) << " : "
           << t << "\n";
  }
  text << "}\n";
  return text.str();
}

using Hash = size_t;
using Atoms = SmallVector<Hash>;

/// What destination `index` of a kernel becomes.
Atoms result(StringRef kernel, unsigned index, size_t atoms,
             ArrayRef<Hash> read) {
  Atoms made;
  for (size_t atom = 0; atom < atoms; ++atom)
    made.push_back(
        llvm::hash_combine(kernel, index, atom,
                           llvm::hash_combine_range(read.begin(), read.end())));
  return made;
}

using Variables = std::map<std::string, Atoms>;

Atoms startOf(StringRef variable) {
  Hash hash = llvm::hash_value(variable);
  return {hash, hash + 1};
}

Variables startValues() {
  Variables variables;
  for (int v = 0; v < kVariables; ++v) {
    std::string name = "v" + std::to_string(v);
    variables[name] = startOf(name);
  }
  return variables;
}

/// What `access` says that a kernel reads, in order.
Atoms readOf(ArrayRef<int32_t> access, ArrayRef<Atoms> contents) {
  Atoms read;
  for (auto [a, atoms] : llvm::zip(access, contents))
    if (a != 2)
      read.append(atoms);
  return read;
}

Variables runTensors(plan::ProgramOp program) {
  Variables variables = startValues();
  llvm::DenseMap<Value, Atoms> values;
  values[program.getBody().getArgument(0)] = startOf("x");
  for (Operation &op : program.getBody().front()) {
    if (auto read = dyn_cast<train::ReadOp>(op)) {
      values[read.getResult()] = variables[read.getSymbol().str()];
    } else if (auto write = dyn_cast<train::WriteOp>(op)) {
      variables[write.getSymbol().str()] = values[write.getValue()];
    } else if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
      auto kernel = SymbolTable::lookupNearestSymbolFrom<plan::KernelOp>(
          launch, launch.getKernelAttr());
      SmallVector<Atoms> contents;
      for (Value operand : launch->getOperands())
        contents.push_back(values[operand]);
      Atoms read = readOf(kernel.getAccess(), contents);
      for (auto [index, made] : llvm::enumerate(launch.getResults()))
        values[made] = result(
            launch.getKernel(), index,
            cast<ShapedType>(made.getType()).getNumElements() / 16, read);
    } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      Atoms whole = values[slice.getSource()];
      values[slice.getResult()] = {whole[slice.getStaticOffsets()[0] / 16]};
    } else if (auto join = dyn_cast<plan::JoinOp>(op)) {
      Atoms whole;
      for (Value part : join.getParts())
        whole.append(values[part]);
      values[join.getResult()] = whole;
    } else if (op.getNumOperands() == 1) { // a view
      Atoms same = values[op.getOperand(0)];
      values[op.getResult(0)] = same;
    }
  }
  return variables;
}

/// Memory in atoms, by offset.
class Memory {
public:
  explicit Memory(ModuleOp module) {
    for (auto buffer : module.getOps<plan::BufferOp>()) {
      buffers[buffer.getSymName().str()] = buffer;
      if (auto name = buffer.getVariable())
        store(buffer.getSymName(), startOf(*name));
    }
  }
  Atoms load(StringRef name) {
    Atoms loaded;
    each(name, [&](Hash &atom) { loaded.push_back(atom); });
    return loaded;
  }
  void store(StringRef name, ArrayRef<Hash> stored) {
    each(name, [&](Hash &atom) {
      atom = stored.front();
      stored = stored.drop_front();
    });
  }
  size_t atoms(StringRef name) { return load(name).size(); }

private:
  void each(StringRef name, llvm::function_ref<void(Hash &)> visit) {
    plan::BufferOp buffer = buffers.at(name.str());
    int64_t begin = buffer.getOffsetBytes();
    int64_t end = begin + bufferSizeBytes(cast<ShapedType>(buffer.getType()));
    for (int64_t at = begin; at < end; at += 64)
      visit(memory[at]);
  }
  std::map<int64_t, Hash> memory;
  std::map<std::string, plan::BufferOp> buffers;
};

Variables runBuffers(ModuleOp module, plan::ProgramOp program) {
  Memory memory(module);
  for (Operation &op : program.getBody().front()) {
    if (auto copy = dyn_cast<plan::CopyOp>(op)) {
      memory.store(copy.getDestination(), memory.load(copy.getSource()));
      continue;
    }
    auto launch = cast<plan::LaunchOp>(op);
    auto kernel = SymbolTable::lookupNearestSymbolFrom<plan::KernelOp>(
        launch, launch.getKernelAttr());
    auto names = launch.getBuffersAttr().getAsRange<FlatSymbolRefAttr>();
    SmallVector<Atoms> contents;
    for (FlatSymbolRefAttr name : names)
      contents.push_back(memory.load(name.getValue()));
    Atoms read = readOf(kernel.getAccess(), contents);
    unsigned index = 0;
    for (auto [name, access] : llvm::zip(names, kernel.getAccess()))
      if (access != 1)
        memory.store(name.getValue(),
                     result(launch.getKernel(), index++,
                            memory.atoms(name.getValue()), read));
  }
  Variables variables;
  for (auto buffer : module.getOps<plan::BufferOp>())
    if (auto name = buffer.getVariable(); name && *name != "x")
      variables[name->str()] = memory.load(buffer.getSymName());
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
