//===- TokenFiles.cpp -----------------------------------------------------===//

#include "runtime/data/TokenFiles.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace trainc {

template <typename T> static T loadAt(const std::byte *data, uint64_t index) {
  T value;
  // Tensors of a file need not be aligned.
  std::memcpy(&value, data + index * sizeof(T), sizeof(T));
  return value;
}

Result<TokenFiles> TokenFiles::open(std::span<const std::string> paths) {
  TokenFiles files;
  for (const std::string &path : paths) {
    Result<SafetensorsFile> file = SafetensorsFile::open(path);
    if (!file.ok())
      return file.status();
    const TensorInfo *tokens = file->find("tokens");
    if (!tokens)
      return Status::user(
          fmt::format("{}: expected a token file with a tensor 'tokens', but "
                      "got none; make one with trainrun tokenize",
                      path));
    if (tokens->shape.size() != 1 ||
        (tokens->type != TensorType::U16 && tokens->type != TensorType::U32))
      return Status::user(fmt::format(
          "{}: expected 'tokens' of type U16 or U32 and one dimension, but got "
          "{} {}",
          path, tensorTypeName(tokens->type), formatShape(tokens->shape)));
    const std::byte *data = file->data(*tokens).data();
    Part part{std::move(*file), data, files.size_, tokens->shape[0],
              tokens->type == TensorType::U32};
    files.size_ += part.count;
    files.parts_.push_back(std::move(part));
  }
  return files;
}

const TokenFiles::Part &TokenFiles::partAt(uint64_t position) const {
  auto after = std::upper_bound(
      parts_.begin(), parts_.end(), position,
      [](uint64_t value, const Part &part) { return value < part.begin; });
  return *std::prev(after);
}

void TokenFiles::read(uint64_t begin, std::span<int32_t> out) const {
  while (!out.empty()) {
    const Part &part = partAt(begin);
    uint64_t first = begin - part.begin;
    size_t count = std::min<uint64_t>(out.size(), part.count - first);
    for (size_t i = 0; i < count; ++i)
      out[i] =
          part.wide
              ? static_cast<int32_t>(loadAt<uint32_t>(part.data, first + i))
              : loadAt<uint16_t>(part.data, first + i);
    // Otherwise the pages of all data read so far would count as memory of the
    // process, whose size is predicted.
    const size_t size = part.wide ? 4 : 2;
    part.file.release({part.data + first * size, count * size});
    out = out.subspan(count);
    begin += count;
  }
}

/// Index of the first of `count` tokens that is not below `limit`, or count.
template <typename T>
static uint64_t findAbove(const std::byte *data, uint64_t count,
                          uint64_t limit) {
  // The largest first: that loop vectorizes.
  T largest = 0;
  for (uint64_t i = 0; i < count; ++i)
    largest = std::max(largest, loadAt<T>(data, i));
  if (count == 0 || largest < limit)
    return count;
  uint64_t i = 0;
  while (loadAt<T>(data, i) < limit)
    ++i;
  return i;
}

Status TokenFiles::checkBelow(uint64_t limit) const {
  constexpr uint64_t kChunk = uint64_t(1) << 20;
  for (const Part &part : parts_) {
    size_t size = part.wide ? 4 : 2;
    for (uint64_t begin = 0; begin < part.count; begin += kChunk) {
      uint64_t count = std::min(kChunk, part.count - begin);
      const std::byte *data = part.data + begin * size;
      uint64_t bad = part.wide ? findAbove<uint32_t>(data, count, limit)
                               : findAbove<uint16_t>(data, count, limit);
      if (bad != count)
        return Status::user(fmt::format(
            "{}: token {}: expected an id below {} (the plan's vocabulary), "
            "but got {}; tokenize with the plan's tokenizer",
            part.file.path(), begin + bad, limit,
            part.wide ? loadAt<uint32_t>(data, bad)
                      : loadAt<uint16_t>(data, bad)));
      part.file.release({data, count * size});
    }
  }
  return {};
}

std::string TokenFiles::describe(uint64_t position) const {
  const Part &part = partAt(position);
  return fmt::format("{}, token {}", part.file.path(), position - part.begin);
}

} // namespace trainc
