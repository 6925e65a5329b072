//===- Weights.cpp --------------------------------------------------------===//

#include "runtime/checkpoint/Weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <unordered_set>

namespace trainc {

Status writeTensors(const std::string &path,
                    std::span<const NamedTensor> tensors, Placement placement,
                    uint64_t *hash) {
  std::vector<TensorSpec> specs;
  for (const NamedTensor &tensor : tensors)
    specs.push_back({tensor.name, tensor.type, tensor.shape});
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(path, specs, placement);
  if (!writer.ok())
    return writer.status();
  for (const NamedTensor &tensor : tensors)
    TRAINC_RETURN_IF_ERROR(writer->write(tensor.data));
  TRAINC_RETURN_IF_ERROR(writer->finish());
  if (hash)
    *hash = writer->hash();
  return {};
}

//===----------------------------------------------------------------------===//
// Conversion
//===----------------------------------------------------------------------===//

static bool isFloat(TensorType type) {
  return type == TensorType::F16 || type == TensorType::BF16 ||
         type == TensorType::F32 || type == TensorType::F64;
}

static float halfToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 0x1f;
  uint32_t fraction = half & 0x3ff;
  if (exponent == 0) {
    // Zero and subnormals: fraction * 2^-24, exact in fp32.
    float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  uint32_t wide = exponent == 31 ? 0xff : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

template <typename T> static T load(const std::byte *from) {
  T value;
  // Data of a file need not be aligned.
  std::memcpy(&value, from, sizeof(T));
  return value;
}

static double loadFloat(TensorType type, const std::byte *from) {
  switch (type) {
  case TensorType::F16:
    return halfToFloat(load<uint16_t>(from));
  case TensorType::BF16:
    return std::bit_cast<float>(uint32_t(load<uint16_t>(from)) << 16);
  case TensorType::F32:
    return load<float>(from);
  default:
    return load<double>(from);
  }
}

static bool canConvert(TensorType from, TensorType to) {
  return from == to ||
         (isFloat(from) && (to == TensorType::F32 || to == TensorType::F64));
}

static void convert(TensorType from_type, std::span<const std::byte> from,
                    TensorType to_type, std::span<std::byte> to) {
  size_t from_size = tensorTypeSizeBytes(from_type);
  size_t count = from.size() / from_size;
  for (size_t i = 0; i < count; ++i) {
    double value = loadFloat(from_type, from.data() + i * from_size);
    if (to_type == TensorType::F32) {
      float narrow = static_cast<float>(value);
      std::memcpy(to.data() + i * sizeof(float), &narrow, sizeof(float));
    } else {
      std::memcpy(to.data() + i * sizeof(double), &value, sizeof(double));
    }
  }
}

/// Index of the first value of an F32 or F64 tensor that is NaN or infinite.
template <typename T>
static std::optional<size_t> findNotFinite(std::span<const std::byte> bytes) {
  const size_t count = bytes.size() / sizeof(T);
  for (size_t i = 0; i < count; ++i)
    if (!std::isfinite(load<T>(bytes.data() + i * sizeof(T))))
      return i;
  return std::nullopt;
}

static Status checkFinite(const SafetensorsFile &file, const TensorInfo &info,
                          const NamedTensor &tensor) {
  const bool narrow = tensor.type == TensorType::F32;
  if (!narrow && tensor.type != TensorType::F64)
    return {};
  const std::optional<size_t> bad = narrow ? findNotFinite<float>(tensor.data)
                                           : findNotFinite<double>(tensor.data);
  if (!bad)
    return {};
  const std::byte *at =
      tensor.data.data() + *bad * tensorTypeSizeBytes(tensor.type);
  return Status::user(fmt::format(
      "{}: tensor '{}': expected finite numbers, but got {} at element {}; the "
      "run that wrote it may have diverged: use weights from before",
      file.path(), info.name, narrow ? load<float>(at) : load<double>(at),
      *bad));
}

/// Piece by piece: of a large tensor of another type than the file's there is
/// never a whole copy beside the tensor itself.
static Status readInPieces(const SafetensorsFile &file, const TensorInfo &info,
                           const NamedTensor &tensor) {
  if (info.type == tensor.type)
    return file.read(info, 0, tensor.data);
  constexpr size_t kPieceElements = size_t(1) << 18;
  const size_t from_size = tensorTypeSizeBytes(info.type);
  const size_t to_size = tensorTypeSizeBytes(tensor.type);
  const size_t count = info.size_bytes / from_size;
  std::vector<std::byte> piece(std::min(kPieceElements, count) * from_size);
  for (size_t begin = 0; begin < count; begin += kPieceElements) {
    const size_t elements = std::min(kPieceElements, count - begin);
    piece.resize(elements * from_size);
    TRAINC_RETURN_IF_ERROR(file.read(info, begin * from_size, piece));
    convert(info.type, piece, tensor.type,
            tensor.data.subspan(begin * to_size, elements * to_size));
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

static bool isIgnored(const std::string &name, const WeightRules &rules) {
  for (const std::string &suffix : rules.ignored_suffixes)
    if (!suffix.empty() && name.ends_with(suffix))
      return true;
  return false;
}

/// The file's tensor for `name`: under that name, or without the prefix.
static const TensorInfo *findTensor(const SafetensorsFile &file,
                                    const std::string &name,
                                    const std::string &prefix) {
  if (const TensorInfo *info = file.find(name))
    return info;
  if (!prefix.empty() && name.starts_with(prefix))
    return file.find(name.substr(prefix.size()));
  return nullptr;
}

Status readTensors(const SafetensorsFile &file,
                   std::span<const NamedTensor> tensors,
                   const WeightRules &rules) {
  std::vector<const TensorInfo *> sources;
  std::unordered_set<const TensorInfo *> used;
  for (const NamedTensor &tensor : tensors) {
    const TensorInfo *info = findTensor(file, tensor.name, rules.prefix);
    if (!info)
      return Status::user(fmt::format(
          "{}: expected a tensor '{}' of shape {}, but got none; the file must "
          "belong to the plan's model",
          file.path(), tensor.name, formatShape(tensor.shape)));
    if (info->shape != tensor.shape)
      return Status::user(fmt::format(
          "{}: tensor '{}': expected shape {}, but got {}; the file must "
          "belong to the plan's model",
          file.path(), info->name, formatShape(tensor.shape),
          formatShape(info->shape)));
    if (!canConvert(info->type, tensor.type))
      return Status::user(fmt::format(
          "{}: tensor '{}': expected type {}, but got {}; the file must "
          "belong to the plan's model",
          file.path(), info->name, tensorTypeName(tensor.type),
          tensorTypeName(info->type)));
    sources.push_back(info);
    used.insert(info);
  }
  for (const TensorInfo &info : file.tensors())
    if (!used.count(&info) && !isIgnored(info.name, rules))
      return Status::user(fmt::format(
          "{}: expected only tensors of the plan's model, but got '{}' of "
          "shape {}; remove it or use the matching plan",
          file.path(), info.name, formatShape(info.shape)));
  for (size_t i = 0; i < tensors.size(); ++i) {
    TRAINC_RETURN_IF_ERROR(readInPieces(file, *sources[i], tensors[i]));
    if (rules.finite)
      TRAINC_RETURN_IF_ERROR(checkFinite(file, *sources[i], tensors[i]));
  }
  return {};
}

Status readTensors(const std::string &path,
                   std::span<const NamedTensor> tensors,
                   const WeightRules &rules) {
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file.ok())
    return file.status();
  return readTensors(*file, tensors, rules);
}

} // namespace trainc
