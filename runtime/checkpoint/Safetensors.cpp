//===- Safetensors.cpp ----------------------------------------------------===//

#include "runtime/checkpoint/Safetensors.h"

#include "runtime/checkpoint/SafetensorsHeader.h"

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

static Status damaged(const std::string &path, std::string_view what) {
  return Status::file(
      fmt::format("{}: damaged safetensors file: {}", path, what));
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  Result<FileReader> opened = FileReader::open(path);
  if (!opened.ok())
    return opened.status();
  SafetensorsFile file;
  file.file_ = std::move(*opened);
  const uint64_t size_bytes = file.file_.sizeBytes();
  std::array<std::byte, 8> prefix;
  if (size_bytes < prefix.size())
    return Status::file(fmt::format(
        "{}: expected a safetensors file of at least 8 bytes, but got {} "
        "bytes; the file is cut off or of another kind",
        path, size_bytes));
  TRAINC_RETURN_IF_ERROR(file.file_.read(0, prefix));
  uint64_t header_bytes = 0;
  for (size_t i = prefix.size(); i-- != 0;)
    header_bytes = header_bytes << 8 | std::to_integer<uint64_t>(prefix[i]);
  const uint64_t largest_bytes =
      std::min<uint64_t>(kMaxHeaderBytes, size_bytes - prefix.size());
  if (header_bytes > largest_bytes)
    return Status::file(fmt::format(
        "{}: expected a safetensors header of at most {} bytes, but got a size "
        "of {}; the file is cut off or of another kind",
        path, largest_bytes, header_bytes));
  std::string header(header_bytes, '\0');
  TRAINC_RETURN_IF_ERROR(file.file_.read(
      prefix.size(), std::as_writable_bytes(std::span(header))));
  if (std::string problem = parseSafetensorsHeader(header, file.tensors_);
      !problem.empty())
    return damaged(path, problem);
  file.data_start_bytes_ = prefix.size() + header_bytes;
  TRAINC_RETURN_IF_ERROR(file.layOut(size_bytes - file.data_start_bytes_));
  return file;
}

Status SafetensorsFile::layOut(uint64_t data_bytes) {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorInfo &a, const TensorInfo &b) {
              return std::pair(a.offset_bytes, a.size_bytes) <
                     std::pair(b.offset_bytes, b.size_bytes);
            });
  // Two tensors of one name would hide each other.
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (!index_.emplace(tensors_[i].name, i).second)
      return damaged(
          path(),
          fmt::format("expected tensor names to be unique, but got '{}' twice",
                      tensors_[i].name));
  // Neither gaps nor overlaps: together the tensors are exactly the data.
  uint64_t end = 0;
  for (const TensorInfo &tensor : tensors_) {
    if (tensor.offset_bytes != end)
      return damaged(path(),
                     fmt::format("tensor '{}': expected its data at byte {}, "
                                 "but got byte {} ({})",
                                 tensor.name, end, tensor.offset_bytes,
                                 tensor.offset_bytes < end
                                     ? "it overlaps another tensor"
                                     : "bytes before it belong to no tensor"));
    end += tensor.size_bytes;
    if (end > data_bytes)
      return damaged(
          path(),
          fmt::format(
              "tensor '{}': expected its data to end within the file's {} "
              "bytes of data, but got an end at byte {}; the file is cut off",
              tensor.name, data_bytes, end));
  }
  if (end != data_bytes)
    return damaged(path(), fmt::format("expected {} bytes of data, but got {}",
                                       end, data_bytes));
  return {};
}

const TensorInfo *SafetensorsFile::find(const std::string &name) const {
  auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// The eight bytes of size and the JSON, with spaces up to `size_bytes` and to
/// a multiple of eight, which aligns the data. Sets expected_bytes_.
Result<std::string> SafetensorsWriter::header(size_t size_bytes) {
  auto quote = [](const std::string &text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  std::string json = R"({"__metadata__":{"format":"pt"})";
  std::unordered_set<std::string> names;
  expected_bytes_ = 0;
  for (const TensorSpec &tensor : tensors_) {
    std::optional<uint64_t> size = tensorSizeBytes(tensor.type, tensor.shape);
    if (!size || !names.insert(tensor.name).second)
      return Status::user(fmt::format(
          "{}: expected tensors of distinct names and addressable sizes, but "
          "got '{}' {}",
          path_, tensor.name, formatShape(tensor.shape)));
    uint64_t begin = expected_bytes_;
    expected_bytes_ += *size;
    json += fmt::format(
        R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
        quote(tensor.name), tensorTypeName(tensor.type),
        fmt::join(tensor.shape, ","), begin, expected_bytes_);
  }
  json += '}';
  json.resize((std::max(json.size() + 8, size_bytes) + 7) / 8 * 8 - 8, ' ');
  if (json.size() > SafetensorsFile::kMaxHeaderBytes)
    return Status::user(fmt::format(
        "{}: expected a header of at most {} bytes, but got {}; write fewer "
        "tensors",
        path_, SafetensorsFile::kMaxHeaderBytes, json.size()));
  std::string size(8, '\0');
  for (size_t i = 0; i < 8; ++i)
    size[i] = static_cast<char>(json.size() >> (8 * i));
  return size + json;
}

Status SafetensorsWriter::start(const std::string &path, Placement placement) {
  path_ = path;
  // The longest length and the longest offset need that many digits.
  constexpr size_t kDigits = 2 * 20;
  Result<std::string> text = header(0);
  if (text.ok() && growing_)
    text = header(text->size() + kDigits);
  if (!text.ok())
    return text.status();
  Result<FileWriter> file = FileWriter::create(path, placement);
  if (!file.ok())
    return file.status();
  file_ = std::move(*file);
  header_bytes_ = text->size();
  return file_.write(*text);
}

Result<SafetensorsWriter>
SafetensorsWriter::create(const std::string &path,
                          std::span<const TensorSpec> tensors,
                          Placement placement) {
  SafetensorsWriter writer;
  writer.tensors_.assign(tensors.begin(), tensors.end());
  TRAINC_RETURN_IF_ERROR(writer.start(path, placement));
  writer.tensors_.clear();
  return writer;
}

Result<SafetensorsWriter>
SafetensorsWriter::createGrowing(const std::string &path,
                                 std::span<const TensorSpec> tensors) {
  SafetensorsWriter writer;
  writer.tensors_.assign(tensors.begin(), tensors.end());
  writer.growing_ = true;
  writer.tensors_.back().shape = {0};
  TRAINC_RETURN_IF_ERROR(writer.start(path, Placement::Replace));
  return writer;
}

Status SafetensorsWriter::write(std::span<const std::byte> bytes) {
  written_bytes_ += bytes.size();
  return file_.write(bytes);
}

Status SafetensorsWriter::overwrite(uint64_t offset,
                                    std::span<const std::byte> bytes) {
  return file_.overwrite(header_bytes_ + offset, bytes);
}

Status SafetensorsWriter::finish() {
  if (growing_ && written_bytes_ > expected_bytes_) {
    TensorSpec &last = tensors_.back();
    last.shape = {(written_bytes_ - expected_bytes_) /
                  tensorTypeSizeBytes(last.type)};
    Result<std::string> text = header(header_bytes_);
    if (!text.ok())
      return text.status();
    TRAINC_RETURN_IF_ERROR(file_.overwrite(
        0, std::as_bytes(std::span(text->data(), text->size()))));
  }
  if (written_bytes_ != expected_bytes_)
    return Status::system(
        fmt::format("{}: expected {} bytes of tensors, but got {}", path_,
                    expected_bytes_, written_bytes_));
  return file_.commit();
}

} // namespace trainc
