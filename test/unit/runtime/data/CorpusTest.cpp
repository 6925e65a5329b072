//===- CorpusTest.cpp - texts to token files ------------------------------===//

#include "runtime/data/CorpusEncoder.h"
#include "runtime/data/TokenFiles.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

namespace trainc {
namespace {

using test::TemporaryFolder;

struct Encoded {
  std::vector<int32_t> tokens;
  std::vector<uint64_t> documents, sentences;
  std::string bytes; ///< of the file
};

class CorpusTest : public testing::Test {
protected:
  std::string write(const std::string &name, const std::string &text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  std::vector<uint64_t> offsets(const SafetensorsFile &file,
                                const std::string &name) {
    const TensorInfo *tensor = file.find(name);
    if (!tensor)
      return {};
    EXPECT_EQ(tensor->offset_bytes % 8, 0u);
    std::vector<uint64_t> values(tensor->shape[0]);
    EXPECT_TRUE(
        file.read(*tensor, 0, std::as_writable_bytes(std::span(values))).ok());
    return values;
  }

  Encoded encode(const std::vector<std::string> &paths,
                 const TextLayout &layout, unsigned threads,
                 std::optional<uint32_t> end_token = {}) {
    Result<Tokenizer> tokenizer = Tokenizer::open(model_);
    EXPECT_TRUE(tokenizer.ok());
    TextCounts counts;
    for (const std::string &path : paths)
      EXPECT_TRUE(surveyText(path, layout, model_ == "bytes", counts).ok());
    auto pool = ThreadPool::create(threads);
    EXPECT_TRUE(pool.ok());
    std::string output = folder_ / "out";
    auto writer = TokenFileWriter::create(output, counts.documents,
                                          counts.sentences, vocabulary_);
    EXPECT_TRUE(writer.ok());
    uint64_t done = 0;
    Status status = CorpusEncoder(*tokenizer, **pool, *writer, end_token)
                        .encode(paths, layout, [&](uint64_t bytes) {
                          done += bytes;
                          return true;
                        });
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(writer->finish().ok());
    Encoded result;
    result.bytes = *readWholeFile(output);
    Result<SafetensorsFile> file = SafetensorsFile::open(output);
    EXPECT_TRUE(file.ok()) << file.status().message();
    result.documents = offsets(*file, "document_offsets");
    result.sentences = offsets(*file, "sentence_offsets");
    std::vector<std::string> outputs = {output};
    auto tokens = TokenFiles::open(outputs);
    EXPECT_TRUE(tokens.ok()) << tokens.status().message();
    result.tokens.resize(tokens->size());
    if (tokens->size()) {
      EXPECT_TRUE(tokens->read(0, result.tokens).ok());
    }
    EXPECT_EQ(writer->tokens(), tokens->size());
    EXPECT_LE(done, counts.bytes);
    return result;
  }

  TemporaryFolder folder_;
  std::string model_ = "bytes";
  uint64_t vocabulary_ = 257;
};

TEST_F(CorpusTest, OffsetsAndEndTokens) {
  TextLayout layout;
  layout.documents = DocumentRule::BlankLines;
  layout.sentences = SentenceRule::Lines;
  Encoded found =
      encode({write("a", "ab\nc\n\nd\n"), write("empty", ""), write("b", "e")},
             layout, 2, 256);
  EXPECT_EQ(found.tokens, (std::vector<int32_t>{'a', 'b', '\n', 'c', '\n', 256,
                                                'd', '\n', 256, 'e', 256}));
  EXPECT_EQ(found.documents, (std::vector<uint64_t>{0, 6, 9, 11}));
  EXPECT_EQ(found.sentences, (std::vector<uint64_t>{0, 3, 6, 9, 11}));
}

TEST_F(CorpusTest, WideIds) {
  vocabulary_ = 70'001;
  EXPECT_EQ(encode({write("a", "x")}, {}, 1, 70'000).tokens,
            (std::vector<int32_t>{'x', 70'000}));
}

TEST_F(CorpusTest, NothingIsAFileWithoutTokens) {
  Encoded found = encode({write("a", "")}, {}, 1);
  EXPECT_TRUE(found.tokens.empty());
  EXPECT_EQ(found.documents, std::vector<uint64_t>{0});
}

/// Texts of many sizes, some beyond a round of all units.
TEST_F(CorpusTest, ThreadsAndPassagesDoNotChangeTokens) {
  std::mt19937 random(7);
  auto makeText = [&](size_t size) {
    static const char *const kWords[] = {"the ",      "waters ",
                                         "light. ",   "and ",
                                         "Evening\n", "\xc3\xa9t\xc3\xa9 "};
    std::string text;
    while (text.size() < size)
      text += kWords[random() % 6];
    return text;
  };
  std::string training = makeText(30'000);
  std::vector<std::string_view> texts = {training};
  auto model = Tokenizer::train(texts, 330);
  ASSERT_TRUE(model.ok());
  model_ = write("m.model", *model);
  vocabulary_ = 330;
  std::vector<std::string> paths;
  std::vector<uint32_t> expected;
  auto tokenizer = Tokenizer::fromSerialized(*model);
  for (size_t size : {5, 300'000, 1, 40'000, 1'500'000, 7, 2'000, 700'000}) {
    std::string text = makeText(size);
    ASSERT_TRUE(tokenizer->encode(text, expected).ok());
    paths.push_back(write(std::to_string(paths.size()), text));
  }
  TextLayout layout;
  Encoded one = encode(paths, layout, 1);
  EXPECT_TRUE(
      std::ranges::equal(one.tokens, expected, [](int32_t a, uint32_t b) {
        return static_cast<uint32_t>(a) == b;
      }));
  EXPECT_EQ(one.documents.size(), paths.size() + 1);
  EXPECT_EQ(encode(paths, layout, 3).bytes, one.bytes);
  // Sentences begin at tokens of their own and change none.
  layout.sentences = SentenceRule::Stops;
  Encoded stops = encode(paths, layout, 2);
  EXPECT_EQ(stops.tokens, one.tokens);
  EXPECT_GT(stops.sentences.size(), 1000u);
  EXPECT_TRUE(std::ranges::is_sorted(stops.sentences));
  EXPECT_EQ(stops.sentences.back(), one.tokens.size());
}

TEST_F(CorpusTest, BadTextsAreNamed) {
  TextCounts counts;
  Status status = surveyText(write("latin", "ab\xe9"), {}, false, counts);
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("/latin: byte 2: expected UTF-8"),
            std::string::npos)
      << status.message();
  EXPECT_TRUE(surveyText(folder_ / "latin", {}, true, counts).ok());
  TextLayout layout;
  layout.documents = DocumentRule::JsonLines;
  status = surveyText(write("lines", "{\"text\": \"a\"}\n{}\n"), layout, false,
                      counts);
  EXPECT_NE(status.message().find("/lines: line 2: expected"),
            std::string::npos)
      << status.message();
}

TEST_F(CorpusTest, ATextThatGrowsMeanwhileIsAnError) {
  auto writer = TokenFileWriter::create(folder_ / "grown", 1, 0, 256);
  ASSERT_TRUE(writer.ok());
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(writer->beginDocument().ok());
  Status status = writer->finish();
  EXPECT_EQ(status.code(), StatusCode::System);
  EXPECT_NE(status.message().find("changed meanwhile"), std::string::npos);
  EXPECT_FALSE(std::ifstream(folder_ / "grown").good());
  auto shrunk = TokenFileWriter::create(folder_ / "shrunk", 3, 0, 256);
  ASSERT_TRUE(shrunk.ok());
  ASSERT_TRUE(shrunk->beginDocument().ok());
  EXPECT_EQ(shrunk->finish().code(), StatusCode::System);
}

} // namespace
} // namespace trainc
