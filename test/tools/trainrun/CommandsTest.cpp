//===- CommandsTest.cpp - the other commands of trainrun ------------------===//
//
// Their numbers against loops written here from kernels.c of the test plan.
//
//===----------------------------------------------------------------------===//

#include "runtime/data/Tokenizer.h"
#include "test/tools/trainrun/Fixture.h"

#include <cmath>
#include <filesystem>

namespace trainc::test {
namespace {

using namespace trainc::trainrun;

class CommandsTest : public TrainrunTest {
protected:
  CommandsTest() {
    plan_ = writePlan("p.plan", *makePlan());
    tokens_ =
        randomTokens(4 * 5 + 2, 9); // 5 windows: the last batch is partial
    data_ = {writeTokens("t", tokens_)};
    std::vector<TensorSpec> specs = {{"table.weight", TensorType::F32, {4}}};
    auto writer = SafetensorsWriter::create(path("w"), specs);
    EXPECT_TRUE(writer.ok());
    EXPECT_TRUE(writer->write(std::as_bytes(std::span(weights_))).ok());
    EXPECT_TRUE(writer->finish().ok());
  }
  template <typename Options>
  std::string run(Status (*command)(const Options &), const Options &options) {
    testing::internal::CaptureStdout();
    Status status = command(options);
    std::string output = testing::internal::GetCapturedStdout();
    EXPECT_TRUE(status.ok()) << status.message();
    return output;
  }
  /// Loss over the first `count` tokens: weight 2, mean squared distance.
  double meanLoss(int count) const {
    double sum = 0;
    for (int i = 0; i < count; ++i)
      sum += std::pow(double(weights_[tokens_[i] % 4]) - tokens_[i + 1], 2);
    return 2 * sum / count;
  }

  std::string plan_;
  std::vector<uint16_t> tokens_;
  std::vector<std::string> data_;
  std::vector<float> weights_ = {0.5f, -1.25f, 7.0f, 3.0f};
};

TEST_F(CommandsTest, EvalCountsEveryWindowOnce) {
  EvalOptions options{plan_, data_, path("w"), 2, true};
  auto json = nlohmann::json::parse(run(runEval, options));
  double expected = meanLoss(20);
  EXPECT_LT(std::abs(json.value("loss", std::nan("")) - expected),
            1e-12 * expected);
  EXPECT_LT(
      std::abs(json.value("perplexity", std::nan("")) - std::exp(expected)),
      1e-9 * std::exp(expected));
  EXPECT_EQ(json.value("tokens", 0), 20);
  EXPECT_EQ(json["losses"].value("squares", std::nan("")),
            json.value("loss", 0.0) / 2);
  options.json = false;
  EXPECT_NE(run(runEval, options).find("perplexity"), std::string::npos);
}

TEST_F(CommandsTest, GradientsAreOfTheFirstStep) {
  GradientsOptions options;
  options.plan = plan_;
  options.data = data_;
  options.init = path("w");
  options.output = path("g");
  run(runGradients, options);
  auto loss = readTensor<double>(path("g"), "loss");
  ASSERT_EQ(loss.size(), 1u);
  EXPECT_LT(std::abs(loss[0] - meanLoss(8)), 1e-12 * loss[0]);
  auto gradients = readTensor<float>(path("g"), "model.table.weight");
  ASSERT_EQ(gradients.size(), 4u);
  for (int w = 0; w < 4; ++w) {
    double expected = 0;
    for (int i = 0; i < 8; ++i)
      if (tokens_[i] % 4 == w)
        expected += 2 * (double(weights_[w]) - tokens_[i + 1]) / 8;
    EXPECT_LE(std::abs(gradients[w] - expected), 1e-6 * std::abs(expected));
  }
}

TEST_F(CommandsTest, PredictWritesOutputs) {
  PredictOptions options{plan_, data_, path("w"), path("o"), 0};
  std::string output = run(runPredict, options);
  std::string name = output.substr(0, output.find(' '));
  auto values = readTensor<float>(path("o"), name);
  ASSERT_EQ(values.size(), 8u);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(values[i], weights_[tokens_[i] % 4]);
}

TEST_F(CommandsTest, InspectIsJson) {
  auto json = nlohmann::json::parse(run(runInspect, {plan_, true}));
  EXPECT_EQ(json["parameter_count"], 4);
  EXPECT_EQ(json["objective"], "causal_lm");
  EXPECT_EQ(json["parameters"][0]["shape"], nlohmann::json({4}));
  EXPECT_EQ(json["variants"].size(), 1u);
  EXPECT_TRUE(json["variants"][0]["arenas"][0]["size_bytes"].get<uint64_t>() >
              0);
  bool accumulates = false;
  for (const auto &program : json["variants"][0]["programs"])
    accumulates |= program["name"] == "accumulate" && program["launches"] > 0;
  EXPECT_TRUE(accumulates);
  EXPECT_NE(run(runInspect, {plan_, false}).find("accumulate"),
            std::string::npos);
}

TEST_F(CommandsTest, VerifyRefusesDamage) {
  EXPECT_NE(run(runVerify, {plan_}).find("sound"), std::string::npos);
  std::string bytes = readText(plan_);
  bytes[bytes.size() / 2] ^= 1;
  writeText(path("bad.plan"), bytes);
  EXPECT_EQ(runVerify({path("bad.plan")}).code(), StatusCode::File);
}

TEST_F(CommandsTest, ProfileNamesKernels) {
  ProfileOptions options;
  options.plan = plan_;
  options.data = data_;
  options.steps = 3;
  options.sweep_mebibytes = 1;
  std::string table = run(runProfile, options);
  EXPECT_NE(table.find("accumulate"), std::string::npos) << table;
  EXPECT_NE(table.find("ms/step"), std::string::npos);
  options.json = true;
  auto json = nlohmann::json::parse(run(runProfile, options));
  EXPECT_EQ(json["steps"], 3);
  EXPECT_FALSE(json["kernels"].empty());
}

TEST_F(CommandsTest, GenerateContinuesThePrompt) {
  // A prefill whose logit i is the weight of context token i: kernel predict.
  auto plan = makePlan();
  addVariable(*plan, "next_logits", abi::Role::Output, abi::ElementType::F32,
              {2, length});
  addLaunch(*plan, "prefill", "next", Predict,
            {{bufferIndex(*plan, "inputs"), abi::Access::Read},
             {bufferIndex(*plan, "table.weight"), abi::Access::Read},
             {bufferIndex(*plan, "next_logits"), abi::Access::Write}});
  for (uint32_t i = 0; i < plan->inputs.size(); ++i)
    if (plan->inputs[i]->name == "inputs")
      program(*plan, "prefill").inputs = {i};
  program(*plan, "prefill").outputs = {variableIndex(*plan, "next_logits")};
  GenerateOptions options;
  options.plan = writePlan("g.plan", *plan);
  options.weights = path("w");
  options.tokenizer = "bytes";
  options.prompt = "\x01\x02";
  options.count = 3;
  options.temperature = 0;
  // Context 1 2 0 0: the largest weight is 7, of token 2 at position 1. Then
  // 1 2 1 0, where it still is; the context is cut to the last 4 tokens.
  EXPECT_EQ(run(runGenerate, options), "\x01\x02\x01\x01\x01\n");
  options.temperature = 50;
  std::string drawn = run(runGenerate, options);
  EXPECT_EQ(run(runGenerate, options), drawn) << "the seed decides";
  options.prompt = "";
  EXPECT_EQ(runGenerate(options).code(), StatusCode::User);
  options.prompt = "A"; // 65, beyond the plan's 8 logits
  EXPECT_EQ(runGenerate(options).code(), StatusCode::User);
}

/// As the command is called, which nothing interrupts here.
Status tokenize(const TokenizeOptions &options) {
  int interrupted = 0;
  Status status = runTokenize(options, interrupted);
  EXPECT_EQ(interrupted, 0);
  return status;
}

TEST_F(CommandsTest, TokenizeTrainsAndReuses) {
  std::string text;
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i)
    text += (random() % 5 ? "light and darkness " : "the waters\n");
  writeText(path("a.txt"), text);
  writeText(path("b.txt"), "and the light\n");
  TokenizeOptions options;
  options.train_vocabulary = 300;
  options.texts = {path("a.txt"), path("b.txt")};
  options.output = path("x.safetensors");
  run(tokenize, options);

  auto ids = readTensor<uint16_t>(options.output, "tokens");
  auto offsets = readTensor<uint64_t>(options.output, "document_offsets");
  ASSERT_EQ(offsets.size(), 3u);
  EXPECT_EQ(offsets[0], 0u);
  EXPECT_EQ(offsets[2], ids.size());
  auto tokenizer = Tokenizer::open(path("x.model"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  std::string back;
  for (size_t i = offsets[1]; i < ids.size(); ++i)
    back += tokenizer->decode(ids[i]);
  EXPECT_EQ(back, "and the light\n");

  TokenizeOptions again;
  again.model = path("x.model");
  again.texts = options.texts;
  again.output = path("y.safetensors");
  run(tokenize, again);
  EXPECT_EQ(readText(path("x.safetensors")), readText(path("y.safetensors")));

  writeText(path("latin.txt"), "caf\xe9");
  again.texts = {path("latin.txt")};
  Status status = tokenize(again);
  EXPECT_EQ(status.code(), StatusCode::User);
  EXPECT_NE(status.message().find("latin.txt: byte 3"), std::string::npos)
      << status.message();
  EXPECT_EQ(tokenize({}).code(), StatusCode::User);
}

} // namespace
} // namespace trainc::test
