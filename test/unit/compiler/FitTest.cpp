// `trainc fit`: the numbers are those of the module.
#include "compiler/memory/Fit.h"

#include "test/unit/compiler/Modules.h"
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace trainc;
using namespace trainc::test;

namespace {

TEST(FitTest, Numbers) {
  Modules modules;
  auto module = modules.parse(kCompiled);
  ASSERT_TRUE(module) << modules.errors;
  auto report = memory::computeFit(*module);
  ASSERT_TRUE(succeeded(report));
  EXPECT_EQ(report->parameters, 8);
  EXPECT_EQ(report->arena_bytes, 896);
  EXPECT_EQ(report->scratch_bytes_per_thread, 128);
  EXPECT_EQ(report->parameters_bytes, 32);
  EXPECT_EQ(report->gradients_bytes, 32);
  EXPECT_EQ(report->optimizer_bytes, 32);
  EXPECT_EQ(report->activations_bytes, 256);
  // 896 - 3 * 32 - 256: the classes add up.
  EXPECT_EQ(report->workspace_bytes, 544);
  // 2 micro-batches of (10 + 10 + 100), one update of 16.
  EXPECT_EQ(report->flops_per_step, 256.0);

  EXPECT_EQ(report->predictedBytes(), 896 + 4096);
  report->threads = 3;
  report->overhead_bytes = 1000;
  EXPECT_EQ(report->predictedBytes(), 896 + 3 * 4096 + 1000);

  auto json = nlohmann::json::parse(memory::fitJson(*report));
  EXPECT_EQ(json.size(), 8u);
  EXPECT_EQ(json["parameters"], 8);
  EXPECT_EQ(json["arena_bytes"], 896);
  EXPECT_EQ(json["scratch_bytes_per_thread"], 128);
  EXPECT_EQ(json["threads"], 3);
  EXPECT_EQ(json["overhead_bytes"], 1000);
  EXPECT_EQ(json["predicted_bytes"], 14184);
  EXPECT_EQ(json["flops_per_step"], 256);
  EXPECT_EQ(json["bytes"].size(), 6u);
  EXPECT_EQ(json["bytes"]["parameters"], 32);
  EXPECT_EQ(json["bytes"]["copies"], 0);
  EXPECT_EQ(json["bytes"]["gradients"], 32);
  EXPECT_EQ(json["bytes"]["optimizer"], 32);
  EXPECT_EQ(json["bytes"]["activations"], 256);
  EXPECT_EQ(json["bytes"]["workspace"], 544);

  std::string table = memory::fitTable(*report);
  EXPECT_NE(table.find("896 bytes"), std::string::npos) << table;
}

TEST(FitTest, NeedsTheMemoryStage) {
  Modules modules;
  auto module = modules.parse("module {}");
  EXPECT_TRUE(failed(memory::computeFit(*module)));
  EXPECT_NE(modules.errors.find("run the memory stage"), std::string::npos);
}

} // namespace
