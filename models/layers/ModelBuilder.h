//===- ModelBuilder.h - where models put their IR ---------------*- C++ -*-===//
//
// Owns the insertion point, the parameters and the names while a model is
// built. A scope path such as "h.3.attn.c_attn" names both: the location
// gpt2.h.3.attn.c_attn of every operation, and the parameter
// transformer.h.3.attn.c_attn.weight, which is its symbol and its name in
// weight files.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_LAYERS_MODELBUILDER_H
#define TRAINC_MODELS_LAYERS_MODELBUILDER_H

#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"

#include <string>

namespace trainc::models {

/// How a parameter starts; see train.parameter.
struct Init {
  train::InitKind kind;
  double offset;
  double scale;

  static Init constant(double value) {
    return {train::InitKind::Constant, value, 0};
  }
  static Init normal(double deviation) {
    return {train::InitKind::Normal, 0, deviation};
  }
  /// In [-bound, bound).
  static Init uniform(double bound) {
    return {train::InitKind::Uniform, -bound, 2 * bound};
  }
  /// Cut at two deviations.
  static Init truncated(double deviation) {
    return {train::InitKind::Truncated, 0, deviation};
  }
};

/// How the matrices and tables of a model start (training-semantics.md 6.3).
/// The family's own way is the default.
struct InitScheme {
  std::string name = "family"; ///< one of initSchemes()
  double deviation = 0.02;     ///< of what no fan decides

  /// Of a weight that makes `outputs` channels of `inputs`.
  Init matrix(int64_t inputs, int64_t outputs, Init family) const;
  /// Of rows that are looked up.
  Init table(Init family) const;
};
/// Values of model.init.
llvm::ArrayRef<std::string> initSchemes();

class ModelBuilder {
public:
  /// Builds into `module`. `family` starts locations, `prefix` starts
  /// parameter names ("transformer.").
  ModelBuilder(mlir::ModuleOp module, llvm::StringRef family,
               llvm::StringRef prefix);

  /// Appends train.step @step and enters it; the arguments are "inputs" and
  /// "targets", i32 [B, T].
  train::StepOp beginStep(int64_t sequences, int64_t length);
  /// Appends a program without noise and enters it.
  plan::ProgramOp beginProgram(llvm::StringRef name,
                               llvm::ArrayRef<llvm::StringRef> inputs,
                               llvm::ArrayRef<mlir::Type> types);

  /// How matrices and tables start from now on.
  void setInitScheme(InitScheme scheme) { scheme_ = std::move(scheme); }
  const InitScheme &initScheme() const { return scheme_; }

  mlir::OpBuilder &builder() { return builder_; }
  mlir::ModuleOp module() { return module_; }
  /// Location of the current scope.
  mlir::Location loc() const;
  mlir::RankedTensorType floats(llvm::ArrayRef<int64_t> shape);
  mlir::RankedTensorType ids(llvm::ArrayRef<int64_t> shape);

  /// Value of the parameter `<prefix><scope>.<name>`, created at first use and
  /// read once per program. Weight decay spares parameters of one dimension.
  mlir::Value parameter(llvm::StringRef name, llvm::ArrayRef<int64_t> shape,
                        Init init);
  /// As `parameter`, with the whole external name.
  mlir::Value namedParameter(llvm::StringRef externalName,
                             llvm::ArrayRef<int64_t> shape, Init init);

  /// Says of a parameter, as `parameter` returns it, that its rows are chosen
  /// from: by ids, by positions, or by a loss. Rules for matrices spare it.
  void markTable(mlir::Value parameter);
  /// Symbols of those.
  const llvm::StringSet<> &tables() const { return tables_; }

  /// Takes over a parameter of another module as it is, at first use.
  void adopt(train::ParameterOp parameter);

  /// Inverted dropout of [rows…] by counter-based noise; the input itself for
  /// rate 0 and in programs without noise.
  mlir::Value dropout(mlir::Value input, double rate);
  /// Whether dropout draws noise here.
  bool hasNoise() const { return noise_; }
  /// {seed, step, first global row}: the step's argument "control.random",
  /// added at first use.
  mlir::Value counters();
  /// A noise stream no other operation of the module has.
  int64_t nextStream() { return ++streams_; }

  /// Extends the scope path while it lives.
  class Scope {
  public:
    Scope(ModelBuilder &builder, const llvm::Twine &name);
    ~Scope() { builder_.path_.resize(length_); }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

  private:
    ModelBuilder &builder_;
    size_t length_;
  };

private:
  mlir::Block *enter(mlir::Region &body, llvm::ArrayRef<mlir::Type> types);

  mlir::ModuleOp module_;
  mlir::SymbolTable parameters_;
  mlir::OpBuilder builder_;
  InitScheme scheme_;
  std::string family_, prefix_;
  std::string path_; ///< ".h.3.attn"
  mlir::Operation *firstProgram_ = nullptr;
  train::StepOp step_;
  bool noise_ = false;
  int64_t sequences_ = 0;
  int64_t streams_ = 0;
  llvm::DenseMap<std::pair<mlir::Block *, mlir::Attribute>, mlir::Value> reads_;
  llvm::StringSet<> tables_;
};

/// Shape of a tensor value.
llvm::ArrayRef<int64_t> shapeOf(mlir::Value value);
/// `value` in another shape of as many elements.
mlir::Value reshape(ModelBuilder &model, mlir::Value value,
                    llvm::ArrayRef<int64_t> shape);

} // namespace trainc::models

#endif // TRAINC_MODELS_LAYERS_MODELBUILDER_H
