//===- SafetensorsTest.cpp - hostile and honest safetensors files ---------===//
//
// Every rule of the reader has one file that breaks exactly that rule, made
// from a valid one, and must be refused with a message that names the rule.
//
//===----------------------------------------------------------------------===//

#include "runtime/checkpoint/Safetensors.h"
#include "runtime/core/ProcessMemory.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

namespace trainc {
namespace {

using test::TemporaryFolder;
using test::writeText;

/// A file of that header, with `data_bytes` bytes of data.
std::string makeFile(const std::string &header, size_t data_bytes) {
  std::string file;
  for (size_t i = 0; i < 8; ++i)
    file += static_cast<char>(header.size() >> (8 * i));
  return file + header + std::string(data_bytes, 'x');
}

TEST(Safetensors, ReadsWhatItWrote) {
  TemporaryFolder folder;
  std::vector<TensorSpec> specs = {
      {"b \"quoted\" \xc3\xa9", TensorType::F32, {2, 3}},
      {"a", TensorType::U16, {5}},
      {"scalar", TensorType::F64, {}},
      {"empty", TensorType::BF16, {0, 7}},
      {"last", TensorType::U8, {3}}};
  std::string payload(24 + 10 + 8 + 3, '\0');
  std::mt19937 random(7);
  for (char &c : payload)
    c = static_cast<char>(random());

  auto writer = SafetensorsWriter::create(folder / "x.safetensors", specs);
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  // Nothing may appear under the final name before finish().
  ASSERT_FALSE(std::filesystem::exists(folder / "x.safetensors"));
  auto bytes = std::as_bytes(std::span(payload.data(), payload.size()));
  ASSERT_TRUE(writer->write(bytes.subspan(0, 30)).ok());
  ASSERT_TRUE(writer->write(bytes.subspan(30)).ok());
  ASSERT_TRUE(writer->finish().ok());

  auto file = SafetensorsFile::open(folder / "x.safetensors");
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors().size(), specs.size());
  EXPECT_NE(test::readText(folder / "x.safetensors")
                .find(R"("__metadata__":{"format":"pt"})"),
            std::string::npos);
  size_t at = 0;
  for (const TensorSpec &spec : specs) {
    const TensorInfo *info = file->find(spec.name);
    ASSERT_NE(info, nullptr) << spec.name;
    EXPECT_EQ(info->type, spec.type);
    EXPECT_EQ(info->shape, spec.shape);
    std::string data(info->size_bytes, '\0');
    ASSERT_TRUE(
        file->read(*info, 0, std::as_writable_bytes(std::span(data))).ok());
    EXPECT_EQ(data, payload.substr(at, data.size()));
    at += data.size();
  }
  EXPECT_EQ(at, payload.size());
  EXPECT_EQ(file->find("absent"), nullptr);
}

TEST(Safetensors, LastTensorGrows) {
  TemporaryFolder folder;
  const std::vector<TensorSpec> specs = {
      {"offsets", TensorType::U64, {2}},
      {"tokens", TensorType::U16, {0}},
  };
  for (const size_t count : {size_t(0), size_t(1), size_t(300'001)}) {
    auto writer =
        SafetensorsWriter::createGrowing(folder / "x.safetensors", specs);
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    std::vector<uint64_t> offsets(2);
    ASSERT_TRUE(writer->write(std::as_bytes(std::span(offsets))).ok());
    std::vector<uint16_t> tokens(count);
    for (size_t i = 0; i < count; ++i)
      tokens[i] = static_cast<uint16_t>(i * 31);
    ASSERT_TRUE(writer->write(std::as_bytes(std::span(tokens))).ok());
    offsets = {7, count};
    ASSERT_TRUE(writer->overwrite(0, std::as_bytes(std::span(offsets))).ok());
    ASSERT_TRUE(writer->finish().ok());

    auto file = SafetensorsFile::open(folder / "x.safetensors");
    ASSERT_TRUE(file.ok()) << file.status().message();
    const TensorInfo *info = file->find("tokens");
    ASSERT_NE(info, nullptr);
    EXPECT_EQ(info->shape, std::vector<uint64_t>{count});
    std::vector<uint16_t> read(count);
    ASSERT_TRUE(
        file->read(*info, 0, std::as_writable_bytes(std::span(read))).ok());
    EXPECT_EQ(read, tokens);
    std::vector<uint64_t> first(2);
    ASSERT_TRUE(file->read(*file->find("offsets"), 0,
                           std::as_writable_bytes(std::span(first)))
                    .ok());
    EXPECT_EQ(first, offsets);
  }
  // Half an element is no element.
  auto writer =
      SafetensorsWriter::createGrowing(folder / "y.safetensors", specs);
  ASSERT_TRUE(writer.ok());
  const std::vector<std::byte> odd(16 + 3);
  ASSERT_TRUE(writer->write(odd).ok());
  EXPECT_FALSE(writer->finish().ok());
  EXPECT_FALSE(std::filesystem::exists(folder / "y.safetensors"));
}

TEST(Safetensors, UnfinishedFilesLeaveNothing) {
  TemporaryFolder folder;
  {
    std::vector<TensorSpec> specs = {{"a", TensorType::U8, {4}}};
    auto writer = SafetensorsWriter::create(folder / "x.safetensors", specs);
    ASSERT_TRUE(writer.ok());
    std::byte piece[3] = {};
    ASSERT_TRUE(writer->write(piece).ok());
    EXPECT_FALSE(writer->finish().ok()) << "a byte is missing";
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, WriterRefusesEqualNamesAndHugeSizes) {
  TemporaryFolder folder;
  std::vector<TensorSpec> twice = {{"a", TensorType::U8, {1}},
                                   {"a", TensorType::U8, {1}}};
  EXPECT_FALSE(SafetensorsWriter::create(folder / "x", twice).ok());
  std::vector<TensorSpec> huge = {
      {"a", TensorType::F32, {uint64_t(1) << 62, 4}}};
  EXPECT_FALSE(SafetensorsWriter::create(folder / "x", huge).ok());
}

struct Hostile {
  const char *name;
  std::string header;
  size_t data_bytes;
  const char *message;
};

class HostileFiles : public testing::TestWithParam<Hostile> {};

TEST_P(HostileFiles, AreRefused) {
  TemporaryFolder folder;
  writeText(folder / "x", makeFile(GetParam().header, GetParam().data_bytes));
  auto file = SafetensorsFile::open(folder / "x");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), StatusCode::File);
  EXPECT_NE(file.status().message().find(GetParam().message), std::string::npos)
      << file.status().message();
}

std::string entry(const char *dtype, const char *shape, const char *offsets) {
  return fmt::format(R"({{"t":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})",
                     dtype, shape, offsets);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, HostileFiles,
    testing::Values(
        Hostile{"NotJson", "{", 0, "JSON object"},
        Hostile{"NotAnObject", "[1]", 0, "JSON object"},
        Hostile{"EntryNotAnObject", R"({"t":1})", 0, "expected an object"},
        Hostile{"MetadataNotAnObject", R"({"__metadata__":1})", 0,
                "'__metadata__'"},
        Hostile{"MetadataNotText", R"({"__metadata__":{"a":1}})", 0, "'a'"},
        Hostile{"NoDtype", R"({"t":{"shape":[1],"data_offsets":[0,1]}})", 1,
                "dtype"},
        Hostile{"UnknownDtype", entry("Q4", "[1]", "[0,1]"), 1, "Q4"},
        Hostile{"NoShape", R"({"t":{"dtype":"U8","data_offsets":[0,1]}})", 1,
                "'shape'"},
        Hostile{"NegativeShape", entry("U8", "[-1]", "[0,1]"), 1, "'shape'"},
        Hostile{"FractionalShape", entry("U8", "[1.5]", "[0,1]"), 1, "'shape'"},
        Hostile{"NoOffsets", R"({"t":{"dtype":"U8","shape":[1]}})", 1,
                "data_offsets"},
        Hostile{"OneOffset", entry("U8", "[1]", "[0]"), 1, "data_offsets"},
        Hostile{"NegativeOffset", entry("U8", "[1]", "[-1,0]"), 1,
                "data_offsets"},
        Hostile{"ReversedOffsets", entry("U8", "[0]", "[1,0]"), 1, "in order"},
        Hostile{"WrongSize", entry("F32", "[2]", "[0,4]"), 4, "8 bytes"},
        Hostile{"OverflowingShape",
                entry("F32", "[4611686018427387904,4]", "[0,0]"), 0,
                "addressable"},
        Hostile{"PastTheEnd", entry("U8", "[9]", "[0,9]"), 8, "cut off"},
        Hostile{
            "HugeOffsets",
            entry("U8", "[1]", "[18446744073709551614,18446744073709551615]"),
            8, "belong to no tensor"},
        Hostile{"GapBefore", entry("U8", "[1]", "[1,2]"), 2,
                "belong to no tensor"},
        Hostile{"BytesAfter", entry("U8", "[1]", "[0,1]"), 2,
                "expected 1 bytes of data, but got 2"},
        Hostile{"Overlap",
                R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                3, "overlaps"},
        Hostile{"EqualNames",
                R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                1, "'a' twice"},
        Hostile{
            "UnknownField",
            R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1,
            "expected 'dtype', 'shape' and 'data_offsets', but got 'x'"},
        Hostile{"FieldTwice",
                R"({"t":{"dtype":"U8","dtype":"U8","shape":[1]}})", 1,
                "tensor 't': expected every key once, but got 'dtype' twice"},
        Hostile{"ThreeOffsets", entry("U8", "[1]", "[0,1,2]"), 1,
                "two whole numbers from 0, but got 2"},
        Hostile{"TooManyDimensions",
                entry("U8",
                      "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
                      "1,1,1,1,1,1]",
                      "[0,1]"),
                1, "at most 32 whole numbers"},
        Hostile{"NestedMetadata", R"({"__metadata__":{"a":{}}})", 0,
                "expected metadata 'a' to be a text, but got an object"},
        Hostile{"TwoHeaders", "{}{}", 0, "no JSON from byte 3"},
        Hostile{"NestedInATensor", R"({"t":{"shape":[[]]}})", 0,
                "tensor 't': expected 'shape' to hold"},
        Hostile{"DeeplyNested", std::string(100000, '['), 0, "JSON object"}),
    [](const auto &info) { return info.param.name; });

TEST(Safetensors, RefusesWrongHeaderSizes) {
  TemporaryFolder folder;
  writeText(folder / "short", "1234567");
  writeText(folder / "empty", "");
  writeText(folder / "past", std::string("\xff\0\0\0\0\0\0\0{}", 10));
  writeText(folder / "huge", std::string(8, '\xff') + "{}");
  for (const char *name : {"short", "empty", "past", "huge"}) {
    auto file = SafetensorsFile::open(folder / name);
    ASSERT_FALSE(file.ok()) << name;
    EXPECT_EQ(file.status().code(), StatusCode::File) << name;
  }
  auto missing = SafetensorsFile::open(folder / "missing");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), StatusCode::User);
  auto not_a_file = SafetensorsFile::open(folder.path());
  ASSERT_FALSE(not_a_file.ok());
  EXPECT_EQ(not_a_file.status().code(), StatusCode::User);
}

// A tree of this header would take sixty times its size; sanitizers keep what
// was freed.
TEST(Safetensors, HostileHeadersCostNoMemory) {
  TemporaryFolder folder;
  const size_t size = size_t(24) << 20;
  const uint64_t before = peakResidentBytes();
  for (const std::string &start : {"", "{\"t\":{\"shape\":"}) {
    writeText(folder / "x", makeFile(start + std::string(size, '[') + "}", 0));
    EXPECT_EQ(SafetensorsFile::open(folder / "x").status().code(),
              StatusCode::File);
  }
  EXPECT_LT(peakResidentBytes() - before, 24 * size);
}

TEST(Safetensors, AFileThatBecomesShorterIsAnError) {
  TemporaryFolder folder;
  writeText(folder / "x", makeFile(entry("U8", "[9000]", "[0,9000]"), 9000));
  auto file = SafetensorsFile::open(folder / "x");
  ASSERT_TRUE(file.ok()) << file.status().message();
  std::vector<std::byte> data(9000);
  EXPECT_TRUE(file->read(file->tensors()[0], 0, data).ok());
  std::filesystem::resize_file(folder / "x", 100);
  const Status status = file->read(file->tensors()[0], 0, data);
  EXPECT_EQ(status.code(), StatusCode::File);
  EXPECT_NE(status.message().find("but got 100; the file became shorter"),
            std::string::npos)
      << status.message();
}

TEST(Safetensors, DamagedBytesNeverCrash) {
  TemporaryFolder folder;
  std::string valid =
      makeFile(R"({"__metadata__":{"format":"pt"},)"
               R"("a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
               R"("b":{"dtype":"U16","shape":[3],"data_offsets":[16,22]}})",
               22);
  std::mt19937 random(20240607);
  for (int i = 0; i < 3000; ++i) {
    std::string file = valid;
    if (random() % 4 == 0)
      file.resize(random() % file.size());
    for (uint32_t flips = random() % 4; flips-- && !file.empty();)
      file[random() % file.size()] ^= static_cast<char>(1 << random() % 8);
    writeText(folder / "x", file);
    auto opened = SafetensorsFile::open(folder / "x");
    if (!opened.ok())
      continue;
    // What was accepted can be read to its last byte.
    unsigned sum = 0;
    for (const TensorInfo &tensor : opened->tensors()) {
      std::vector<std::byte> data(tensor.size_bytes);
      ASSERT_TRUE(opened->read(tensor, 0, data).ok());
      for (std::byte byte : data)
        sum += std::to_integer<unsigned>(byte);
    }
    EXPECT_LE(sum, 22u * 255u);
  }
}

} // namespace
} // namespace trainc
