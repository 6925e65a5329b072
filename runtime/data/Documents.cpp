//===- Documents.cpp ------------------------------------------------------===//

#include "runtime/data/Documents.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trainc {

static constexpr std::string_view kSpaces = " \t\r\n\v\f";

static bool isBlank(std::string_view text) {
  return text.find_first_not_of(kSpaces) == text.npos;
}

//===----------------------------------------------------------------------===//
// Rules by name
//===----------------------------------------------------------------------===//

Status parseDocumentRule(std::string_view text, TextLayout &layout) {
  static constexpr std::string_view kSeparator = "separator=";
  if (text.starts_with(kSeparator) && text.size() > kSeparator.size()) {
    layout.documents = DocumentRule::Separator;
    layout.separator = text.substr(kSeparator.size());
    return {};
  }
  static constexpr std::pair<std::string_view, DocumentRule> kRules[] = {
      {"files", DocumentRule::Files},
      {"lines", DocumentRule::Lines},
      {"blank-lines", DocumentRule::BlankLines},
      {"jsonl", DocumentRule::JsonLines}};
  for (const auto &[name, rule] : kRules)
    if (text == name) {
      layout.documents = rule;
      return {};
    }
  return Status::user(
      fmt::format("expected --documents files, lines, blank-lines, jsonl or "
                  "separator=TEXT, but got '{}'",
                  text));
}

Status parseSentenceRule(std::string_view text, TextLayout &layout) {
  if (text == "lines")
    layout.sentences = SentenceRule::Lines;
  else if (text == "stops")
    layout.sentences = SentenceRule::Stops;
  else
    return Status::user(
        fmt::format("expected --sentences lines or stops, but got '{}'", text));
  return {};
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Makes `view`, the end of block_, longer, unless the text is at its end.
/// Other views of block_ are lost.
Status PassageReader::extend(std::string_view &view) {
  if (at_end_)
    return {};
  // Twice as much each time: what is copied stays in proportion to what is
  // read, however long a document is.
  const size_t more = std::max(view.size(), 4 * kPassageBytes);
  auto block = std::make_shared<std::string>(view);
  block->resize(view.size() + more);
  Result<size_t> count = read_(std::span(*block).subspan(view.size()));
  if (!count.ok())
    return count.status();
  at_end_ = *count < more;
  block->resize(view.size() + *count);
  block_offset_bytes_ +=
      block_ ? static_cast<uint64_t>(view.data() - block_->data()) : 0;
  view = *block;
  block_ = std::move(block);
  return {};
}

/// The document that reaches the end of block_ goes on.
Status PassageReader::extendDocument() {
  TRAINC_RETURN_IF_ERROR(extend(document_));
  rest_ = document_.substr(document_.size());
  open_ = !at_end_;
  return {};
}

/// The line of rest_ from `begin` on, with its end; empty at the end.
Result<std::string_view> PassageReader::lineAt(size_t begin) {
  size_t searched = begin;
  while (true) {
    const size_t end = rest_.find('\n', searched);
    if (end != rest_.npos)
      return rest_.substr(begin, end + 1 - begin);
    if (at_end_)
      return rest_.substr(begin);
    searched = rest_.size();
    TRAINC_RETURN_IF_ERROR(extend(rest_));
  }
}

//===----------------------------------------------------------------------===//
// Documents
//===----------------------------------------------------------------------===//

Status PassageReader::readJsonLine(std::string_view line) {
  auto json = nlohmann::json::parse(line.begin(), line.end(), nullptr,
                                    /*allow_exceptions=*/false);
  auto text = json.is_object() ? json.find("text") : json.end();
  if (!json.is_object() || text == json.end() || !text->is_string())
    return Status::user(fmt::format(
        "line {}: expected a JSON object with a member \"text\" that is a "
        "text, but got {}; repair the line, or name another --documents rule",
        line_,
        json.is_discarded()  ? "no JSON"
        : !json.is_object()  ? "something else"
        : text == json.end() ? "an object without"
                             : "one of another type"));
  json_ = std::make_shared<const std::string>(
      std::move(text->get_ref<std::string &>()));
  json_offset_bytes_ =
      block_offset_bytes_ + static_cast<uint64_t>(line.data() - block_->data());
  document_ = *json_;
  return {};
}

/// A document of one line or, of blank-lines, of those up to a blank one.
/// Blank lines alone give none.
Status PassageReader::takeLines() {
  size_t size = 0;
  while (true) {
    Result<std::string_view> line = lineAt(size);
    if (!line.ok())
      return line.status();
    ++line_;
    const bool blank = isBlank(*line);
    if (!blank && layout_.documents == DocumentRule::JsonLines) {
      // Before rest_ moves: the line is a part of it.
      TRAINC_RETURN_IF_ERROR(readJsonLine(*line));
      rest_.remove_prefix(line->size());
      return {};
    }
    if (blank) {
      document_ = rest_.substr(0, size);
      rest_.remove_prefix(size + line->size());
      return {};
    }
    size += line->size();
    if (layout_.documents == DocumentRule::Lines) {
      document_ = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return {};
    }
  }
}

Status PassageReader::takeUpToSeparator() {
  size_t searched = 0;
  while (true) {
    const size_t end = rest_.find(layout_.separator, searched);
    if (end == rest_.npos && !at_end_) {
      // The separator may have begun.
      searched =
          rest_.size() - std::min(rest_.size(), layout_.separator.size() - 1);
      TRAINC_RETURN_IF_ERROR(extend(rest_));
      continue;
    }
    document_ = rest_.substr(0, end);
    rest_.remove_prefix(end == rest_.npos ? rest_.size()
                                          : end + layout_.separator.size());
    // Line ends around separators are no document.
    if (isBlank(document_))
      document_ = {};
    return {};
  }
}

/// Puts the next document with text into document_.
Result<bool> PassageReader::nextDocument() {
  json_.reset();
  document_ = {};
  begins_document_ = true;
  sentence_left_bytes_ = 0;
  while (document_.empty()) {
    if (rest_.empty())
      TRAINC_RETURN_IF_ERROR(extend(rest_));
    if (rest_.empty())
      return false;
    if (layout_.documents == DocumentRule::Files) {
      document_ = rest_;
      rest_.remove_prefix(rest_.size());
      open_ = !at_end_;
    } else if (layout_.documents == DocumentRule::Separator) {
      TRAINC_RETURN_IF_ERROR(takeUpToSeparator());
    } else {
      TRAINC_RETURN_IF_ERROR(takeLines());
    }
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Sentences and passages
//===----------------------------------------------------------------------===//

/// Where the sentence at the front of document_ ends; white space after its
/// last line end belongs to the next one, as the tokens of words do.
size_t PassageReader::sentenceEnd() const {
  const size_t size = document_.size();
  size_t at = document_.find_first_not_of(kSpaces);
  while (at < size) {
    if (layout_.sentences == SentenceRule::Lines) {
      at = document_.find('\n', at);
      if (at == document_.npos)
        return size;
    } else {
      at = document_.find_first_of(".!?", at);
      at = document_.find_first_not_of(".!?\"')]", at);
      if (at == document_.npos)
        return size;
      if (kSpaces.find(document_[at]) == kSpaces.npos)
        continue;
    }
    size_t next = document_.find_first_not_of(kSpaces, at);
    if (next == document_.npos)
      return size;
    size_t line_end = document_.substr(at, next - at).rfind('\n');
    return line_end == document_.npos ? at : at + line_end + 1;
  }
  return size;
}

/// At most about `limit` bytes from the front of document_: after a line end
/// where there is one, before a space otherwise.
size_t PassageReader::passageEnd(size_t limit) const {
  if (document_.size() <= limit)
    return document_.size();
  if (layout_.cut_anywhere)
    return limit;
  std::string_view front = document_.substr(0, limit);
  if (size_t end = front.rfind('\n'); end != front.npos)
    return end + 1;
  if (size_t end = front.rfind(' '); end != front.npos && end > 0)
    return end;
  size_t end = limit;
  while (end > 1 && (static_cast<unsigned char>(front[end - 1]) & 0xc0) == 0x80)
    --end;
  // In front of the character that begins there, unless it is the only one.
  return end > 1 ? end - 1 : limit;
}

Result<bool> PassageReader::next(Passage &passage) {
  passage = {};
  if (document_.empty()) {
    Result<bool> found = nextDocument();
    if (!found.ok() || !*found)
      return found;
  }
  // Whether anything ends is known from what comes behind it.
  while (open_ && document_.size() <= kPassageBytes)
    TRAINC_RETURN_IF_ERROR(extendDocument());
  size_t limit = kPassageBytes;
  if (layout_.sentences != SentenceRule::None) {
    if (sentence_left_bytes_ == 0) {
      sentence_left_bytes_ = sentenceEnd();
      while (open_ && sentence_left_bytes_ == document_.size()) {
        TRAINC_RETURN_IF_ERROR(extendDocument());
        sentence_left_bytes_ = sentenceEnd();
      }
      passage.begins_sentence = true;
    }
    limit = std::min(limit, sentence_left_bytes_);
  }
  const size_t size = limit == sentence_left_bytes_ ? limit : passageEnd(limit);
  passage.text = document_.substr(0, size);
  passage.owner = json_ ? json_ : block_;
  passage.offset_bytes =
      json_ ? json_offset_bytes_
            : block_offset_bytes_ +
                  static_cast<uint64_t>(document_.data() - block_->data());
  passage.begins_document = begins_document_;
  document_.remove_prefix(size);
  if (sentence_left_bytes_)
    sentence_left_bytes_ -= size;
  passage.ends_document = document_.empty();
  begins_document_ = false;
  return true;
}

} // namespace trainc
