//===- examples.cpp - examples of one's own -------------------------------===//
//
// A file of examples with batches cut from it: the first bytes of the input
// choose rows, position and order, the rest is the file.
//
//===----------------------------------------------------------------------===//

#include "runtime/data/ExampleData.h"
#include "test/fuzz/MemoryFile.h"

using namespace trainc;

void fuzz::read(std::span<const uint8_t> input) {
  static MemoryFile memory;
  DataOptions options;
  const uint32_t rows = options.sequences = 1 + take<uint8_t>(input) % 8;
  const uint32_t micro_batches = 1 + take<uint8_t>(input) % 4;
  options.shapes = StepShapes({rows, 1, micro_batches});
  options.order = DataOrder(take<uint8_t>(input) % 3);
  options.seed = options.first_example = take<uint64_t>(input);
  memory.write(asSafetensors(input));
  const std::vector<std::string> paths = {memory.path(), memory.path()};
  constexpr int32_t kClasses = 5;
  const std::vector<ExampleInput> inputs = {
      {"x", abi::ElementType::F32, {rows, 2}, 0, {}},
      {"label", abi::ElementType::I32, {rows}, kClasses, -1, true}};
  auto data = ExampleData::open(paths, inputs, options);
  if (!data.ok())
    return requireClear(data.status().message());
  std::vector<float> x(rows * 2);
  std::vector<int32_t> labels(rows);
  const InputSlot slots[] = {{"x", abi::ElementType::F32, inputs[0].shape,
                              std::as_writable_bytes(std::span(x))},
                             {"label", abi::ElementType::I32, inputs[1].shape,
                              std::as_writable_bytes(std::span(labels))}};
  for (const uint64_t step : {1, 2, 1000}) {
    const Status status = (*data)->fill(step, micro_batches - 1, slots);
    if (!status.ok())
      return requireClear(status.message());
    for (const int32_t label : labels)
      require(label >= -1 && label < kClasses, "a label beyond its classes",
              std::to_string(label));
  }
}

std::vector<std::string> fuzz::seeds() {
  const std::string options("\3\1\2\0\0\0\0\0\0\0\0", 11), zero(1, '\0');
  const std::string narrow =
      R"({"label":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
      R"("x":{"dtype":"F32","shape":[4,2],"data_offsets":[4,36]}})";
  const std::string wide =
      R"({"label":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("x":{"dtype":"F64","shape":[1,2],"data_offsets":[8,24]}})";
  return {options + narrow + zero + std::string(36, '\1'),
          options + wide + zero + std::string(24, '\0')};
}
