//===- Tokenize.cpp - trainrun tokenize -----------------------------------===//
//
// Text files to one token file: `tokens` in the smallest type that holds the
// vocabulary, and `document_offsets`, the first token of every text and the
// end. With --train the model is trained on the same texts and lies beside the
// output.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/checkpoint/Safetensors.h"
#include "runtime/data/Tokenizer.h"
#include "tools/trainrun/Support.h"

#include <fmt/format.h>

namespace trainc::trainrun {

/// "books.safetensors" -> "books.model".
static std::string modelPath(const std::string &output) {
  static constexpr std::string_view kExtension = ".safetensors";
  std::string stem = output;
  if (output.ends_with(kExtension))
    stem.resize(output.size() - kExtension.size());
  return stem + ".model";
}

static Result<std::string> trainModel(const TokenizeOptions &options) {
  std::vector<std::string> texts;
  for (const std::string &path : options.texts) {
    Result<std::string> text = readWholeFile(path);
    if (!text.ok())
      return text.status();
    if (size_t bad = findInvalidUtf8(*text); bad != text->size())
      return Status::user(fmt::format(
          "{}: byte {}: expected UTF-8 text, but got byte 0x{:02x}; convert "
          "the text, or use --model bytes",
          path, bad, static_cast<unsigned char>((*text)[bad])));
    texts.push_back(std::move(*text));
  }
  std::vector<std::string_view> views(texts.begin(), texts.end());
  return Tokenizer::train(views, options.train_vocabulary);
}

static Status writeTokens(const std::string &path,
                          const std::vector<uint32_t> &ids,
                          const std::vector<uint64_t> &offsets, bool wide) {
  std::vector<TensorSpec> specs = {
      {"tokens", wide ? TensorType::U32 : TensorType::U16, {ids.size()}},
      {"document_offsets", TensorType::U64, {offsets.size()}}};
  // Large types first keeps every tensor aligned.
  std::swap(specs[0], specs[1]);
  auto writer = SafetensorsWriter::create(path, specs);
  if (!writer.ok())
    return writer.status();
  TRAINC_RETURN_IF_ERROR(writer->write(std::as_bytes(std::span(offsets))));
  if (wide) {
    TRAINC_RETURN_IF_ERROR(writer->write(std::as_bytes(std::span(ids))));
  } else {
    std::vector<uint16_t> narrow;
    constexpr size_t kPiece = size_t(1) << 16;
    for (size_t begin = 0; begin < ids.size(); begin += kPiece) {
      size_t end = std::min(ids.size(), begin + kPiece);
      narrow.assign(ids.begin() + begin, ids.begin() + end);
      TRAINC_RETURN_IF_ERROR(writer->write(std::as_bytes(std::span(narrow))));
    }
  }
  return writer->finish();
}

Status runTokenize(const TokenizeOptions &options) {
  if (options.model.empty() == (options.train_vocabulary == 0))
    return Status::user("expected either --model TOKENIZER or --train "
                        "VOCAB_SIZE, but got neither or both");
  std::string serialized;
  if (options.train_vocabulary > 0) {
    Result<std::string> trained = trainModel(options);
    if (!trained.ok())
      return trained.status();
    serialized = std::move(*trained);
  }
  Result<Tokenizer> tokenizer = serialized.empty()
                                    ? Tokenizer::open(options.model)
                                    : Tokenizer::fromSerialized(serialized);
  if (!tokenizer.ok())
    return tokenizer.status();

  std::vector<uint32_t> ids;
  std::vector<uint64_t> offsets = {0};
  uint64_t text_bytes = 0;
  for (const std::string &path : options.texts) {
    Result<std::string> text = readWholeFile(path);
    if (!text.ok())
      return text.status();
    Status status = tokenizer->encode(*text, ids);
    if (!status.ok())
      return Status(status.code(),
                    fmt::format("{}: {}", path, status.message()));
    offsets.push_back(ids.size());
    text_bytes += text->size();
  }
  if (!serialized.empty())
    TRAINC_RETURN_IF_ERROR(
        writeWholeFile(modelPath(options.output), serialized));
  TRAINC_RETURN_IF_ERROR(writeTokens(options.output, ids, offsets,
                                     tokenizer->vocabularySize() > 65536));
  std::string model =
      serialized.empty() ? options.model : modelPath(options.output);
  if (options.json) {
    fmt::print(R"({{"output": {}, "model": {}, "text_bytes": {}, )"
               R"("tokens": {}, "vocabulary": {}}})"
               "\n",
               jsonString(options.output), jsonString(model), text_bytes,
               ids.size(), tokenizer->vocabularySize());
    return {};
  }
  fmt::print("{} bytes of text, {} tokens, vocabulary {}\n", text_bytes,
             ids.size(), tokenizer->vocabularySize());
  if (!serialized.empty())
    fmt::print("wrote {} and {}\n", options.output, model);
  else
    fmt::print("wrote {}\n", options.output);
  return {};
}

} // namespace trainc::trainrun
