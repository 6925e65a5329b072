//===- SafetensorsHeader.h - what a file says of its tensors -----*- C++
//-*-===//
//
// Private to this folder: the JSON header of a safetensors file as a list of
// tensors. Read event by event: what has no place in a header ends the parse at
// once, so hostile nesting or rubbish costs no memory.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CHECKPOINT_SAFETENSORSHEADER_H
#define TRAINC_RUNTIME_CHECKPOINT_SAFETENSORSHEADER_H

#include "runtime/checkpoint/Safetensors.h"

#include <string>
#include <string_view>
#include <vector>

namespace trainc {

/// Appends the tensors of `header` in its order. Each has a known type, and a
/// size that is its shape's and its offsets'; how tensors lie is not judged.
/// Returns what is wrong, "expected X, but got Y", or nothing.
std::string parseSafetensorsHeader(std::string_view header,
                                   std::vector<TensorInfo> &tensors);

} // namespace trainc

#endif // TRAINC_RUNTIME_CHECKPOINT_SAFETENSORSHEADER_H
