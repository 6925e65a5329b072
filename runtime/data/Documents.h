//===- Documents.h - text files as documents and sentences -------*- C++
//-*-===//
//
// Decides where documents and sentences of a text begin, and in which passages
// a text reaches the tokenizer: pieces of at most a quarter of a mebibyte, cut
// where no token crosses, so that neither memory nor the waiting of one thread
// grows with the text.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_DOCUMENTS_H
#define TRAINC_RUNTIME_DATA_DOCUMENTS_H

#include "runtime/core/Status.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace trainc {

enum class DocumentRule {
  Files,      ///< every file is one
  Lines,      ///< every line that is not blank
  BlankLines, ///< what lies between blank lines (BERT's text format)
  JsonLines,  ///< the member "text" of every line's JSON object
  Separator   ///< what lies between separators, such as "<|endoftext|>"
};

enum class SentenceRule {
  None,  ///< not asked for
  Lines, ///< every line that is not blank (BERT's text format)
  Stops  ///< ends at . ! ? and quotes or brackets after them, before a space
};

struct TextLayout {
  DocumentRule documents = DocumentRule::Files;
  std::string separator; ///< of DocumentRule::Separator, not empty
  SentenceRule sentences = SentenceRule::None;
  /// Whether passages may be cut at any byte, not only where no token crosses.
  bool cut_anywhere = false;
};

/// "files", "lines", "blank-lines", "jsonl", or "separator=TEXT" into `layout`;
/// user error otherwise.
Status parseDocumentRule(std::string_view text, TextLayout &layout);
/// "lines" or "stops"; user error otherwise.
Status parseSentenceRule(std::string_view text, TextLayout &layout);

/// Puts the next bytes of a text at the front of the span and says how many:
/// fewer than fit only at the end.
using ReadText = std::function<Result<size_t>(std::span<char>)>;

/// A piece of a document. `owner` keeps `text` alive.
struct Passage {
  std::string_view text;
  /// Where it begins in the text read; with JsonLines, where its line does.
  uint64_t offset_bytes = 0;
  bool begins_document = false;
  bool ends_document = false;
  bool begins_sentence = false;
  std::shared_ptr<const void> owner;
};

/// Gives the passages of one text in order. Documents without any text count
/// for nothing. In memory are a few passages and, unless the rule is Files, the
/// largest document; with sentences, the largest of them.
class PassageReader {
public:
  static constexpr size_t kPassageBytes = size_t(1) << 18;

  PassageReader(ReadText read, const TextLayout &layout)
      : read_(std::move(read)), layout_(layout) {}

  /// The next passage, or false at the end. User error for a line that is not
  /// as the rule says; the message begins with the line's number. Errors of
  /// `read` go through.
  Result<bool> next(Passage &passage);

private:
  Status extend(std::string_view &view);
  Status extendDocument();
  Result<std::string_view> lineAt(size_t begin);
  Status takeLines();
  Status takeUpToSeparator();
  Status readJsonLine(std::string_view line);
  Result<bool> nextDocument();
  size_t sentenceEnd() const;
  size_t passageEnd(size_t limit) const;

  ReadText read_;
  TextLayout layout_;
  bool at_end_ = false; ///< of what read_ gives
  /// What was read last; document_ and rest_ point into it, unless the document
  /// was made from JSON.
  std::shared_ptr<const std::string> block_;
  uint64_t block_offset_bytes_ = 0; ///< of block_ in the text
  std::string_view rest_;           ///< read, and in no document yet
  uint64_t line_ = 0;               ///< lines taken so far
  std::string_view document_;       ///< what is left of this document
  bool open_ = false;               ///< it goes on behind block_
  uint64_t json_offset_bytes_ = 0;
  std::shared_ptr<const std::string> json_; ///< the document, if from JSON
  bool begins_document_ = false;
  size_t sentence_left_bytes_ = 0; ///< up to the end of this sentence
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_DOCUMENTS_H
