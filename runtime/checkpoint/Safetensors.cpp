//===- Safetensors.cpp ----------------------------------------------------===//

#include "runtime/checkpoint/Safetensors.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace trainc {

using Json = nlohmann::json;

//===----------------------------------------------------------------------===//
// Types and shapes
//===----------------------------------------------------------------------===//

namespace {
struct TypeRow {
  TensorType type;
  std::string_view name;
  size_t size_bytes;
};
} // namespace

// In the order of the enum.
static constexpr std::array<TypeRow, 13> kTypes = {{
    {TensorType::Bool, "BOOL", 1},
    {TensorType::U8, "U8", 1},
    {TensorType::I8, "I8", 1},
    {TensorType::U16, "U16", 2},
    {TensorType::I16, "I16", 2},
    {TensorType::F16, "F16", 2},
    {TensorType::BF16, "BF16", 2},
    {TensorType::U32, "U32", 4},
    {TensorType::I32, "I32", 4},
    {TensorType::F32, "F32", 4},
    {TensorType::U64, "U64", 8},
    {TensorType::I64, "I64", 8},
    {TensorType::F64, "F64", 8},
}};

std::string_view tensorTypeName(TensorType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

size_t tensorTypeSizeBytes(TensorType type) {
  return kTypes[static_cast<size_t>(type)].size_bytes;
}

std::optional<TensorType> parseTensorType(std::string_view name) {
  for (const TypeRow &row : kTypes)
    if (row.name == name)
      return row.type;
  return std::nullopt;
}

std::string formatShape(std::span<const uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::optional<uint64_t> tensorSizeBytes(TensorType type,
                                        std::span<const uint64_t> shape) {
  uint64_t size = tensorTypeSizeBytes(type);
  for (uint64_t dimension : shape)
    if (__builtin_mul_overflow(size, dimension, &size))
      return std::nullopt;
  return size;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

Result<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  Result<MappedFile> mapped = MappedFile::open(path);
  if (!mapped.ok())
    return mapped.status();
  std::span<const std::byte> bytes = mapped->bytes();
  if (bytes.size() < 8)
    return Status::file(fmt::format(
        "{}: expected a safetensors file of at least 8 bytes, but got {} "
        "bytes; the file is cut off or of another kind",
        path, bytes.size()));
  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i)
    header_bytes = header_bytes << 8 | std::to_integer<uint64_t>(bytes[i]);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size() - 8)
    return Status::file(fmt::format(
        "{}: expected a safetensors header of at most {} bytes, but got a size "
        "of {}; the file is cut off or of another kind",
        path, std::min<uint64_t>(kMaxHeaderBytes, bytes.size() - 8),
        header_bytes));

  SafetensorsFile file;
  file.file_ = std::move(*mapped);
  file.data_start_bytes_ = 8 + header_bytes;
  TRAINC_RETURN_IF_ERROR(
      file.parseHeader(file.file_.text().substr(8, header_bytes),
                       bytes.size() - 8 - header_bytes));
  return file;
}

/// Fills `tensor` from its JSON entry, or says what is wrong with it.
static std::string parseTensor(const Json &entry, TensorInfo &tensor) {
  if (!entry.is_object())
    return "expected an object";
  auto dtype = entry.find("dtype");
  auto shape = entry.find("shape");
  auto offsets = entry.find("data_offsets");
  if (dtype == entry.end() || !dtype->is_string())
    return "expected a text 'dtype'";
  std::optional<TensorType> type =
      parseTensorType(dtype->get_ref<const std::string &>());
  if (!type)
    return fmt::format("expected a known dtype, but got '{}'",
                       dtype->get_ref<const std::string &>());
  tensor.type = *type;
  if (shape == entry.end() || !shape->is_array())
    return "expected an array 'shape'";
  for (const Json &dimension : *shape) {
    if (!dimension.is_number_unsigned())
      return "expected 'shape' to hold whole numbers from 0";
    tensor.shape.push_back(dimension.get<uint64_t>());
  }
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2 ||
      !(*offsets)[0].is_number_unsigned() ||
      !(*offsets)[1].is_number_unsigned())
    return "expected 'data_offsets' to be two whole numbers from 0";
  uint64_t begin = (*offsets)[0].get<uint64_t>();
  uint64_t end = (*offsets)[1].get<uint64_t>();
  if (end < begin)
    return fmt::format("expected data_offsets in order, but got [{}, {}]",
                       begin, end);
  tensor.offset_bytes = begin;
  tensor.size_bytes = end - begin;
  std::optional<uint64_t> size = tensorSizeBytes(tensor.type, tensor.shape);
  if (!size || *size != tensor.size_bytes)
    return fmt::format("expected {} bytes for {} {}, but got {} bytes",
                       size ? std::to_string(*size)
                            : "an addressable number of",
                       tensorTypeName(tensor.type), formatShape(tensor.shape),
                       tensor.size_bytes);
  return {};
}

Status SafetensorsFile::parseHeader(std::string_view header,
                                    uint64_t data_bytes) {
  auto damaged = [&](std::string_view what) {
    return Status::file(
        fmt::format("{}: damaged safetensors file: {}", path(), what));
  };
  // The parser keeps the last of two equal keys; two tensors of one name would
  // hide each other, so names are watched while parsing.
  std::unordered_set<std::string> names;
  std::string duplicate;
  auto watch = [&](int depth, Json::parse_event_t event, Json &parsed) {
    if (event == Json::parse_event_t::key && depth == 1 &&
        !names.insert(parsed.get_ref<const std::string &>()).second)
      duplicate = parsed.get_ref<const std::string &>();
    return true;
  };
  Json json = Json::parse(header.begin(), header.end(), watch,
                          /*allow_exceptions=*/false);
  if (!json.is_object())
    return damaged("expected a JSON object as header, but got something else");
  if (!duplicate.empty())
    return damaged(fmt::format(
        "expected tensor names to be unique, but got '{}' twice", duplicate));

  for (const auto &[name, entry] : json.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object())
        return damaged("expected '__metadata__' to be an object");
      for (const auto &[key, value] : entry.items()) {
        if (!value.is_string())
          return damaged(
              fmt::format("expected metadata '{}' to be a text", key));
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    TensorInfo tensor;
    tensor.name = name;
    std::string problem = parseTensor(entry, tensor);
    if (!problem.empty())
      return damaged(fmt::format("tensor '{}': {}", name, problem));
    tensors_.push_back(std::move(tensor));
  }

  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorInfo &a, const TensorInfo &b) {
              return std::pair(a.offset_bytes, a.size_bytes) <
                     std::pair(b.offset_bytes, b.size_bytes);
            });
  // Neither gaps nor overlaps: together the tensors are exactly the data.
  uint64_t end = 0;
  for (const TensorInfo &tensor : tensors_) {
    if (tensor.offset_bytes != end)
      return damaged(fmt::format("tensor '{}': expected its data at byte {}, "
                                 "but got byte {} ({})",
                                 tensor.name, end, tensor.offset_bytes,
                                 tensor.offset_bytes < end
                                     ? "it overlaps another tensor"
                                     : "bytes before it belong to no tensor"));
    end += tensor.size_bytes;
    if (end > data_bytes)
      return damaged(fmt::format(
          "tensor '{}': expected its data to end within the file's {} bytes of "
          "data, but got an end at byte {}; the file is cut off",
          tensor.name, data_bytes, end));
  }
  if (end != data_bytes)
    return damaged(
        fmt::format("expected {} bytes of data, but got {}", end, data_bytes));
  for (size_t i = 0; i < tensors_.size(); ++i)
    index_[tensors_[i].name] = i;
  return {};
}

const TensorInfo *SafetensorsFile::find(const std::string &name) const {
  auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

Result<SafetensorsWriter>
SafetensorsWriter::create(const std::string &path,
                          std::span<const TensorSpec> tensors,
                          Placement placement) {
  SafetensorsWriter writer;
  writer.path_ = path;
  auto quote = [](const std::string &text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::unordered_set<std::string> names;
  for (const TensorSpec &tensor : tensors) {
    std::optional<uint64_t> size = tensorSizeBytes(tensor.type, tensor.shape);
    if (!size || !names.insert(tensor.name).second)
      return Status::user(fmt::format(
          "{}: expected tensors of distinct names and addressable sizes, but "
          "got '{}' {}",
          path, tensor.name, formatShape(tensor.shape)));
    uint64_t begin = writer.expected_bytes_;
    writer.expected_bytes_ += *size;
    header += fmt::format(
        R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
        quote(tensor.name), tensorTypeName(tensor.type),
        fmt::join(tensor.shape, ","), begin, writer.expected_bytes_);
  }
  header += '}';
  // Spaces after the JSON align the data to eight bytes.
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > SafetensorsFile::kMaxHeaderBytes)
    return Status::user(fmt::format(
        "{}: expected a header of at most {} bytes, but got {}; write fewer "
        "tensors",
        path, SafetensorsFile::kMaxHeaderBytes, header.size()));

  Result<FileWriter> file = FileWriter::create(path, placement);
  if (!file.ok())
    return file.status();
  writer.file_ = std::move(*file);
  std::array<std::byte, 8> size;
  for (size_t i = 0; i < 8; ++i)
    size[i] = static_cast<std::byte>(header.size() >> (8 * i));
  TRAINC_RETURN_IF_ERROR(writer.file_.write(size));
  TRAINC_RETURN_IF_ERROR(writer.file_.write(header));
  return writer;
}

Status SafetensorsWriter::write(std::span<const std::byte> bytes) {
  written_bytes_ += bytes.size();
  return file_.write(bytes);
}

Status SafetensorsWriter::finish() {
  if (written_bytes_ != expected_bytes_)
    return Status::system(
        fmt::format("{}: expected {} bytes of tensors, but got {}", path_,
                    expected_bytes_, written_bytes_));
  return file_.commit();
}

} // namespace trainc
