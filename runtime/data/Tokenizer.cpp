//===- Tokenizer.cpp ------------------------------------------------------===//

#include "runtime/data/Tokenizer.h"

#include "runtime/checkpoint/Files.h"

#include <charconv>
#include <fmt/format.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

namespace trainc {

struct Tokenizer::Model {
  sentencepiece::SentencePieceProcessor processor;
};

Tokenizer::Tokenizer(std::unique_ptr<Model> model) : model_(std::move(model)) {}
Tokenizer::Tokenizer(Tokenizer &&) noexcept = default;
Tokenizer &Tokenizer::operator=(Tokenizer &&) noexcept = default;
Tokenizer::~Tokenizer() = default;

//===----------------------------------------------------------------------===//
// UTF-8
//===----------------------------------------------------------------------===//

/// Length of the well-formed UTF-8 character at the front of `text`, or 0.
static size_t characterLength(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(0);
  size_t length = lead < 0x80   ? 1
                  : lead < 0xc2 ? 0
                  : lead < 0xe0 ? 2
                  : lead < 0xf0 ? 3
                  : lead < 0xf5 ? 4
                                : 0;
  if (length == 0 || length > text.size())
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80)
      return 0;
  // Overlong forms, surrogates, and code points past U+10FFFF.
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) ||
      (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f))
    return 0;
  return length;
}

size_t findInvalidUtf8(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    size_t length = characterLength(text.substr(position));
    if (length == 0)
      return position;
    position += length;
  }
  return position;
}

//===----------------------------------------------------------------------===//
// Training
//===----------------------------------------------------------------------===//

namespace {
/// Feeds the trainer line by line, long lines in pieces it accepts.
class Lines final : public sentencepiece::SentenceIterator {
public:
  static constexpr size_t kMaxBytes = 4000;

  explicit Lines(std::span<const std::string_view> texts) : texts_(texts) {
    Next();
  }
  bool done() const override { return done_; }
  const std::string &value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

  void Next() override {
    while (rest_.empty()) {
      if (next_text_ == texts_.size()) {
        done_ = true;
        return;
      }
      rest_ = texts_[next_text_++];
    }
    size_t end = rest_.find('\n');
    size_t taken = end == rest_.npos ? rest_.size() : end + 1;
    std::string_view line = rest_.substr(0, end);
    if (line.size() > kMaxBytes) {
      size_t cut = kMaxBytes;
      while (cut > 1 && (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80)
        --cut;
      line = line.substr(0, cut);
      taken = cut;
    }
    line_.assign(line);
    rest_.remove_prefix(taken);
  }

private:
  std::span<const std::string_view> texts_;
  size_t next_text_ = 0;
  std::string_view rest_;
  std::string line_;
  bool done_ = false;
};
} // namespace

/// The last part of a message like "file.cc(660) [condition] Reason".
static std::string_view reason(const sentencepiece::util::Status &status) {
  std::string_view message = status.message();
  size_t bracket = message.rfind("] ");
  if (bracket == message.npos)
    return message;
  message.remove_prefix(bracket + 2);
  return message.empty() ? "bytes of another kind" : message;
}

Result<std::string> Tokenizer::train(std::span<const std::string_view> texts,
                                     uint32_t vocabulary) {
  // 256 bytes, three control pieces and the line end come with every model.
  if (vocabulary < 300 || vocabulary > 1'000'000)
    return Status::user(fmt::format(
        "expected a vocabulary of 300 to 1000000 pieces, but got {}",
        vocabulary));
  Lines lines(texts);
  std::string serialized;
  sentencepiece::util::Status status =
      sentencepiece::SentencePieceTrainer::Train(
          {{"model_type", "bpe"},
           {"vocab_size", std::to_string(vocabulary)},
           {"byte_fallback", "true"},
           {"normalization_rule_name", "identity"},
           {"add_dummy_prefix", "false"},
           {"remove_extra_whitespaces", "false"},
           {"allow_whitespace_only_pieces", "true"},
           {"split_digits", "true"},
           {"user_defined_symbols", "\n"},
           {"character_coverage", "0.9995"},
           {"max_sentence_length", std::to_string(Lines::kMaxBytes + 4)},
           // One thread: the order of its work decides nothing then.
           {"num_threads", "1"},
           {"minloglevel", "3"}},
          &lines, &serialized);
  if (!status.ok())
    return Status::user(fmt::format(
        "expected text that a vocabulary of {} pieces can be trained on, but "
        "got: {}; change the vocabulary's size or use more text",
        vocabulary, reason(status)));
  return serialized;
}

//===----------------------------------------------------------------------===//
// Encoding and decoding
//===----------------------------------------------------------------------===//

Result<Tokenizer> Tokenizer::open(const std::string &model) {
  if (model == "bytes")
    return Tokenizer(nullptr);
  constexpr uint64_t kMaxModelBytes = uint64_t(1) << 28;
  Result<std::string> serialized = readWholeFile(model, kMaxModelBytes);
  if (!serialized.ok())
    return serialized.status();
  Result<Tokenizer> tokenizer = fromSerialized(*serialized);
  if (!tokenizer.ok())
    return Status::file(fmt::format("{}: {}; make a model with trainrun "
                                    "tokenize --train, or use --model bytes",
                                    model, tokenizer.status().message()));
  return tokenizer;
}

/// The library answers some models with an exception.
template <typename Call> static sentencepiece::util::Status guarded(Call call) {
  try {
    return call();
  } catch (const std::exception &error) {
    return {sentencepiece::util::StatusCode::kInternal, error.what()};
  }
}

Result<Tokenizer> Tokenizer::fromSerialized(const std::string &serialized) {
  auto model = std::make_unique<Model>();
  sentencepiece::util::Status status = guarded(
      [&] { return model->processor.LoadFromSerializedProto(serialized); });
  if (!status.ok() || model->processor.GetPieceSize() <= 0)
    return Status::file(
        fmt::format("expected a SentencePiece model, but got: {}",
                    status.ok() ? "no pieces" : reason(status)));
  return Tokenizer(std::move(model));
}

uint32_t Tokenizer::vocabularySize() const {
  return model_ ? static_cast<uint32_t>(model_->processor.GetPieceSize()) : 256;
}

std::optional<uint32_t> Tokenizer::findPiece(const std::string &piece) const {
  if (!model_)
    return {};
  int id = model_->processor.PieceToId(piece);
  // Unknown texts get the id of the unknown piece.
  if (id < 0 || model_->processor.IdToPiece(id) != piece)
    return {};
  return static_cast<uint32_t>(id);
}

Status Tokenizer::encode(std::string_view text,
                         std::vector<uint32_t> &ids) const {
  if (!model_) {
    size_t size = ids.size();
    ids.resize(size + text.size());
    for (char c : text)
      ids[size++] = static_cast<unsigned char>(c);
    return {};
  }
  if (size_t bad = findInvalidUtf8(text); bad != text.size())
    return Status::user(fmt::format(
        "byte {}: expected UTF-8 text, but got byte 0x{:02x}; convert the "
        "text, or use --model bytes",
        bad, static_cast<unsigned char>(text[bad])));
  std::vector<int> pieces;
  while (!text.empty()) {
    // Line by line, so that memory does not grow with the text; the line end
    // is a token of its own, so no piece could have crossed it.
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end == text.npos ? end : end + 1);
    sentencepiece::util::Status status = guarded([&] {
      return model_->processor.Encode({line.data(), line.size()}, &pieces);
    });
    if (!status.ok())
      return Status::file(
          fmt::format("expected a tokenizer that can encode text, but got: {}",
                      reason(status)));
    ids.insert(ids.end(), pieces.begin(), pieces.end());
    text.remove_prefix(line.size());
  }
  return {};
}

std::string Tokenizer::decode(uint32_t id) const {
  if (id >= vocabularySize())
    return {};
  if (!model_)
    return std::string(1, static_cast<char>(id));
  int piece_id = static_cast<int>(id);
  const sentencepiece::SentencePieceProcessor &processor = model_->processor;
  if (processor.IsControl(piece_id))
    return {};
  if (processor.IsUnknown(piece_id))
    return "\xef\xbf\xbd";
  std::string piece = processor.IdToPiece(piece_id);
  if (processor.IsByte(piece_id)) {
    // Spelled "<0xE2>".
    unsigned byte = 0;
    if (piece.size() == 6)
      std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
    return std::string(1, static_cast<char>(byte));
  }
  static constexpr std::string_view kSpace = "\xe2\x96\x81"; // U+2581
  for (size_t at = 0; (at = piece.find(kSpace, at)) != piece.npos; ++at)
    piece.replace(at, kSpace.size(), " ");
  return piece;
}

} // namespace trainc
