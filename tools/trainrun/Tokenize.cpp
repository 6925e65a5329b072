//===- Tokenize.cpp - trainrun tokenize -----------------------------------===//
//
// Text files to one token file: `tokens` in the smallest type that holds the
// vocabulary, `document_offsets`, and `sentence_offsets` where asked for: the
// first token of each, and the end. With --train the model is trained on the
// same texts and lies beside the output.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/data/CorpusEncoder.h"
#include "tools/trainrun/ProgressBar.h"
#include "tools/trainrun/Signals.h"
#include "tools/trainrun/Support.h"

#include <charconv>
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
    texts.push_back(std::move(*text));
  }
  std::vector<std::string_view> views(texts.begin(), texts.end());
  return Tokenizer::train(views, options.train_vocabulary);
}

/// Checks the texts, and opens or trains the tokenizer: what takes longest
/// comes last.
static Result<Tokenizer> makeTokenizer(const TokenizeOptions &options,
                                       const TextLayout &layout,
                                       TextCounts &counts,
                                       std::string &serialized) {
  const auto survey = [&]() -> Status {
    for (const std::string &path : options.texts)
      TRAINC_RETURN_IF_ERROR(
          surveyText(path, layout, options.model == "bytes", counts));
    return {};
  };
  if (options.train_vocabulary == 0) {
    Result<Tokenizer> tokenizer = Tokenizer::open(options.model);
    if (tokenizer.ok())
      TRAINC_RETURN_IF_ERROR(survey());
    return tokenizer;
  }
  TRAINC_RETURN_IF_ERROR(survey());
  Result<std::string> trained = trainModel(options);
  if (!trained.ok())
    return trained.status();
  serialized = std::move(*trained);
  return Tokenizer::fromSerialized(serialized);
}

/// The id that --end-token means.
static Result<std::optional<uint32_t>>
findEndToken(const TokenizeOptions &options, const Tokenizer &tokenizer) {
  const std::string &text = options.end_token;
  if (text.empty())
    return std::optional<uint32_t>();
  if (std::optional<uint32_t> piece = tokenizer.findPiece(text))
    return piece;
  uint32_t id = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), id);
  // Token ids are i32 where they meet the model.
  if (error != std::errc() || end != text.data() + text.size() ||
      id > INT32_MAX)
    return Status::user(fmt::format(
        "expected --end-token with a piece of the tokenizer or an id, but got "
        "'{}'; SentencePiece models usually have '</s>', and 256 is free "
        "beside bytes",
        text));
  return std::optional<uint32_t>(id);
}

static Result<TextLayout> layoutOf(const TokenizeOptions &options) {
  TextLayout layout;
  TRAINC_RETURN_IF_ERROR(parseDocumentRule(options.documents, layout));
  if (!options.sentences.empty())
    TRAINC_RETURN_IF_ERROR(parseSentenceRule(options.sentences, layout));
  layout.cut_anywhere = options.model == "bytes";
  return layout;
}

namespace {
/// What the last lines report.
struct Totals {
  TextCounts text;
  uint64_t tokens = 0;
  uint64_t vocabulary = 0;
  double seconds = 0;
};
} // namespace

static void report(const TokenizeOptions &options, const std::string &model,
                   const Totals &totals) {
  if (options.json) {
    fmt::print(R"({{"output": {}, "model": {}, "text_bytes": {}, )"
               R"("documents": {}, "sentences": {}, "tokens": {}, )"
               R"("vocabulary": {}, "seconds": {}}})"
               "\n",
               jsonString(options.output), jsonString(model), totals.text.bytes,
               totals.text.documents,
               options.sentences.empty()
                   ? "null"
                   : fmt::format("{}", totals.text.sentences),
               totals.tokens, totals.vocabulary, jsonNumber(totals.seconds));
    return;
  }
  fmt::print("{} bytes of text in {} documents, {} tokens, vocabulary {}\n",
             totals.text.bytes, totals.text.documents, totals.tokens,
             totals.vocabulary);
  if (options.train_vocabulary > 0)
    fmt::print("wrote {} and {}\n", options.output, model);
  else
    fmt::print("wrote {}\n", options.output);
}

Status runTokenize(const TokenizeOptions &options, int &interrupted) {
  if (options.model.empty() == (options.train_vocabulary == 0))
    return Status::user("expected either --model TOKENIZER or --train "
                        "VOCAB_SIZE, but got neither or both");
  Result<TextLayout> layout = layoutOf(options);
  if (!layout.ok())
    return layout.status();
  Totals totals;
  std::string serialized;
  Result<Tokenizer> tokenizer =
      makeTokenizer(options, *layout, totals.text, serialized);
  if (!tokenizer.ok())
    return tokenizer.status();
  Result<std::optional<uint32_t>> end_token = findEndToken(options, *tokenizer);
  if (!end_token.ok())
    return end_token.status();
  totals.vocabulary = tokenizer->vocabularySize();
  if (*end_token)
    totals.vocabulary =
        std::max<uint64_t>(totals.vocabulary, uint64_t(**end_token) + 1);

  auto pool = ThreadPool::create(options.threads);
  if (!pool.ok())
    return pool.status();
  Result<TokenFileWriter> writer =
      TokenFileWriter::create(options.output, totals.text.documents,
                              totals.text.sentences, totals.vocabulary);
  if (!writer.ok())
    return writer.status();
  StopSignals signals;
  ProgressBar bar(stderr);
  uint64_t done = 0;
  CorpusEncoder encoder(*tokenizer, **pool, *writer, *end_token);
  TRAINC_RETURN_IF_ERROR(
      encoder.encode(options.texts, *layout, [&](uint64_t part) {
        done += part;
        // Short work needs no bar.
        if (bar.elapsedSeconds() > 1)
          bar.show(done, totals.text.bytes, [&] {
            double rate = static_cast<double>(done) / bar.elapsedSeconds();
            uint64_t left =
                totals.text.bytes - std::min(done, totals.text.bytes);
            return fmt::format("{} of {}  {}/s  {} left", humanBytes(done),
                               humanBytes(totals.text.bytes),
                               humanBytes(static_cast<uint64_t>(rate)),
                               humanTime(static_cast<double>(left) / rate));
          });
        return !StopSignals::received();
      }));
  bar.finish();
  if (StopSignals::received()) {
    interrupted = StopSignals::received();
    bar.note("stopped; nothing was written");
    return {};
  }
  if (!serialized.empty())
    TRAINC_RETURN_IF_ERROR(
        writeWholeFile(modelPath(options.output), serialized));
  TRAINC_RETURN_IF_ERROR(writer->finish());
  totals.tokens = writer->tokens();
  totals.seconds = bar.elapsedSeconds();
  report(options,
         serialized.empty() ? options.model : modelPath(options.output),
         totals);
  return {};
}

} // namespace trainc::trainrun
