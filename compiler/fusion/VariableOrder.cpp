//===- VariableOrder.cpp - what reads and writes of variables order -------===//

#include "compiler/fusion/VariableOrder.h"
#include "dialects/train/Train.h"

#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace trainc::fusion {

/// The variables that `op` names; of groups their members.
static SmallVector<StringRef> variablesOf(Operation *op,
                                          const SymbolTable &symbols) {
  SmallVector<StringRef> names;
  op->getAttrDictionary().walk([&](FlatSymbolRefAttr symbol) {
    auto group = symbols.lookup<train::GroupOp>(symbol.getAttr());
    if (!group)
      return names.push_back(symbol.getValue());
    for (auto member : group.getMembers().getAsRange<FlatSymbolRefAttr>())
      names.push_back(member.getValue());
  });
  return names;
}

llvm::DenseMap<Operation *, SmallVector<Operation *, 2>>
orderByVariables(Block &block, ModuleOp module) {
  SymbolTable symbols(module);
  struct Last {
    Operation *write = nullptr;
    SmallVector<Operation *, 2> reads; ///< since
  };
  llvm::StringMap<Last> lasts;
  llvm::DenseMap<Operation *, SmallVector<Operation *, 2>> before;
  for (Operation &op : block) {
    if (isMemoryEffectFree(&op))
      continue;
    bool writes = hasEffect<MemoryEffects::Write>(&op);
    for (StringRef variable : variablesOf(&op, symbols)) {
      Last &last = lasts[variable];
      if (last.write)
        before[&op].push_back(last.write);
      if (!writes) {
        last.reads.push_back(&op);
        continue;
      }
      llvm::append_range(before[&op], last.reads);
      last = {&op, {}};
    }
  }
  return before;
}

} // namespace trainc::fusion
