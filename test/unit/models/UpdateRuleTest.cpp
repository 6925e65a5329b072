//===- UpdateRuleTest.cpp - update rules and schedules by their numbers ---===//
//
// Evaluates the regions of train.update with a small interpreter in double and
// compares with the worked numbers of training-semantics.md. Element rules hold
// f32 constants, so they agree to about 1e-7.
//
//===----------------------------------------------------------------------===//

#include "models/UpdateRule.h"

#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/TypeSwitch.h"
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace trainc;
using namespace trainc::models;

namespace trainc::models {
Optimizer describeAdaMax(); // docs/examples/AdaMax.cpp
}

namespace {

/// Values yielded by a region of scalars for `arguments`.
std::vector<double> evaluate(Region &region, std::vector<double> arguments) {
  llvm::DenseMap<Value, double> values;
  Block &block = region.front();
  EXPECT_EQ(block.getNumArguments(), arguments.size());
  for (auto [argument, value] : llvm::zip(block.getArguments(), arguments))
    values[argument] = value;
  std::vector<double> results;
  for (Operation &op : block) {
    auto in = [&](unsigned index) { return values.at(op.getOperand(index)); };
    auto set = [&](double value) { values[op.getResult(0)] = value; };
    llvm::TypeSwitch<Operation *>(&op)
        .Case([&](nn::ConstantOp constant) {
          set(cast<DenseElementsAttr>(constant.getValue())
                  .getSplatValue<llvm::APFloat>()
                  .convertToDouble());
        })
        .Case([&](nn::AddOp) { set(in(0) + in(1)); })
        .Case([&](nn::SubOp) { set(in(0) - in(1)); })
        .Case([&](nn::MulOp) { set(in(0) * in(1)); })
        .Case([&](nn::DivOp) { set(in(0) / in(1)); })
        .Case([&](nn::MinimumOp) { set(std::min(in(0), in(1))); })
        .Case([&](nn::MaximumOp) { set(std::max(in(0), in(1))); })
        .Case([&](nn::NegOp) { set(-in(0)); })
        .Case([&](nn::SqrtOp) { set(std::sqrt(in(0))); })
        .Case([&](nn::CosOp) { set(std::cos(in(0))); })
        .Case([&](nn::CompareOp compare) {
          auto predicate = compare.getPredicate();
          set(predicate == nn::ComparePredicate::LessEqual ? in(0) <= in(1)
              : predicate == nn::ComparePredicate::Less    ? in(0) < in(1)
              : predicate == nn::ComparePredicate::Greater ? in(0) > in(1)
                                                           : std::nan(""));
        })
        .Case([&](nn::SelectOp) { set(in(0) != 0 ? in(1) : in(2)); })
        .Case([&](train::YieldOp yield) {
          for (Value value : yield.getValues())
            results.push_back(values.at(value));
        })
        .Default([](Operation *op) {
          ADD_FAILURE() << "no rule for " << op->getName().getStringRef().str();
        });
  }
  return results;
}

/// train.update of an optimizer under a schedule.
struct Rule {
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  train::UpdateOp update;

  Rule(llvm::StringRef optimizerName,
       std::vector<std::pair<std::string, SettingValue>> changes,
       llvm::StringRef scheduleName, double finalRatio, ScheduleShape shape,
       std::string decay = "") {
    context
        .loadDialect<nn::NNDialect, train::TrainDialect, plan::PlanDialect>();
    module = ModuleOp::create(UnknownLoc::get(&context));
    const Optimizer own = describeAdaMax();
    const Optimizer *optimizer = optimizerName == own.name
                                     ? &own
                                     : findEntry(optimizers(), optimizerName);
    const Schedule *schedule = findEntry(schedules(), scheduleName);
    Settings optimizerSettings, scheduleSettings;
    for (const Key &key : optimizer->keys)
      optimizerSettings.set(key.name, *key.value);
    for (auto &[key, value] : changes)
      optimizerSettings.set(key, value);
    for (const Key &key : schedule->keys)
      scheduleSettings.set(key.name, *key.value);
    scheduleSettings.set("final_ratio", finalRatio);
    if (!decay.empty())
      scheduleSettings.set("decay", decay);
    ModelBuilder model(*module, "test", "");
    model.beginStep(1, 1);
    update = buildUpdate(model, *optimizer, optimizerSettings, *schedule,
                         scheduleSettings, shape, {.norm = 1.0});
  }

  double rate(double updateNumber) {
    return evaluate(update.getSchedule(), {updateNumber}).front();
  }
};

/// Relative error; NaN fails.
void expectClose(double got, double expected, double tolerance,
                 const std::string &what) {
  double scale = std::max(std::abs(expected), 1e-300);
  EXPECT_TRUE(std::abs(got - expected) <= tolerance * scale)
      << what << ": expected " << expected << ", but got " << got;
}

/// Runs three updates on the test data of training-semantics.md 4 and compares
/// the parameters after each step that `expected` lists.
void expectTrace(Rule &rule, double decay,
                 std::vector<std::pair<int, std::array<double, 3>>> expected,
                 double tolerance) {
  const double gradients[3][3] = {
      {0.1, -0.2, 0.3}, {-0.05, 0.4, 0.3}, {0.2, 0.1, -0.6}};
  double theta[3] = {1, -2, 0.5};
  size_t stateCount = rule.update.getStates().size();
  std::vector<std::vector<double>> states(3,
                                          std::vector<double>(stateCount, 0));
  std::vector<double> scalars;
  for (auto value : rule.update.getScalarValues().getAsRange<FloatAttr>())
    scalars.push_back(value.getValueAsDouble());
  size_t compared = 0;
  for (int step = 1; step <= 3; ++step) {
    std::vector<double> arguments = {rule.rate(step)};
    arguments.insert(arguments.end(), scalars.begin(), scalars.end());
    std::vector<double> values = evaluate(rule.update.getStep(), arguments);
    std::vector<double> derived(values.begin() + scalars.size(), values.end());
    scalars.assign(values.begin(), values.begin() + scalars.size());
    for (int index = 0; index < 3; ++index) {
      std::vector<double> element = {theta[index], gradients[step - 1][index]};
      element.insert(element.end(), states[index].begin(), states[index].end());
      element.push_back(decay);
      element.insert(element.end(), derived.begin(), derived.end());
      std::vector<double> next = evaluate(rule.update.getElement(), element);
      theta[index] = next[0];
      states[index].assign(next.begin() + 1, next.end());
      for (auto &[when, values] : expected)
        if (when == step) {
          expectClose(theta[index], values[index], tolerance,
                      "step " + std::to_string(step) + ", element " +
                          std::to_string(index));
          ++compared;
        }
    }
  }
  EXPECT_EQ(compared, 3 * expected.size());
}

constexpr ScheduleShape kTenth = {.peak = 0.1};

// 4.1. The published digits bound the tolerance.
TEST(Optimizers, Sgd) {
  Rule rule("sgd", {}, "constant", 0, kTenth);
  expectTrace(rule, 0, {{3, {0.975, -2.03, 0.5}}}, 1e-7);
}

TEST(Optimizers, Momentum) {
  Rule rule("momentum", {}, "constant", 0, kTenth);
  expectTrace(rule, 0,
              {{1, {0.99, -1.98, 0.47}},
               {2, {0.986, -2.002, 0.413}},
               {3, {0.9624, -2.0318, 0.4217}}},
              1e-7);
}

TEST(Optimizers, NesterovMomentum) {
  Rule rule("momentum", {{"nesterov", true}}, "constant", 0, kTenth);
  expectTrace(rule, 0, {{3, {0.94116, -2.05862, 0.42953}}}, 1e-7);
}

// 4.2.
TEST(Optimizers, AdamDefaults) {
  Rule rule("adam", {}, "constant", 0, {.peak = 1e-3});
  expectTrace(rule, 0,
              {{1, {0.9990000001, -1.99900000005, 0.499000000033}},
               {2, {0.998733663094, -1.99936610357, 0.498000000067}},
               {3, {0.998075551544, -1.99978175475, 0.498075649396}}},
              1e-7);
}

TEST(Optimizers, AdamWithL2) {
  Rule rule("adam", {{"beta2", 0.95}}, "constant", 0, kTenth);
  expectTrace(rule, 0.1, {{3, {0.73134090, -1.84361673, 0.29840343}}}, 1e-6);
}

// 4.3.
TEST(Optimizers, AdamW) {
  Rule rule("adamw", {{"beta2", 0.95}}, "constant", 0, kTenth);
  expectTrace(rule, 0.1,
              {{1, {0.89000001, -1.88000000, 0.39500000}},
               {2, {0.85426307, -1.89753740, 0.29105001}},
               {3, {0.78084595, -1.92028906, 0.29561037}}},
              1e-6);
}

// 4.4.
TEST(Optimizers, BertAdam) {
  Rule rule("bert_adam", {{"beta2", 0.95}}, "constant", 0, kTenth);
  expectTrace(rule, 0.1,
              {{1, {0.94528064, -1.93527964, 0.45027931}},
               {2, {0.91949857, -1.93803745, 0.38492847}},
               {3, {0.86375174, -1.94859934, 0.38644010}}},
              1e-6);
}

// By hand with η 0.1, λ 0.1: the update's signs are (+,-,+), (-,+,+) and
// (+,+,-), for 0.9·m + 0.1·g with m = 0.01·g₁, then 0.99·m + 0.01·g₂.
TEST(Optimizers, Lion) {
  Rule rule("lion", {}, "constant", 0, kTenth);
  expectTrace(rule, 0.1,
              {{1, {0.89, -1.88, 0.395}},
               {2, {0.9811, -1.9612, 0.29105}},
               {3, {0.871289, -2.041588, 0.3881395}}},
              1e-6);
}

// By torch.optim.Adamax in float64 with η 0.1, λ 0.1.
TEST(Optimizers, AdaMaxOfTheDocumentation) {
  Rule rule("adamax", {}, "constant", 0, kTenth);
  expectTrace(rule, 0.1,
              {{1, {0.900000005, -1.900000002, 0.400000003}},
               {2, {0.842047318, -1.880243404, 0.301405170}},
               {3, {0.779439170, -1.859627993, 0.300133379}}},
              1e-6);
}

TEST(Optimizers, UpdateCarriesItsSettings) {
  Rule rule("adamw", {{"weight_decay", 0.25}}, "constant", 0, kTenth);
  EXPECT_EQ(rule.update.getName(), "adamw");
  EXPECT_EQ(rule.update.getWeightDecay().convertToDouble(), 0.25);
  EXPECT_EQ(rule.update.getClipNorm().convertToDouble(), 1.0);
  EXPECT_EQ(rule.update.getStates().size(), 2u);
  EXPECT_EQ(rule.update.getScalars().size(), 2u);
}

// 6.1's table: w = 10, T = 110, η = 1e-3, η_min = 1e-4.
constexpr ScheduleShape kTable = {.peak = 1e-3, .warmup = 10, .total = 110};

void expectRates(Rule &rule, std::vector<std::pair<double, double>> rates) {
  for (auto [update, rate] : rates)
    expectClose(rule.rate(update), rate, 1e-8,
                "update " + std::to_string(update));
}

TEST(Schedules, Cosine) {
  Rule rule("sgd", {}, "cosine", 0.1, kTable);
  expectRates(rule, {{1, 1e-4},
                     {5, 5e-4},
                     {10, 1e-3},
                     {35, 8.68198052e-4},
                     {60, 5.5e-4},
                     {110, 1e-4},
                     {120, 1e-4}});
}

TEST(Schedules, CosineToZero) {
  Rule rule("sgd", {}, "cosine", 0.0, kTable);
  expectRates(rule, {{35, 8.53553391e-4}, {60, 5e-4}});
  EXPECT_LE(std::abs(rule.rate(110)), 1e-18);
  // Not 2.4e-5 as where the cosine rises again (trap 25).
  EXPECT_LE(std::abs(rule.rate(120)), 1e-18);
}

TEST(Schedules, Linear) {
  Rule rule("sgd", {}, "linear", 0.1, kTable);
  expectRates(rule, {{1, 1e-4},
                     {5, 5e-4},
                     {10, 1e-3},
                     {35, 7.75e-4},
                     {60, 5.5e-4},
                     {110, 1e-4},
                     {120, 1e-4}});
}

// The table's last column. "decay" is a key of the schedule only.
TEST(Schedules, LinearFromTheStartAsBert) {
  Rule rule("sgd", {}, "linear", 0.0, kTable, "from_start");
  expectRates(rule, {{5, 5e-4},
                     {9, 9e-4},
                     {10, 9.09090909e-4},
                     {35, 6.81818182e-4},
                     {60, 4.54545455e-4}});
  EXPECT_LE(std::abs(rule.rate(110)), 1e-18);
  EXPECT_LE(std::abs(rule.rate(120)), 1e-18);
  Rule unwarmed("sgd", {}, "linear", 0.0, {.peak = 1e-3, .total = 110},
                "from_start");
  expectRates(unwarmed, {{10, 9.09090909e-4}, {60, 4.54545455e-4}});
}

// (1 − s/110)·min(1, s/10), by hand.
TEST(Schedules, LinearTimesWarmupAsElectra) {
  Rule rule("sgd", {}, "linear", 0.0, kTable, "times_warmup");
  expectRates(rule, {{5, 4.77272727e-4},
                     {10, 9.09090909e-4},
                     {35, 6.81818182e-4},
                     {60, 4.54545455e-4}});
  EXPECT_LE(std::abs(rule.rate(110)), 1e-18);
}

// 6.2: from the end of warm-up, here in tokens; peak 6e-5.
TEST(Schedules, CosineOfGpt3) {
  Rule rule("sgd", {}, "cosine", 0.1,
            {.peak = 6e-5, .warmup = 375e6, .total = 260e9});
  expectRates(rule, {{187.5e6, 3e-5},
                     {375e6, 6e-5},
                     {10e9, 5.98170843e-5},
                     {65e9, 5.21567472e-5},
                     {130e9, 3.30612587e-5},
                     {200e9, 1.28089695e-5},
                     {260e9, 6e-6},
                     {300e9, 6e-6}});
}

// d^-½·min(s^-½, s·w^-1.5) with d = 512 and w = 4000.
TEST(Schedules, InverseSqrtOfVaswani) {
  Rule rule("sgd", {}, "inverse_sqrt", 0.0,
            {.peak = 1 / std::sqrt(512.0 * 4000.0), .warmup = 4000});
  expectRates(
      rule,
      {{1, 1.74692811e-7}, {4000, 6.98771243e-4}, {16000, 3.49385621e-4}});
}

TEST(Schedules, InverseSqrtOfMegatron) {
  Rule rule("sgd", {}, "inverse_sqrt", 0.1, kTable);
  expectRates(
      rule,
      {{5, 5e-4}, {35, 5.34522484e-4}, {110, 3.01511345e-4}, {120, 1e-4}});
  Rule floored("sgd", {}, "inverse_sqrt", 0.4,
               {.peak = 1e-3, .warmup = 10, .total = 0});
  expectRates(floored, {{60, 4.08248290e-4}, {110, 4e-4}});
}

TEST(Schedules, T5) {
  Rule rule("sgd", {}, "t5", 0.0, {.peak = 1});
  expectRates(rule, {{1, 0.01},
                     {10000, 0.01},
                     {20000, 7.07106781e-3},
                     {524288, 1.38106793e-3}});
}

TEST(Schedules, InverseSqrt) {
  ScheduleShape endless = kTable;
  endless.total = 0;
  Rule rule("sgd", {}, "inverse_sqrt", 0.0, endless);
  expectRates(rule, {{1, 1e-4},
                     {10, 1e-3},
                     {35, 5.34522484e-4},
                     {60, 4.08248290e-4},
                     {110, 3.01511345e-4},
                     {120, 2.88675135e-4}});
  Rule held("sgd", {}, "inverse_sqrt", 0.0, kTable);
  expectRates(held, {{110, 3.01511345e-4}, {120, 3.01511345e-4}});
}

TEST(Schedules, Constant) {
  Rule rule("sgd", {}, "constant", 0.0,
            {.peak = 1e-3, .warmup = 10, .total = 0});
  expectRates(rule,
              {{1, 1e-4}, {5, 5e-4}, {10, 1e-3}, {11, 1e-3}, {1e6, 1e-3}});
}

TEST(Schedules, WarmupOfTheWholeLengthEndsAtThePeak) {
  Rule rule("sgd", {}, "cosine", 0.1,
            {.peak = 1e-3, .warmup = 10, .total = 10});
  expectRates(rule, {{1, 1e-4}, {10, 1e-3}, {11, 1e-3}});
}

} // namespace
