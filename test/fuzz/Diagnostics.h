//===- Diagnostics.h - a context for the compiler's readers -------*- C++
//-*-===//
//
// A context that keeps what is reported, renewed now and then: what it interns
// lives as long as it does.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_FUZZ_DIAGNOSTICS_H
#define TRAINC_TEST_FUZZ_DIAGNOSTICS_H

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "test/fuzz/Fuzz.h"

#include <memory>

namespace trainc::fuzz {

class Diagnostics {
public:
  /// A context with the dialects of models and whatever `registry` has.
  explicit Diagnostics(mlir::DialectRegistry registry = mlir::DialectRegistry())
      : registry_(std::move(registry)) {
    registry_.insert<nn::NNDialect, train::TrainDialect, plan::PlanDialect>();
  }

  mlir::MLIRContext &renew() {
    constexpr int kUses = 500;
    messages.clear();
    if (context_ && ++uses_ % kUses != 0)
      return *context_;
    context_ = std::make_unique<mlir::MLIRContext>(
        registry_, mlir::MLIRContext::Threading::DISABLED);
    context_->printOpOnDiagnostic(false);
    context_->loadAllAvailableDialects();
    context_->getDiagEngine().registerHandler([this](mlir::Diagnostic &said) {
      if (said.getSeverity() == mlir::DiagnosticSeverity::Error)
        messages.push_back(said.str());
      return mlir::success();
    });
    return *context_;
  }

  std::vector<std::string> messages; ///< errors since renew()

private:
  mlir::DialectRegistry registry_;
  std::unique_ptr<mlir::MLIRContext> context_;
  int uses_ = 0;
};

} // namespace trainc::fuzz

#endif // TRAINC_TEST_FUZZ_DIAGNOSTICS_H
