//===- tokenizer.cpp - SentencePiece models -------------------------------===//
//
// Models from anywhere: one that loads encodes and decodes.
//
//===----------------------------------------------------------------------===//

#include "runtime/data/Tokenizer.h"
#include "test/fuzz/Fuzz.h"

using namespace trainc;

void fuzz::read(std::span<const uint8_t> input) {
  Result<Tokenizer> tokenizer =
      Tokenizer::fromSerialized({input.begin(), input.end()});
  if (!tokenizer.ok())
    return requireClear(tokenizer.status().message());
  std::vector<uint32_t> ids;
  const Status status =
      tokenizer->encode("In the beginning\nwas \xc3\xa4 word, 12.\n", ids);
  if (!status.ok())
    requireClear(status.message());
  for (const uint32_t id : ids)
    require(id < tokenizer->vocabularySize(), "an id beyond the vocabulary",
            std::to_string(id));
  for (uint32_t id = 0; id <= tokenizer->vocabularySize() && id < 1000; ++id)
    (void)tokenizer->decode(id);
}

std::vector<std::string> fuzz::seeds() {
  const std::string text = "In the beginning God created the heaven and the "
                           "earth. And the earth was without form.\n";
  const std::vector<std::string_view> texts = {text};
  std::vector<std::string> models;
  Result<std::string> model = Tokenizer::train(texts, 300);
  require(model.ok(), "no model", model.status().message());
  models.push_back(*model);
  // Two pieces: <unk> and "a"; the trainer's part is left out.
  models.push_back("\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"
                   "\x0a\x08\x0a\x01"
                   "a\x15\0\0\0\0");
  return models;
}
