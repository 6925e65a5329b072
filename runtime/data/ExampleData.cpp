//===- ExampleData.cpp ----------------------------------------------------===//

#include "runtime/data/ExampleData.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <numeric>

namespace trainc {

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Elements of a file's type as doubles or integers; `use` gets each by index.
template <typename T, typename Use>
static void eachOf(std::span<const std::byte> bytes, Use use) {
  for (size_t i = 0; i != bytes.size() / sizeof(T); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    use(i, value);
  }
}

/// False where `type` is none of numbers that inputs are made of.
template <typename Use>
static bool eachNumber(TensorType type, std::span<const std::byte> bytes,
                       Use use) {
  switch (type) {
  case TensorType::F32:
    return eachOf<float>(bytes, use), true;
  case TensorType::F64:
    return eachOf<double>(bytes, use), true;
  default:
    return false;
  }
}

template <typename Use>
static bool eachInteger(TensorType type, std::span<const std::byte> bytes,
                        Use use) {
  switch (type) {
  case TensorType::Bool:
  case TensorType::U8:
    return eachOf<uint8_t>(bytes, use), true;
  case TensorType::I8:
    return eachOf<int8_t>(bytes, use), true;
  case TensorType::U16:
    return eachOf<uint16_t>(bytes, use), true;
  case TensorType::I16:
    return eachOf<int16_t>(bytes, use), true;
  case TensorType::U32:
    return eachOf<uint32_t>(bytes, use), true;
  case TensorType::I32:
    return eachOf<int32_t>(bytes, use), true;
  case TensorType::I64:
    return eachOf<int64_t>(bytes, use), true;
  default:
    return false;
  }
}

/// Writes numbers of the file as elements of type T; true where it can.
template <typename T>
static bool convert(TensorType type, std::span<const std::byte> from,
                    std::span<std::byte> to) {
  auto put = [&](size_t i, auto value) {
    const T element = static_cast<T>(value);
    std::memcpy(to.data() + i * sizeof(T), &element, sizeof(T));
  };
  if constexpr (std::is_floating_point_v<T>)
    return eachNumber(type, from, put);
  else
    return eachInteger(type, from, put);
}

static bool convert(abi::ElementType element, TensorType type,
                    std::span<const std::byte> from, std::span<std::byte> to) {
  switch (element) {
  case abi::ElementType::F32:
    return convert<float>(type, from, to);
  case abi::ElementType::F64:
    return convert<double>(type, from, to);
  case abi::ElementType::I32:
    return convert<int32_t>(type, from, to);
  case abi::ElementType::I64:
    return convert<int64_t>(type, from, to);
  case abi::ElementType::I1:
  case abi::ElementType::U8:
    return convert<uint8_t>(type, from, to);
  default:
    return false;
  }
}

/// The least and the largest integer that an input may hold.
static std::pair<int64_t, int64_t> rangeOf(const ExampleInput &input) {
  if (input.limit)
    return {0, static_cast<int64_t>(input.limit) - 1};
  switch (input.type) {
  case abi::ElementType::I32:
    return {INT32_MIN, INT32_MAX};
  case abi::ElementType::I1:
    return {0, 1};
  case abi::ElementType::U8:
    return {0, UINT8_MAX};
  default:
    return {INT64_MIN, INT64_MAX};
  }
}

static uint64_t elementsOf(std::span<const uint64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), uint64_t(1),
                         std::multiplies<>());
}

/// Of one example.
static std::span<const uint64_t> exampleShape(const ExampleInput &input) {
  return std::span(input.shape).subspan(1);
}

Status ExampleData::checkValues(const Part &part,
                                const ExampleInput &input) const {
  constexpr uint64_t kChunkBytes = uint64_t(1) << 20;
  const TensorInfo &tensor = *part.file.find(input.name);
  const size_t element_bytes = tensorTypeSizeBytes(tensor.type);
  const uint64_t per_example = elementsOf(exampleShape(input));
  const auto [least, most] = rangeOf(input);
  std::vector<std::byte> bytes;
  for (uint64_t offset = 0; offset < tensor.size_bytes; offset += kChunkBytes) {
    bytes.resize(std::min(kChunkBytes, tensor.size_bytes - offset));
    TRAINC_RETURN_IF_ERROR(part.file.read(tensor, offset, bytes));
    std::optional<size_t> bad;
    std::string value;
    eachNumber(tensor.type, bytes, [&](size_t i, double number) {
      if (!bad && !std::isfinite(input.type == abi::ElementType::F32
                                     ? static_cast<float>(number)
                                     : number))
        bad = i, value = fmt::format("{}", number);
    });
    eachInteger(tensor.type, bytes, [&](size_t i, int64_t number) {
      if (!bad && (number < least || number > most) && number != input.ignored)
        bad = i, value = fmt::format("{}", number);
    });
    if (!bad)
      continue;
    const uint64_t example =
        (offset / element_bytes + *bad) / std::max<uint64_t>(per_example, 1);
    return Status::user(fmt::format(
        "{}: '{}' of example {}: expected {}, but got {}", part.file.path(),
        input.name, example,
        input.type == abi::ElementType::F32 ||
                input.type == abi::ElementType::F64
            ? std::string("finite numbers")
            : fmt::format("values from {} to {}{}", least, most,
                          input.ignored && (*input.ignored < least ||
                                            *input.ignored > most)
                              ? fmt::format(", or {} for none", *input.ignored)
                              : ""),
        value));
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

/// The tensor of an input in a file, of the right type and shape.
static Result<const TensorInfo *> findTensor(const SafetensorsFile &file,
                                             const ExampleInput &input) {
  const TensorInfo *tensor = file.find(input.name);
  if (!tensor)
    return Status::user(
        fmt::format("{}: expected a tensor '{}' with the examples of that "
                    "input, but got none",
                    file.path(), input.name));
  const auto wanted = exampleShape(input);
  if (tensor->shape.empty() ||
      !std::equal(wanted.begin(), wanted.end(), tensor->shape.begin() + 1,
                  tensor->shape.end())) {
    std::string shape = "[examples";
    for (const uint64_t size : wanted)
      shape += fmt::format(", {}", size);
    return Status::user(
        fmt::format("{}: expected '{}' of shape {}], but got {}", file.path(),
                    input.name, shape, formatShape(tensor->shape)));
  }
  if (!convert(input.type, tensor->type, {}, {}))
    return Status::user(fmt::format(
        "{}: expected '{}' of a type that {} holds, but got {}", file.path(),
        input.name, abi::EnumNameElementType(input.type),
        tensorTypeName(tensor->type)));
  return tensor;
}

/// Whether examples that fill up the last batch can be left out of the loss.
static bool canFill(std::span<const ExampleInput> inputs) {
  return std::any_of(inputs.begin(), inputs.end(), [](const ExampleInput &i) {
    return i.ignored && i.counted;
  });
}

Result<std::unique_ptr<ExampleData>>
ExampleData::open(std::span<const std::string> paths,
                  std::vector<ExampleInput> inputs,
                  const DataOptions &options) {
  if (inputs.empty())
    return Status::user("expected a plan with inputs from data, but got one "
                        "without; give its train.step an input");
  for (const ExampleInput &input : inputs)
    if (input.shape.empty() || input.shape[0] != options.sequences)
      return Status::user(fmt::format(
          "expected the input '{}' with a first dimension of {} examples, as "
          "the module's train.sequences says, but got {}",
          input.name, options.sequences, formatShape(input.shape)));
  std::vector<Part> parts;
  uint64_t examples = 0;
  for (const std::string &path : paths) {
    Result<SafetensorsFile> file = SafetensorsFile::open(path);
    if (!file.ok())
      return file.status();
    std::optional<uint64_t> count;
    for (const ExampleInput &input : inputs) {
      Result<const TensorInfo *> tensor = findTensor(*file, input);
      if (!tensor.ok())
        return tensor.status();
      const uint64_t own = (*tensor)->shape[0];
      if (count && *count != own)
        return Status::user(fmt::format(
            "{}: expected {} examples in '{}' as in '{}', but got {}", path,
            *count, input.name, inputs.front().name, own));
      count = own;
    }
    parts.push_back({std::move(*file), examples, *count});
    examples += *count;
  }
  if (examples == 0)
    return Status::user("expected at least one example of data, but got none");
  if (options.order == DataOrder::Once && examples % options.sequences != 0 &&
      !canFill(inputs))
    return Status::user(fmt::format(
        "expected a multiple of {} examples, the rows of a batch, because no "
        "input of the plan has a value that a loss ignores, but got {}",
        options.sequences, examples));
  std::unique_ptr<ExampleData> data(
      new ExampleData(std::move(parts), std::move(inputs), options, examples));
  for (const Part &part : data->parts_)
    for (const ExampleInput &input : data->inputs_)
      TRAINC_RETURN_IF_ERROR(data->checkValues(part, input));
  // The step loop allocates nothing.
  size_t most = 0;
  for (const ExampleInput &input : data->inputs_)
    most = std::max<size_t>(most, 8 * elementsOf(exampleShape(input)));
  data->raw_.resize(most);
  return data;
}

Status ExampleData::fill(uint64_t step, uint32_t micro_batch,
                         std::span<const InputSlot> slots) {
  const uint64_t first = firstExample(step, micro_batch);
  for (const InputSlot &slot : slots) {
    const auto input = std::find_if(
        inputs_.begin(), inputs_.end(),
        [&](const ExampleInput &i) { return i.name == slot.name; });
    if (input == inputs_.end())
      return Status::user(fmt::format(
          "expected an input that the data was opened for, but got '{}'",
          slot.name));
    const uint64_t elements = elementsOf(exampleShape(*input));
    const size_t example_bytes = slot.bytes.size() / options_.sequences;
    for (uint32_t row = 0; row < options_.sequences; ++row) {
      const std::span<std::byte> out =
          slot.bytes.subspan(row * example_bytes, example_bytes);
      if (isFilling(first + row)) {
        std::fill(out.begin(), out.end(), std::byte(0));
        if (input->ignored)
          for (uint64_t i = 0; i != elements; ++i)
            convert(input->type, TensorType::I64,
                    std::as_bytes(std::span(&*input->ignored, 1)),
                    out.subspan(i * (example_bytes / elements)));
        continue;
      }
      const uint64_t example = rowOf(first + row);
      const Part &part = *std::prev(std::upper_bound(
          parts_.begin(), parts_.end(), example,
          [](uint64_t value, const Part &p) { return value < p.begin; }));
      const TensorInfo &tensor = *part.file.find(input->name);
      const size_t bytes = elements * tensorTypeSizeBytes(tensor.type);
      const std::span<std::byte> raw = std::span(raw_).first(bytes);
      TRAINC_RETURN_IF_ERROR(
          part.file.read(tensor, (example - part.begin) * bytes, raw));
      convert(input->type, tensor.type, raw, out);
    }
  }
  return {};
}

} // namespace trainc
