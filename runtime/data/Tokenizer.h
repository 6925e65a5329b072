//===- Tokenizer.h - text to token ids and back ------------------*- C++
//-*-===//
//
// Decides the two tokenizers of trainrun: SentencePiece models, and "bytes",
// whose ids are the bytes. Models trained here give text back exactly: no
// normalization, no invented spaces, line ends are tokens of their own, and
// characters outside the vocabulary fall back to bytes.
//
// SentencePiece: Kudo and Richardson 2018, https://arxiv.org/abs/1808.06226.
// BPE: Sennrich et al. 2016, https://arxiv.org/abs/1508.07909.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_TOKENIZER_H
#define TRAINC_RUNTIME_DATA_TOKENIZER_H

#include "runtime/core/Status.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trainc {

class Tokenizer {
public:
  Tokenizer(Tokenizer &&) noexcept;
  Tokenizer &operator=(Tokenizer &&) noexcept;
  ~Tokenizer();

  /// `model` is the path of a SentencePiece model, or "bytes".
  static Result<Tokenizer> open(const std::string &model);
  /// From the bytes of a SentencePiece model.
  static Result<Tokenizer> fromSerialized(const std::string &serialized);

  /// Trains a byte-pair-encoding model of `vocabulary` pieces on `texts`
  /// (UTF-8) and returns its bytes. Deterministic: equal texts give equal
  /// bytes.
  static Result<std::string> train(std::span<const std::string_view> texts,
                                   uint32_t vocabulary);

  /// Number of ids.
  uint32_t vocabularySize() const;

  /// The id of a piece such as "</s>", or none.
  std::optional<uint32_t> findPiece(const std::string &piece) const;

  /// Appends the ids of `text`. May be called from several threads.
  /// SentencePiece wants UTF-8: user error with the position of the first byte
  /// that is not.
  Status encode(std::string_view text, std::vector<uint32_t> &ids) const;

  /// The bytes `id` stands for; a character may be spread over several ids.
  /// Empty for control pieces and for ids outside the vocabulary.
  std::string decode(uint32_t id) const;

private:
  struct Model;
  explicit Tokenizer(std::unique_ptr<Model> model);
  std::unique_ptr<Model> model_; ///< null: bytes
};

/// Position of the first byte of `text` that is not well-formed UTF-8, or
/// text.size().
size_t findInvalidUtf8(std::string_view text);

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_TOKENIZER_H
