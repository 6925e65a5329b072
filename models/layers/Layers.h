//===- Layers.h - the layers that families share ----------------*- C++ -*-===//
//
// Small functions over a ModelBuilder. Each creates its parameters under the
// current scope, so a family reads like its weight file. Letters: B batch,
// T time, C channels, N = B·T rows.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_LAYERS_LAYERS_H
#define TRAINC_MODELS_LAYERS_LAYERS_H

#include "models/layers/ModelBuilder.h"

namespace trainc::models {

/// Names of activations in recipes.
inline constexpr llvm::StringLiteral kGeluTanh = "gelu_tanh";
inline constexpr llvm::StringLiteral kGeluErf = "gelu_erf";
inline constexpr llvm::StringLiteral kRelu = "relu";

/// Rows [N, in] → [N, out]: `x·W + b` with `weight` stored [in, out], as
/// Hugging Face's Conv1D; bias starts at 0.
mlir::Value conv1d(ModelBuilder &model, llvm::StringRef name, mlir::Value rows,
                   int64_t outputs, Init weight);

/// Layer normalisation over C (Ba et al. 2016): [N, C] → [N, C].
mlir::Value layerNorm(ModelBuilder &model, llvm::StringRef name,
                      mlir::Value rows, double epsilon);

/// Rows of the table `<name>.weight` [size, C]: ids [B, T] → [B, T, C].
mlir::Value embedding(ModelBuilder &model, llvm::StringRef name,
                      mlir::Value ids, int64_t size, int64_t channels,
                      Init init);

/// Learned positions: the first T rows of `<name>.weight` [size, C], repeated
/// over the batch → [B, T, C].
mlir::Value positions(ModelBuilder &model, llvm::StringRef name, int64_t batch,
                      int64_t time, int64_t size, int64_t channels, Init init);

/// Elementwise activation by its recipe name.
mlir::Value activation(ModelBuilder &model, llvm::StringRef kind,
                       mlir::Value input);

} // namespace trainc::models

#endif // TRAINC_MODELS_LAYERS_LAYERS_H
