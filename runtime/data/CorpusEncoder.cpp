//===- CorpusEncoder.cpp --------------------------------------------------===//

#include "runtime/data/CorpusEncoder.h"

#include <algorithm>
#include <fmt/format.h>

namespace trainc {

/// The passages of the file at `path`.
static Result<PassageReader> readPassages(const std::string &path,
                                          const TextLayout &layout,
                                          uint64_t *size_bytes = nullptr) {
  Result<FileReader> opened = FileReader::open(path);
  if (!opened.ok())
    return opened.status();
  if (size_bytes)
    *size_bytes = opened->sizeBytes();
  auto file = std::make_shared<const FileReader>(std::move(*opened));
  return PassageReader(
      [file,
       begin = uint64_t(0)](std::span<char> out) mutable -> Result<size_t> {
        const auto count = static_cast<size_t>(
            std::min<uint64_t>(out.size(), file->sizeBytes() - begin));
        TRAINC_RETURN_IF_ERROR(
            file->read(begin, std::as_writable_bytes(out.first(count))));
        begin += count;
        return count;
      },
      layout);
}

/// Errors of the text itself do not know of which file it is.
static Status inFile(const std::string &path, const Status &status) {
  if (status.code() != StatusCode::User)
    return status;
  return {status.code(), fmt::format("{}: {}", path, status.message())};
}

Status surveyText(const std::string &path, const TextLayout &layout,
                  bool any_bytes, TextCounts &counts) {
  uint64_t size_bytes = 0;
  Result<PassageReader> reader = readPassages(path, layout, &size_bytes);
  if (!reader.ok())
    return reader.status();
  counts.bytes += size_bytes;
  // JSON is UTF-8, which its parser checks.
  const bool check = !any_bytes && layout.documents != DocumentRule::JsonLines;
  Passage passage;
  while (true) {
    Result<bool> found = reader->next(passage);
    if (!found.ok())
      return inFile(path, found.status());
    if (!*found)
      return {};
    if (check)
      // Passages are cut between characters.
      if (size_t bad = findInvalidUtf8(passage.text);
          bad != passage.text.size())
        return Status::user(fmt::format(
            "{}: byte {}: expected UTF-8 text, but got byte 0x{:02x}; convert "
            "the text, or use --model bytes",
            path, passage.offset_bytes + bad,
            static_cast<unsigned char>(passage.text[bad])));
    counts.documents += passage.begins_document;
    counts.sentences += passage.begins_sentence;
  }
}

/// The next passage of all files.
Result<bool> CorpusEncoder::next(Passage &passage) {
  while (true) {
    if (source_.reader) {
      Result<bool> found = source_.reader->next(passage);
      if (!found.ok())
        return inFile(source_.path, found.status());
      if (*found)
        return true;
    }
    source_ = {};
    if (paths_.empty())
      return false;
    source_.path = paths_.front();
    paths_ = paths_.subspan(1);
    Result<PassageReader> reader = readPassages(source_.path, layout_);
    if (!reader.ok())
      return reader.status();
    source_.reader.emplace(std::move(*reader));
  }
}

/// Fills units_ with the next passages; used_ is 0 at the end.
Status CorpusEncoder::gather() {
  // Some units per thread, so that a slow one does not hold the others up.
  units_.resize(size_t(pool_.threads()) * 4);
  for (used_ = 0; used_ < units_.size(); ++used_) {
    Unit &unit = units_[used_];
    unit.passages.clear();
    unit.bytes = 0;
    while (unit.bytes < PassageReader::kPassageBytes) {
      Passage passage;
      Result<bool> found = next(passage);
      if (!found.ok())
        return found.status();
      if (!*found) {
        used_ += !unit.passages.empty();
        return {};
      }
      unit.bytes += passage.text.size();
      unit.passages.push_back(std::move(passage));
    }
  }
  return {};
}

void CorpusEncoder::encodeUnit(Unit &unit) const {
  unit.ids.clear();
  unit.ends.clear();
  for (const Passage &passage : unit.passages) {
    unit.status = tokenizer_.encode(passage.text, unit.ids);
    if (!unit.status.ok())
      return;
    if (passage.ends_document && end_token_)
      unit.ids.push_back(*end_token_);
    unit.ends.push_back(unit.ids.size());
  }
}

Status CorpusEncoder::write(const Unit &unit) {
  TRAINC_RETURN_IF_ERROR(unit.status);
  // Passages between marks go to the file together.
  size_t written = 0, end = 0;
  auto flush = [&] {
    Status status =
        writer_.append(std::span(unit.ids).subspan(written, end - written));
    written = end;
    return status;
  };
  for (size_t i = 0; i < unit.passages.size(); ++i) {
    const Passage &passage = unit.passages[i];
    if (passage.begins_document || passage.begins_sentence)
      TRAINC_RETURN_IF_ERROR(flush());
    if (passage.begins_document)
      TRAINC_RETURN_IF_ERROR(writer_.beginDocument());
    if (passage.begins_sentence)
      TRAINC_RETURN_IF_ERROR(writer_.beginSentence());
    end = unit.ends[i];
  }
  return flush();
}

Status
CorpusEncoder::encode(std::span<const std::string> paths,
                      const TextLayout &layout,
                      const std::function<bool(uint64_t bytes)> &progress) {
  paths_ = paths;
  layout_ = layout;
  while (true) {
    TRAINC_RETURN_IF_ERROR(gather());
    if (used_ == 0)
      return {};
    pool_.parallelFor(
        used_, [&](unsigned, uint64_t index) { encodeUnit(units_[index]); });
    uint64_t bytes = 0;
    for (size_t i = 0; i < used_; ++i) {
      TRAINC_RETURN_IF_ERROR(write(units_[i]));
      bytes += units_[i].bytes;
    }
    if (!progress(bytes))
      return {};
  }
}

} // namespace trainc
