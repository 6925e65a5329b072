//===- UpdateExpander.h - the update rule as tensor code --------*- C++ -*-===//
//
// What the files that expand train.update share: the update at hand, the groups
// of parameters, the scalars of this update, and how variables are created.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_OPTIMIZER_UPDATEEXPANDER_H
#define TRAINC_COMPILER_OPTIMIZER_UPDATEEXPANDER_H

#include "compiler/optimizer/Passes.h"
#include "mlir/IR/SymbolTable.h"

namespace trainc::optimizer {

/// Parameters that are updated together.
struct Sweep {
  std::string name;     ///< of the parameters' group; others append ".<what>"
  mlir::Region *region; ///< of the update, that says how
  /// Shape of each where the region has means; otherwise they may differ.
  std::optional<std::pair<int64_t, int64_t>> shape;
  bool alone; ///< one parameter only
  llvm::SmallVector<train::ParameterOp> parameters;
  mlir::RankedTensorType type; ///< flat
  double decay;
  double rateFactor;
  mlir::Type copied; ///< element type of the parameters' copies; or null
  mlir::Value gradient;
};

class UpdateExpander {
public:
  UpdateExpander(train::UpdateOp update, mlir::SymbolTable &symbols)
      : update(update), program(update->getParentOfType<plan::ProgramOp>()),
        symbols(symbols), builder(update), loc(update.getLoc()),
        f64(mlir::RankedTensorType::get({}, builder.getF64Type())) {}

  llvm::LogicalResult run();

private:
  llvm::LogicalResult formSweeps(mlir::ModuleOp module);
  Sweep describe(train::ParameterOp parameter);
  llvm::FailureOr<mlir::StringAttr>
  createStates(const Sweep &sweep, llvm::StringRef name, train::Extent extent);
  llvm::LogicalResult readGradients(Sweep &sweep);
  llvm::LogicalResult readScale();
  void findCopies(mlir::ModuleOp module);
  llvm::FailureOr<mlir::StringAttr> groupCopies(const Sweep &sweep);
  llvm::LogicalResult measureNorm();
  llvm::LogicalResult runSchedule();
  mlir::Value countInTokens();
  llvm::LogicalResult runStep();
  llvm::SmallVector<mlir::Value> deriveFor(double rateFactor);
  llvm::LogicalResult updateParameters(const Sweep &sweep);
  void updateShaped(const Sweep &sweep,
                    llvm::ArrayRef<mlir::StringAttr> variables,
                    llvm::ArrayRef<mlir::Value> reads, mlir::StringAttr copy);
  void updateFlat(const Sweep &sweep,
                  llvm::ArrayRef<mlir::StringAttr> variables,
                  llvm::ArrayRef<mlir::Value> reads, mlir::StringAttr copy);
  llvm::LogicalResult updateScale();

  /// Writes `value` where all gradients are finite, else what the variable held
  /// `before`: a step is taken whole or not at all. Returns what is written.
  mlir::Value writeIfFinite(mlir::Value value, mlir::Value before,
                            mlir::StringAttr variable);

  llvm::LogicalResult expectFree(llvm::StringRef name);
  llvm::FailureOr<mlir::StringAttr>
  createState(const std::string &name, train::Role role,
              mlir::RankedTensorType type, double value,
              train::ParameterOp parameter, const std::string &externalName);
  llvm::FailureOr<mlir::StringAttr>
  createGroup(const std::string &name, llvm::ArrayRef<mlir::Attribute> members,
              mlir::RankedTensorType type);
  llvm::SmallVector<mlir::Value> cloneScalars(mlir::Region &region,
                                              mlir::ValueRange arguments);

  mlir::Value constant(mlir::RankedTensorType type, double value) {
    mlir::Attribute element =
        builder.getFloatAttr(type.getElementType(), value);
    return nn::ConstantOp::create(builder, loc, type,
                                  mlir::SplatElementsAttr::get(type, element));
  }
  /// The f64 scalar `value` in another element type.
  mlir::Value convert(mlir::Value value, mlir::Type element) {
    return element.isF64()
               ? value
               : nn::CastOp::create(builder, loc, f64.clone(element), value)
                     .getResult();
  }
  /// The f64 scalar `value` everywhere in `type`.
  mlir::Value spread(mlir::Value value, mlir::RankedTensorType type) {
    value = convert(value, type.getElementType());
    return nn::BroadcastOp::create(builder, loc, type, value,
                                   llvm::ArrayRef<int64_t>());
  }

  train::UpdateOp update;
  plan::ProgramOp program;
  mlir::SymbolTable &symbols;
  mlir::OpBuilder builder;
  mlir::Location loc;
  mlir::RankedTensorType f64;

  /// States that hold parameters in another type, by the parameter's name.
  llvm::StringMap<train::StateOp> copies;
  std::vector<Sweep> sweeps;
  /// How the loss is scaled, and by how much in this step; null without.
  train::ScaleLossOp scaling;
  mlir::Value scale;
  /// Whether the norm of all gradients, so each of them, is finite; i1.
  mlir::Value finite;
  /// Factor of gradients for clipping and the loss scale, f64; null without.
  mlir::Value coefficient;
  mlir::Value learningRate;
  /// Scalar states before this update.
  llvm::SmallVector<mlir::Value> scalarsBefore;
  /// What region `step` hands to region `element`, for factor 1.
  llvm::SmallVector<mlir::Value> derived;
};

} // namespace trainc::optimizer

#endif // TRAINC_COMPILER_OPTIMIZER_UPDATEEXPANDER_H
