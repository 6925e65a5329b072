//===- Modules.h - modules for the tests ---------------------------*- C++
//-*-===//
//
// A small compiled module in the form that emit reads: after memory and
// codegen.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_COMPILER_MODULES_H
#define TRAINC_TEST_UNIT_COMPILER_MODULES_H

#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include <string>

namespace trainc::test {

/// Parses modules and collects the diagnostics of what is done with them.
class Modules {
public:
  Modules()
      : handler(&context, [this](mlir::Diagnostic &diagnostic) {
          errors += diagnostic.str() + "\n";
        }) {
    context.loadDialect<nn::NNDialect, train::TrainDialect, plan::PlanDialect,
                        mlir::memref::MemRefDialect>();
  }

  /// The module, or null; errors() then says why.
  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text) {
    return mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  }

  mlir::MLIRContext context;
  std::string errors;

private:
  mlir::ScopedDiagnosticHandler handler;
};

/// `text` with the first `from` replaced by `to`; empty when there is none, so
/// that a test of a damage that is not done fails.
inline std::string replaced(std::string text, const std::string &from,
                            const std::string &to) {
  size_t at = text.find(from);
  return at == std::string::npos ? std::string()
                                 : text.replace(at, from.size(), to);
}

/// One parameter with its gradient and state, a loss term, a metric, an input
/// seen with two shapes; 2 micro-batches.
inline const std::string kCompiled = R"mlir(
module attributes {
    train.name = "tiny", train.recipe = "[model]\n", train.objective = "causal_lm",
    train.sequences = 2 : i64, train.length = 4 : i64, train.micro_batches = 2 : i64,
    train.seed = 7 : i64, train.total_steps = 100 : i64, train.ignore_index = -100 : i64,
    train.vocab_size = 50 : i64, train.external_prefix = "transformer.",
    train.ignored_buffers = [".attn.bias"],
    train.loss_terms = [{name = "lm", weight = 0.5 : f64, normalize = "sequences"}],
    train.metrics = ["grad_norm"],
    train.inputs = [{name = "inputs", source = "data", type = tensor<2x4xi32>, limit = 50 : i64, ignore = -100 : i64},
                    {name = "control.micro_batch", source = "control", type = tensor<i64>, limit = 0 : i64}]} {
  plan.arena @arena 896 {alignment_bytes = 4096 : i64,
    segment_names = ["parameters", "gradients", "optimizer", "metrics", "inputs", "transient"],
    segment_offsets = array<i64: 0, 64, 128, 192, 512, 640>,
    segment_sizes = array<i64: 32, 32, 32, 264, 72, 256>}
  plan.buffer @w in @arena 0 : memref<8xf32> {variable = "wte"}
  plan.buffer @g in @arena 64 : memref<8xf32> {variable = "grad.wte"}
  plan.buffer @m in @arena 128 : memref<8xf32> {variable = "wte.m"}
  plan.buffer @sum in @arena 192 : memref<f64> {variable = "loss.lm.sum"}
  plan.buffer @count in @arena 256 : memref<f64> {variable = "loss.lm.count"}
  plan.buffer @esum in @arena 320 : memref<f64> {variable = "loss.lm.evaluate_sum"}
  plan.buffer @ecount in @arena 384 : memref<f64> {variable = "loss.lm.evaluate_count"}
  plan.buffer @norm in @arena 448 : memref<f64> {variable = "metric.grad_norm"}
  plan.buffer @x in @arena 512 : memref<2x4xi32> {variable = "inputs"}
  plan.buffer @x.as_8 in @arena 512 : memref<8xi32> {variable = "inputs"}
  plan.buffer @mb in @arena 576 : memref<i64> {variable = "control.micro_batch"}
  plan.buffer @l in @arena 640 : memref<8xf32> {variable = "logits"}
  plan.buffer @t in @arena 704 : memref<8xf32>
  plan.buffer @t.as in @arena 704 : memref<2x4xf32>
  plan.buffer @u in @arena 768 : memref<8xf32>

  train.parameter @wte normal : tensor<8xf32> {scale = 0.02 : f64, decay = true, trainable = true, external_name = "transformer.wte.weight"}
  train.state @grad.wte gradient : tensor<8xf32> {parameter = @wte}
  train.state @wte.m optimizer : tensor<8xf32> {parameter = @wte, external_name = "transformer.wte.weight.m"}
  train.state @loss.lm.sum metric : tensor<f64>
  train.state @loss.lm.count metric : tensor<f64>
  train.state @loss.lm.evaluate_sum metric : tensor<f64>
  train.state @loss.lm.evaluate_count metric : tensor<f64>
  train.state @metric.grad_norm metric : tensor<f64>
  train.state @logits output : tensor<8xf32>

  plan.code @cpu target "cpu:x86-64-v3" triple "x86_64-unknown-linux-gnu" features ["avx2", "fma"] image dense<[-61, 1, 2, 3]> : tensor<4xi8>

  plan.kernel @gather access [1, 1, 2] computes "nn.embedding" {
  ^bb0(%i: memref<8xi32>, %w: memref<8xf32>, %o: memref<8xf32>):
    plan.return
  } {flops = 10.0 : f64, bytes = 96.0 : f64, workgroups = 4 : i64, scratch_bytes = 128 : i64, entry_offset = 0 : i64, abi_version = 1 : i32}
  plan.kernel @backward access [1, 2, 2] computes "nn.matmul" {
  ^bb0(%x: memref<2x4xf32>, %g: memref<8xf32>, %l: memref<f64>):
    plan.return
  } {flops = 100.0 : f64, workgroups = 1 : i64, scratch_bytes = 64 : i64, entry_offset = 1 : i64, abi_version = 1 : i32}
  plan.kernel @update access [1, 3, 2] computes "sgd" {
  ^bb0(%g: memref<8xf32>, %w: memref<8xf32>, %n: memref<f64>):
    plan.return
  } {flops = 16.0 : f64, workgroups = 1 : i64, scratch_bytes = 0 : i64, entry_offset = 2 : i64, abi_version = 1 : i32}

  plan.program @accumulate ["inputs", "control.micro_batch"] {
    plan.launch @gather ins() outs() buffers [@x.as_8, @w, @t] {layer = "wte"}
    plan.launch @gather ins() outs() buffers [@x.as_8, @t, @u]
    plan.launch @backward ins() outs() buffers [@t.as, @g, @sum]
    plan.copy @u to @l
  }
  plan.program @apply [] {
    plan.launch @update ins() outs() buffers [@g, @w, @norm]
  }
}
)mlir";

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_COMPILER_MODULES_H
