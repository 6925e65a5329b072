//===- Weights.h - variables to and from weight files ------------*- C++
//-*-===//
//
// Decides which tensor of a safetensors file fills which variable: names as in
// the file's family, with or without the family's prefix; known buffers and
// aliases are skipped; anything else missing, extra or misshapen is an error.
// Nothing is copied before all of that has been checked.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CHECKPOINT_WEIGHTS_H
#define TRAINC_RUNTIME_CHECKPOINT_WEIGHTS_H

#include "runtime/checkpoint/Safetensors.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace trainc {

/// A variable in memory under the name it has in files. Does not own `data`.
struct NamedTensor {
  std::string name;
  TensorType type;
  std::vector<uint64_t> shape;
  std::span<std::byte> data;
};

/// What a weight file may look like besides the exact names.
struct WeightRules {
  /// "transformer.": files may leave it out. Empty: nothing to leave out.
  std::string prefix;
  /// Tensors whose name ends in one of these are skipped (".attn.bias",
  /// "lm_head.weight" of a tied model).
  std::vector<std::string> ignored_suffixes;
  /// Refuse NaN and infinity: weights that a person gives are to be trained or
  /// used, and with those every result is lost.
  bool finite = false;
};

/// Writes all `tensors` to `path`, streaming from their memory. Sets `hash`,
/// where given, to the StreamHash of the file.
Status writeTensors(const std::string &path,
                    std::span<const NamedTensor> tensors,
                    Placement placement = Placement::Replace,
                    uint64_t *hash = nullptr);

/// Fills all `tensors` from `file`. F16, BF16, F32 and F64 convert into F32 and
/// F64; other types must agree. User errors name the tensor with expected and
/// got shape; until names, shapes and types are proved no tensor is changed.
Status readTensors(const SafetensorsFile &file,
                   std::span<const NamedTensor> tensors,
                   const WeightRules &rules = {});

/// readTensors on the file at `path`.
Status readTensors(const std::string &path,
                   std::span<const NamedTensor> tensors,
                   const WeightRules &rules = {});

} // namespace trainc

#endif // TRAINC_RUNTIME_CHECKPOINT_WEIGHTS_H
