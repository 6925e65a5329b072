//===- CorpusEncoder.h - many texts to one token file ------------*- C++
//-*-===//
//
// Decides how the work of a tokenizer is shared out: passages in order, over
// all files, in units of about a quarter of a mebibyte, a few units per thread
// at a time. The tokens do not depend on the number of threads, and memory not
// on the number of the files.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_CORPUSENCODER_H
#define TRAINC_RUNTIME_DATA_CORPUSENCODER_H

#include "runtime/checkpoint/Files.h"
#include "runtime/core/ThreadPool.h"
#include "runtime/data/Documents.h"
#include "runtime/data/TokenFileWriter.h"
#include "runtime/data/Tokenizer.h"

#include <functional>
#include <optional>

namespace trainc {

/// What a first pass over text files finds.
struct TextCounts {
  uint64_t bytes = 0;
  uint64_t documents = 0;
  uint64_t sentences = 0;
};

/// Adds what the file has to `counts` and checks it, before hours are spent:
/// user error for a line against the rules and, unless `any_bytes`, for the
/// first byte that is not UTF-8.
Status surveyText(const std::string &path, const TextLayout &layout,
                  bool any_bytes, TextCounts &counts);

class CorpusEncoder {
public:
  /// All must outlive the encoder. `end_token` is appended to every document.
  CorpusEncoder(const Tokenizer &tokenizer, ThreadPool &pool,
                TokenFileWriter &writer, std::optional<uint32_t> end_token)
      : tokenizer_(tokenizer), pool_(pool), writer_(writer),
        end_token_(end_token) {}

  /// Appends the texts in order. `progress` hears of bytes that are done, and
  /// ends the work by returning false, which is no error.
  Status encode(std::span<const std::string> paths, const TextLayout &layout,
                const std::function<bool(uint64_t bytes)> &progress);

private:
  struct Unit {
    std::vector<Passage> passages;
    std::vector<size_t> ends; ///< in `ids`, one per passage
    std::vector<uint32_t> ids;
    Status status;
    uint64_t bytes = 0;
  };
  /// The file that is being read.
  struct Source {
    std::string path;
    std::optional<PassageReader> reader;
  };
  Result<bool> next(Passage &passage);
  Status gather();
  void encodeUnit(Unit &unit) const;
  Status write(const Unit &unit);

  const Tokenizer &tokenizer_;
  ThreadPool &pool_;
  TokenFileWriter &writer_;
  std::optional<uint32_t> end_token_;
  std::span<const std::string> paths_; ///< not opened yet
  TextLayout layout_;
  Source source_;
  std::vector<Unit> units_;
  size_t used_ = 0; ///< units with passages
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_CORPUSENCODER_H
