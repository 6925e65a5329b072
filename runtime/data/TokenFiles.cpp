//===- TokenFiles.cpp -----------------------------------------------------===//

#include "runtime/data/TokenFiles.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace trainc {

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
    const uint64_t count = tokens->shape[0];
    const bool wide = tokens->type == TensorType::U32;
    Part part{std::move(*file), files.size_, count, wide};
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

Status TokenFiles::read(const Part &part, uint64_t first,
                        std::span<int32_t> out) {
  const TensorInfo &tokens = *part.file.find("tokens");
  if (part.wide)
    return part.file.read(tokens, first * sizeof(uint32_t),
                          std::as_writable_bytes(out));
  std::array<uint16_t, 4096> narrow;
  while (!out.empty()) {
    const size_t count = std::min(out.size(), narrow.size());
    const std::span<uint16_t> piece = std::span(narrow).first(count);
    TRAINC_RETURN_IF_ERROR(part.file.read(tokens, first * sizeof(uint16_t),
                                          std::as_writable_bytes(piece)));
    std::copy(piece.begin(), piece.end(), out.begin());
    out = out.subspan(count);
    first += count;
  }
  return {};
}

Status TokenFiles::read(uint64_t begin, std::span<int32_t> out) const {
  while (!out.empty()) {
    const Part &part = partAt(begin);
    const uint64_t first = begin - part.begin;
    const size_t count = std::min<uint64_t>(out.size(), part.count - first);
    TRAINC_RETURN_IF_ERROR(read(part, first, out.first(count)));
    out = out.subspan(count);
    begin += count;
  }
  return {};
}

Status TokenFiles::checkBelow(uint64_t limit) const {
  constexpr uint64_t kChunk = uint64_t(1) << 18;
  std::vector<int32_t> ids;
  for (const Part &part : parts_)
    for (uint64_t begin = 0; begin < part.count; begin += kChunk) {
      ids.resize(std::min(kChunk, part.count - begin));
      TRAINC_RETURN_IF_ERROR(read(part, begin, ids));
      // The largest first: that loop vectorizes.
      uint32_t largest = 0;
      for (const int32_t id : ids)
        largest = std::max(largest, static_cast<uint32_t>(id));
      if (largest < limit)
        continue;
      const auto bad = std::find_if(ids.begin(), ids.end(), [&](int32_t id) {
        return static_cast<uint32_t>(id) >= limit;
      });
      return Status::user(fmt::format(
          "{}: token {}: expected an id below {} (the plan's vocabulary), "
          "but got {}; tokenize with the plan's tokenizer",
          part.file.path(), begin + static_cast<uint64_t>(bad - ids.begin()),
          limit, static_cast<uint32_t>(*bad)));
    }
  return {};
}

std::string TokenFiles::describe(uint64_t position) const {
  const Part &part = partAt(position);
  return fmt::format("{}, token {}", part.file.path(), position - part.begin);
}

} // namespace trainc
