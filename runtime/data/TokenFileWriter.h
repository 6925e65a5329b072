//===- TokenFileWriter.h - a token file as it comes --------------*- C++
//-*-===//
//
// Decides how a token file is written without being held in memory: the
// offsets, whose numbers are known, lie first and are filled in while the
// tokens, whose number is not, grow behind them. Nothing is at the path before
// finish().
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_TOKENFILEWRITER_H
#define TRAINC_RUNTIME_DATA_TOKENFILEWRITER_H

#include "runtime/checkpoint/Safetensors.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace trainc {

class TokenFileWriter {
public:
  /// A file of `documents` documents and, unless 0, `sentences` sentences, with
  /// ids below `vocabulary`: `tokens` is U16 where they fit.
  static Result<TokenFileWriter> create(const std::string &path,
                                        uint64_t documents, uint64_t sentences,
                                        uint64_t vocabulary);

  /// The next token begins a document, or a sentence.
  Status beginDocument() { return document_offsets_.append(file_, tokens_); }
  Status beginSentence() { return sentence_offsets_.append(file_, tokens_); }
  Status append(std::span<const uint32_t> ids);
  /// Ends the last document and sentence, and puts the file in place.
  Status finish();

  uint64_t tokens() const { return tokens_; }

private:
  /// A tensor of offsets that is filled from its front.
  struct Offsets {
    uint64_t begin = 0; ///< bytes after the header
    uint64_t count = 0;
    uint64_t written = 0;
    std::vector<uint64_t> pending;

    Status append(SafetensorsWriter &file, uint64_t offset);
    Status flush(SafetensorsWriter &file);
  };

  SafetensorsWriter file_;
  std::string path_;
  bool wide_ = false;
  uint64_t tokens_ = 0;
  Offsets document_offsets_, sentence_offsets_;
  std::vector<uint16_t> narrow_;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_TOKENFILEWRITER_H
