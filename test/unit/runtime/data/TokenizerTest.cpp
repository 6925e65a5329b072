//===- TokenizerTest.cpp - text comes back exactly ------------------------===//

#include "runtime/data/Tokenizer.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <gtest/gtest.h>
#include <random>

namespace trainc {
namespace {

/// Words drawn with a skewed distribution, in lines: enough repetition to
/// merge.
std::string makeText(uint32_t seed, size_t words) {
  static const char *const kWords[] = {
      "the",       "light",   "and",     "darkness", "waters",
      "firmament", "evening", "morning", "42",       "created",
      "heaven",    "earth,",  "void;",   "deep."};
  std::mt19937 random(seed);
  std::string text;
  for (size_t i = 0; i < words; ++i) {
    text += kWords[std::min(random() % 14, random() % 14)];
    text += random() % 9 == 0 ? '\n' : ' ';
  }
  return text;
}

class TokenizerTest : public testing::Test {
protected:
  void SetUp() override {
    text_ = makeText(5, 3000);
    std::vector<std::string_view> texts = {text_};
    auto model = Tokenizer::train(texts, 340);
    ASSERT_TRUE(model.ok()) << model.status().message();
    model_ = *model;
  }
  std::string roundTrip(const Tokenizer &tokenizer, std::string_view text,
                        size_t *count = nullptr) {
    std::vector<uint32_t> ids;
    Status status = tokenizer.encode(text, ids);
    EXPECT_TRUE(status.ok()) << status.message();
    std::string back;
    for (uint32_t id : ids) {
      EXPECT_LT(id, tokenizer.vocabularySize());
      back += tokenizer.decode(id);
    }
    if (count)
      *count = ids.size();
    return back;
  }
  std::string text_, model_;
};

TEST_F(TokenizerTest, TrainingIsDeterministicAndCompresses) {
  std::vector<std::string_view> texts = {text_};
  auto again = Tokenizer::train(texts, 340);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, model_);
  auto tokenizer = Tokenizer::fromSerialized(model_);
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(tokenizer->vocabularySize(), 340u);
  size_t count = 0;
  EXPECT_EQ(roundTrip(*tokenizer, text_, &count), text_);
  EXPECT_LT(count * 2, text_.size());
}

TEST_F(TokenizerTest, AnyTextComesBack) {
  auto tokenizer = Tokenizer::fromSerialized(model_);
  ASSERT_TRUE(tokenizer.ok());
  for (std::string text :
       {std::string("no line end"),
        std::string("\n\n  two  spaces \t tab\r\n "),
        std::string("caf\xc3\xa9 \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80\n"),
        std::string("<unk> <s> </s> <0x41>\n"), std::string("nul\0byte\x01", 9),
        std::string()})
    EXPECT_EQ(roundTrip(*tokenizer, text), text);
}

TEST_F(TokenizerTest, RefusesWhatIsNotUtf8) {
  auto tokenizer = Tokenizer::fromSerialized(model_);
  ASSERT_TRUE(tokenizer.ok());
  std::vector<uint32_t> ids;
  Status status = tokenizer->encode("ab\xff", ids);
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("byte 2"), std::string::npos);
  for (const char *bad : {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xf8", "\xe4\xb8"})
    EXPECT_EQ(findInvalidUtf8(bad), 0u) << bad;
  EXPECT_EQ(findInvalidUtf8("\xf0\x9f\x98\x80"), 4u);
}

TEST_F(TokenizerTest, BytesAreTheirOwnIds) {
  auto tokenizer = Tokenizer::open("bytes");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(tokenizer->vocabularySize(), 256u);
  std::string all;
  for (int i = 255; i >= 0; --i)
    all += static_cast<char>(i);
  EXPECT_EQ(roundTrip(*tokenizer, all), all);
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("A\xff", ids).ok());
  EXPECT_EQ(ids, (std::vector<uint32_t>{65, 255}));
}

// Found by fuzz-tokenizer: the library throws on a piece without text.
TEST_F(TokenizerTest, AModelWithAnEmptyPieceIsAnError) {
  const std::string model("\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"
                          "\x0a\x05\x15\0\0\0\0"
                          "\x0a\x08\x0a\x01"
                          "a\x15\0\0\0\0",
                          33);
  auto tokenizer = Tokenizer::fromSerialized(model);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.status().code(), StatusCode::File);
  EXPECT_NE(tokenizer.status().message().find("expected a SentencePiece model"),
            std::string::npos);
  const std::string zero_length("\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"
                                "\x0a\x0c\x0a\x05\0a\0\0\0\x15\0\0\0\0",
                                30);
  EXPECT_EQ(Tokenizer::fromSerialized(zero_length).status().code(),
            StatusCode::File);
}

TEST_F(TokenizerTest, ErrorsAreTheRightKind) {
  test::TemporaryFolder folder;
  test::writeText(folder / "x.model", "not a model");
  EXPECT_EQ(Tokenizer::open(folder / "x.model").status().code(),
            StatusCode::File);
  EXPECT_EQ(Tokenizer::open(folder / "none").status().code(), StatusCode::User);
  std::vector<std::string_view> texts = {"too little"};
  EXPECT_EQ(Tokenizer::train(texts, 5000).status().code(), StatusCode::User);
  EXPECT_EQ(Tokenizer::train(texts, 10).status().code(), StatusCode::User);
}

} // namespace
} // namespace trainc
