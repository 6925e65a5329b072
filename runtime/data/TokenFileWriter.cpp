//===- TokenFileWriter.cpp ------------------------------------------------===//

#include "runtime/data/TokenFileWriter.h"

#include <algorithm>
#include <fmt/format.h>

namespace trainc {

Status TokenFileWriter::Offsets::append(SafetensorsWriter &file,
                                        uint64_t offset) {
  constexpr size_t kGathered = size_t(1) << 15;
  pending.push_back(offset);
  return pending.size() < kGathered ? Status() : flush(file);
}

Status TokenFileWriter::Offsets::flush(SafetensorsWriter &file) {
  if (written + pending.size() > count)
    return Status::system(fmt::format("expected {} documents or sentences as "
                                      "in the first pass, but got more; a text "
                                      "changed meanwhile",
                                      count));
  TRAINC_RETURN_IF_ERROR(file.overwrite(begin + written * sizeof(uint64_t),
                                        std::as_bytes(std::span(pending))));
  written += pending.size();
  pending.clear();
  return {};
}

Result<TokenFileWriter> TokenFileWriter::create(const std::string &path,
                                                uint64_t documents,
                                                uint64_t sentences,
                                                uint64_t vocabulary) {
  TokenFileWriter writer;
  writer.path_ = path;
  writer.wide_ = vocabulary > 65536;
  // Large types first keeps every tensor aligned. An end follows each offset.
  std::vector<TensorSpec> specs = {
      {"document_offsets", TensorType::U64, {documents + 1}}};
  writer.document_offsets_.count = documents + 1;
  if (sentences > 0) {
    specs.push_back({"sentence_offsets", TensorType::U64, {sentences + 1}});
    writer.sentence_offsets_.begin = (documents + 1) * sizeof(uint64_t);
    writer.sentence_offsets_.count = sentences + 1;
  }
  specs.push_back(
      {"tokens", writer.wide_ ? TensorType::U32 : TensorType::U16, {0}});
  Result<SafetensorsWriter> file =
      SafetensorsWriter::createGrowing(path, specs);
  if (!file.ok())
    return file.status();
  writer.file_ = std::move(*file);
  // Room for the offsets.
  uint64_t left =
      writer.document_offsets_.count + writer.sentence_offsets_.count;
  const std::vector<uint64_t> zeros(
      static_cast<size_t>(std::min<uint64_t>(left, uint64_t(1) << 17)));
  while (left > 0) {
    auto part = std::span(zeros).first(
        static_cast<size_t>(std::min<uint64_t>(left, zeros.size())));
    TRAINC_RETURN_IF_ERROR(writer.file_.write(std::as_bytes(part)));
    left -= part.size();
  }
  return writer;
}

Status TokenFileWriter::append(std::span<const uint32_t> ids) {
  tokens_ += ids.size();
  if (wide_)
    return file_.write(std::as_bytes(ids));
  narrow_.assign(ids.begin(), ids.end());
  return file_.write(std::as_bytes(std::span(narrow_)));
}

Status TokenFileWriter::finish() {
  for (Offsets *offsets : {&document_offsets_, &sentence_offsets_}) {
    if (offsets->count == 0)
      continue;
    TRAINC_RETURN_IF_ERROR(offsets->append(file_, tokens_));
    TRAINC_RETURN_IF_ERROR(offsets->flush(file_));
    if (offsets->written != offsets->count)
      return Status::system(fmt::format(
          "{}: expected {} documents or sentences as in the first pass, but "
          "got {}; a text changed meanwhile",
          path_, offsets->count - 1, offsets->written - 1));
  }
  return file_.finish();
}

} // namespace trainc
