//===- DocumentsTest.cpp - documents, sentences and passages of a text ----===//

#include "runtime/data/Documents.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace trainc {
namespace {

struct Split {
  std::vector<std::string> documents, sentences, passages;
};

/// Reads from memory.
ReadText from(std::string_view text) {
  return [text](std::span<char> out) mutable -> Result<size_t> {
    size_t count = text.copy(out.data(), out.size());
    text.remove_prefix(count);
    return count;
  };
}

/// All of a text, put together from its passages.
Split split(std::string_view text, const TextLayout &layout) {
  Split result;
  PassageReader reader(from(text), layout);
  Passage passage;
  bool ended = true;
  while (true) {
    Result<bool> found = reader.next(passage);
    EXPECT_TRUE(found.ok()) << found.status().message();
    if (!found.ok() || !*found)
      break;
    EXPECT_FALSE(passage.text.empty());
    if (layout.documents != DocumentRule::JsonLines) {
      EXPECT_EQ(text.substr(passage.offset_bytes, passage.text.size()),
                passage.text);
    }
    EXPECT_EQ(passage.begins_document, ended);
    ended = passage.ends_document;
    if (passage.begins_document)
      result.documents.emplace_back();
    if (passage.begins_sentence)
      result.sentences.emplace_back();
    result.documents.back() += passage.text;
    if (!result.sentences.empty())
      result.sentences.back() += passage.text;
    result.passages.emplace_back(passage.text);
  }
  EXPECT_TRUE(ended);
  return result;
}

TextLayout layoutOf(std::string_view documents,
                    std::string_view sentences = "") {
  TextLayout layout;
  EXPECT_TRUE(parseDocumentRule(documents, layout).ok());
  EXPECT_TRUE(sentences.empty() || parseSentenceRule(sentences, layout).ok());
  return layout;
}

using Texts = std::vector<std::string>;

TEST(DocumentsTest, Files) {
  EXPECT_EQ(split("a\n\nb", layoutOf("files")).documents, Texts{"a\n\nb"});
  EXPECT_TRUE(split("", layoutOf("files")).documents.empty());
}

TEST(DocumentsTest, Lines) {
  EXPECT_EQ(split("a b\n\n \t\r\nc\r\nd", layoutOf("lines")).documents,
            (Texts{"a b\n", "c\r\n", "d"}));
}

TEST(DocumentsTest, BlankLines) {
  EXPECT_EQ(split("\n\na\nb\n\n \nc\n\n\n", layoutOf("blank-lines")).documents,
            (Texts{"a\nb\n", "c\n"}));
  EXPECT_TRUE(split("\n \n\n", layoutOf("blank-lines")).documents.empty());
}

TEST(DocumentsTest, Separator) {
  EXPECT_EQ(
      split("<|e|>a<|e|>\n<|e|>b <|e\n|>c<|e|>", layoutOf("separator=<|e|>"))
          .documents,
      (Texts{"a", "b <|e\n|>c"}));
}

TEST(DocumentsTest, JsonLines) {
  EXPECT_EQ(split("{\"text\": \"a\\n\\u00e9\", \"url\": 1}\n\n{\"text\":\"\"}\n"
                  "{\"text\": \"b\"}",
                  layoutOf("jsonl"))
                .documents,
            (Texts{"a\n\xc3\xa9", "b"}));
  for (auto [line, got] : {std::pair{"{\"text\": 1}", "one of another type"},
                           {"{\"Text\": \"a\"}", "an object without"},
                           {"[1]", "something else"},
                           {"{\"text\": \"a\"", "no JSON"},
                           {"{\"text\": \"\xff\"}", "no JSON"}}) {
    std::string text = std::string("{\"text\": \"a\"}\n\n") + line + "\n";
    PassageReader reader(from(text), layoutOf("jsonl"));
    Passage passage;
    ASSERT_TRUE(reader.next(passage).ok());
    Result<bool> bad = reader.next(passage);
    ASSERT_FALSE(bad.ok()) << line;
    EXPECT_EQ(bad.status().code(), StatusCode::User);
    EXPECT_TRUE(bad.status().message().starts_with("line 3: expected a JSON"));
    EXPECT_NE(bad.status().message().find(got), std::string::npos)
        << bad.status().message();
  }
}

TEST(DocumentsTest, SentencesByLine) {
  EXPECT_EQ(split("\na. b\n\nc\n\n\nd\ne", layoutOf("blank-lines", "lines"))
                .sentences,
            (Texts{"a. b\n", "c\n", "d\n", "e"}));
  EXPECT_EQ(split("\na\n\n\nb\n\n", layoutOf("files", "lines")).sentences,
            (Texts{"\na\n\n\n", "b\n\n"}));
}

TEST(DocumentsTest, SentencesByStops) {
  EXPECT_EQ(split("One 3.5 is. Two?! (\"Three.\") four\nfive.\n\nSix... no",
                  layoutOf("files", "stops"))
                .sentences,
            (Texts{"One 3.5 is.", " Two?!", " (\"Three.\")", " four\nfive.\n\n",
                   "Six...", " no"}));
}

TEST(DocumentsTest, PassagesAreCutWhereNoTokenCrosses) {
  std::mt19937 random(4);
  std::string text;
  while (text.size() < 5 * PassageReader::kPassageBytes) {
    text += "word";
    // Some lines are longer than a passage.
    text += random() % 60'000 == 0 ? '\n' : ' ';
  }
  Split result = split(text, layoutOf("files"));
  EXPECT_EQ(result.documents, Texts{text});
  EXPECT_GE(result.passages.size(), 5u);
  for (const std::string &passage : result.passages) {
    EXPECT_LE(passage.size(), PassageReader::kPassageBytes);
    EXPECT_TRUE(passage[0] == ' ' || passage[0] == 'w');
  }
  // No space at all, characters of three bytes: none is cut through.
  std::string wide;
  while (wide.size() < 3 * PassageReader::kPassageBytes)
    wide += "\xe2\x82\xac";
  for (const std::string &passage : split(wide, layoutOf("files")).passages)
    EXPECT_EQ(passage.size() % 3, 0u);
  TextLayout bytes = layoutOf("files", "stops");
  bytes.cut_anywhere = true;
  EXPECT_EQ(split(wide, bytes).sentences, Texts{wide});
}

/// Every rule on texts of several blocks gives what a plain split gives.
TEST(DocumentsTest, LongTexts) {
  std::mt19937 random(9);
  // Documents from a few bytes to several blocks.
  Texts documents;
  for (size_t size :
       {size_t(3), size_t(1) << 20, size_t(70), (size_t(1) << 20) - 1,
        size_t(5) << 20, size_t(1), PassageReader::kPassageBytes}) {
    std::string document;
    while (document.size() < size)
      document += random() % 7 ? char('a' + random() % 26) : '.';
    documents.push_back(std::move(document));
  }
  for (const auto &[rule, between] :
       {std::pair<std::string, std::string>{"lines", "\n"},
        {"blank-lines", "\n\n"},
        {"separator=<|e|>", "<|e|>"}}) {
    std::string text;
    Texts expected = documents;
    for (std::string &document : expected) {
      text += document + between;
      if (rule[0] != 's')
        document += '\n';
    }
    EXPECT_EQ(split(text, layoutOf(rule)).documents, expected) << rule;
  }
  std::string json;
  for (const std::string &document : documents)
    json += "{\"text\": \"" + document + "\"}\n";
  EXPECT_EQ(split(json, layoutOf("jsonl")).documents, documents);

  // Sentences that end anywhere near the end of a block, or after many.
  std::string text;
  Texts sentences;
  for (size_t size : {4 * PassageReader::kPassageBytes - 1, size_t(2),
                      9 * PassageReader::kPassageBytes, size_t(1)}) {
    sentences.push_back((sentences.empty() ? "" : " ") +
                        std::string(size, 'x') + ".");
    text += sentences.back();
  }
  EXPECT_EQ(split(text, layoutOf("files", "stops")).sentences, sentences);
}

TEST(DocumentsTest, ReadErrorsGoThrough) {
  for (const char *rule :
       {"files", "lines", "blank-lines", "jsonl", "separator=|"}) {
    int calls = 0;
    PassageReader reader(
        [&](std::span<char> out) -> Result<size_t> {
          if (++calls > 1)
            return Status::system("broken disk");
          std::ranges::fill(out, 'a');
          return out.size();
        },
        layoutOf(rule));
    Passage passage;
    Result<bool> found = true;
    while (found.ok() && *found)
      found = reader.next(passage);
    EXPECT_EQ(found.status().message(), "broken disk") << rule;
  }
}

TEST(DocumentsTest, UnknownRules) {
  TextLayout layout;
  for (std::string_view text : {"", "line", "separator=", "separator"})
    EXPECT_EQ(parseDocumentRule(text, layout).code(), StatusCode::User);
  EXPECT_EQ(parseSentenceRule("words", layout).code(), StatusCode::User);
}

} // namespace
} // namespace trainc
