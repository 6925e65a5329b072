//===- Fixture.h - a plan, data and runs for the tests of trainrun -*- C++
//-*-===//
//
// Gives a test a folder with the test plan (least squares over four weights,
// see test/unit/runtime/support/kernels.c) and token files of its choice.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_TOOLS_TRAINRUN_FIXTURE_H
#define TRAINC_TEST_TOOLS_TRAINRUN_FIXTURE_H

#include "runtime/checkpoint/Safetensors.h"
#include "test/unit/runtime/TemporaryFolder.h"
#include "test/unit/runtime/support/TestPlan.h"
#include "tools/trainrun/Commands.h"

#include <cstring>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

namespace trainc::test {

class TrainrunTest : public testing::Test {
protected:
  TrainrunTest() = default;
  /// In a folder that `make` makes.
  explicit TrainrunTest(TemporaryFolder (*make)()) : folder_(make()) {}
  std::string path(const std::string &name) const { return folder_ / name; }

  std::string writePlan(const std::string &name, const abi::PlanT &plan) {
    std::vector<uint8_t> bytes = serialize(plan);
    writeText(path(name), std::string(bytes.begin(), bytes.end()));
    return path(name);
  }

  std::string writeTokens(const std::string &name,
                          const std::vector<uint16_t> &tokens) {
    std::vector<TensorSpec> specs = {
        {"tokens", TensorType::U16, {tokens.size()}}};
    auto writer = SafetensorsWriter::create(path(name), specs);
    EXPECT_TRUE(writer.ok());
    EXPECT_TRUE(writer->write(std::as_bytes(std::span(tokens))).ok());
    EXPECT_TRUE(writer->finish().ok());
    return path(name);
  }

  /// `count` ids from 0 to below `limit`.
  static std::vector<uint16_t> randomTokens(size_t count, uint32_t seed,
                                            uint16_t limit = 16) {
    std::mt19937 random(seed);
    std::vector<uint16_t> tokens(count);
    for (uint16_t &token : tokens)
      token = static_cast<uint16_t>(random() % limit);
    return tokens;
  }

  static std::vector<nlohmann::json> readLines(const std::string &file) {
    std::vector<nlohmann::json> lines;
    std::istringstream text(readText(file));
    for (std::string line; std::getline(text, line);)
      lines.push_back(nlohmann::json::parse(line, nullptr, false));
    return lines;
  }

  /// The numbers of a tensor of type T in a file.
  template <typename T>
  static std::vector<T> readTensor(const std::string &file,
                                   const std::string &name) {
    auto opened = SafetensorsFile::open(file);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    const TensorInfo *info = opened.ok() ? opened->find(name) : nullptr;
    EXPECT_NE(info, nullptr) << name;
    if (!info)
      return {};
    std::vector<T> values(info->size_bytes / sizeof(T));
    EXPECT_TRUE(
        opened->read(*info, 0, std::as_writable_bytes(std::span(values))).ok());
    return values;
  }

  TemporaryFolder folder_;
};

} // namespace trainc::test

#endif // TRAINC_TEST_TOOLS_TRAINRUN_FIXTURE_H
