//===- Placement.h - where the values of one program live ---------*- C++
//-*-===//
//
// Decides the storage of every value of a program: the buffer of a variable
// where that keeps the program's meaning, a transient one otherwise, and the
// copies needed in between.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_MEMORY_PLACEMENT_H
#define TRAINC_COMPILER_MEMORY_PLACEMENT_H

#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "llvm/ADT/StringMap.h"
#include <optional>
#include <string>
#include <vector>

namespace trainc::memory {

/// A place for one value at a time. Owned by Storages.
struct Storage {
  std::string name;      ///< of the variable, or of the launch that makes it
  mlir::MemRefType type; ///< as declared; views may have other shapes
  mlir::Location loc;
  bool variable = false; ///< persistent: a parameter, state, group or input
  bool readOnly = false; ///< an input: only the host writes it
};

/// All storages of a module, and by name those of variables.
struct Storages {
  std::vector<Storage> all;
  llvm::StringMap<unsigned> byVariable;
};

/// A storage seen with a shape, from an offset on.
struct Use {
  unsigned storage;
  mlir::MemRefType type;
  int64_t offset_bytes = 0;
};

/// One command of a program after placement: a launch with one use per kernel
/// parameter, or, without a launch, a copy of uses[0] to uses[1].
struct Command {
  plan::LaunchOp launch;
  llvm::SmallVector<Use> uses;
  mlir::Location loc;
  /// Where the launch's bound lies.
  std::optional<Use> bound = std::nullopt;
};

/// Places the values of `program`, whose arguments live in `inputs` (indices
/// into `storages`), adding transient storages. Fails with a diagnostic when
/// the program is not the fusion stage's output.
mlir::FailureOr<std::vector<Command>>
placeProgram(plan::ProgramOp program, llvm::ArrayRef<unsigned> inputs,
             Storages &storages);

} // namespace trainc::memory

#endif // TRAINC_COMPILER_MEMORY_PLACEMENT_H
