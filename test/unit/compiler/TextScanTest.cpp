//===- TextScanTest.cpp - what MLIR's parser relies on --------------------===//

#include "compiler/support/TextScan.h"

#include <gtest/gtest.h>

namespace trainc {
namespace {

std::string scan(const std::string &text) {
  std::optional<TextFinding> finding = scanText(text);
  return finding ? std::to_string(finding->line) + ":" +
                       std::to_string(finding->column) + ": " + finding->message
                 : "";
}

TEST(TextScan, ValuesDefinedBeforeTheyAreUsed) {
  EXPECT_EQ(scan(R"(module {
  train.step @step ["inputs"] {
  ^bb0(%i: tensor<2xi32>, %j : tensor<2xi32>):
    %a, %b:2 = x.pair %i, %j : tensor<2xi32>
    %c = x.region %a (%b#1 : tensor<f32>) {
    ^bb0(%own: tensor<f32>):
      %a_1 = x.add %own, %a : tensor<f32> // %nowhere
      x.yield %a_1 "%nowhere { (" : tensor<f32>
    } -> (tensor<f32>)
    %d = x.region %a {
    ^bb0(%own: tensor<f32>):
      x.yield %own : tensor<f32>
    }
    "x.generic"(%c, %d) ({
    ^bb0(%e: tensor<f32>):
      %f = x.neg %e {name = "f"} : tensor<f32>
    }) : (tensor<f32>, tensor<f32>) -> ()
  }
})"),
            "");
}

TEST(TextScan, ValuesOfOtherRegions) {
  const std::string expected =
      "expected a value that is defined before it is used, but got '%x'";
  // Of a later region, which made MLIR's parser use freed memory.
  EXPECT_EQ(scan("a {\n  %y = b %x\n} c {\n  %x = d\n}"), "2:10: " + expected);
  // Of a region before, of the same block later, of nowhere.
  EXPECT_EQ(scan("a {\n  %x = b\n}\nc %x"), "4:3: " + expected);
  EXPECT_EQ(scan("a {\n^bb0(%x: f32):\n} c {\n  d %x\n}"), "4:5: " + expected);
  EXPECT_EQ(scan("a {\n%y = b %x\n%x = c\n}"), "2:8: " + expected);
  EXPECT_EQ(scan("a (%x = b, %x : f32)"), "1:4: " + expected);
  EXPECT_EQ(scan("a %x, %y : f32"), "1:3: " + expected);
  // Its own operand.
  EXPECT_EQ(scan("%y = a\n%x = b (%x)"), "");
  EXPECT_EQ(scan("^bb0(%y: f32):\nb (%x : f32)"), "2:4: " + expected);
}

TEST(TextScan, Nesting) {
  const std::string message =
      "expected brackets nested at most 128 deep, but got more";
  for (const char *pair : {"()", "[]", "{}", "<>"}) {
    std::string open(128, pair[0]), close(128, pair[1]);
    EXPECT_EQ(scan(open + close + open + close), "");
    EXPECT_EQ(scan("\n" + open + pair[0]), "2:129: " + message);
  }
  std::string arrows;
  for (int i = 0; i < 200; ++i)
    arrows += "<->>";
  EXPECT_EQ(scan(arrows), "");
  EXPECT_EQ(scan("// " + std::string(200, '(') + "\n\"" +
                 std::string(200, '(') + "\\\"\""),
            "");
}

TEST(TextScan, EndsAnywhere) {
  const std::string text =
      "^bb0(%a: f32):\n\"\\\"\" // x\n%b:2, %c = d {} [] <>";
  for (size_t size = 0; size <= text.size(); ++size) {
    std::optional<TextFinding> finding = scanText(text.substr(0, size));
    EXPECT_TRUE(!finding || finding->column > 0);
  }
}

} // namespace
} // namespace trainc
