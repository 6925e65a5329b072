//===- safetensors.cpp - tensor files and weights -------------------------===//
//
// Headers of any kind; what is accepted is read to its last byte, and as the
// weights of a model.
//
//===----------------------------------------------------------------------===//

#include "runtime/checkpoint/Weights.h"
#include "test/fuzz/MemoryFile.h"

using namespace trainc;

void fuzz::read(std::span<const uint8_t> input) {
  static MemoryFile memory;
  memory.write(asSafetensors(input));
  Result<SafetensorsFile> file = SafetensorsFile::open(memory.path());
  if (!file.ok())
    return requireClear(file.status().message());
  for (const TensorInfo &tensor : file->tensors()) {
    std::vector<std::byte> data(tensor.size_bytes);
    const Status status = file->read(tensor, 0, data);
    require(status.ok(), "a tensor that cannot be read", status.message());
  }
  std::vector<float> weight(6), bias(2);
  std::vector<double> scale(1);
  const std::vector<NamedTensor> tensors = {
      {"model.w",
       TensorType::F32,
       {2, 3},
       std::as_writable_bytes(std::span(weight))},
      {"model.b",
       TensorType::F32,
       {2},
       std::as_writable_bytes(std::span(bias))},
      {"s", TensorType::F64, {}, std::as_writable_bytes(std::span(scale))}};
  const Status status =
      readTensors(*file, tensors, {"model.", {".mask"}, true});
  if (!status.ok())
    requireClear(status.message());
}

std::vector<std::string> fuzz::seeds() {
  const std::string zero(1, '\0');
  const std::string honest =
      R"({"__metadata__":{"format":"pt"},)"
      R"("model.w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[24,28]},)"
      R"("x.mask":{"dtype":"BOOL","shape":[0,7],"data_offsets":[28,28]},)"
      R"("s":{"dtype":"F64","shape":[],"data_offsets":[28,36]}})";
  const std::string data(36, '\x3c');
  return {honest + zero + data, zero + safetensors(honest, data),
          R"({"s":{"dtype":"F16","shape":[],"data_offsets":[0,2]}})" + zero +
              "ab"};
}
