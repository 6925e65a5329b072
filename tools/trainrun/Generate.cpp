//===- Generate.cpp - trainrun generate -----------------------------------===//
//
// Continues a prompt with the program `prefill`: inputs i32 [1, T] and
// control.position in, next_logits f32 [V] out. The context is the last T
// tokens, padded with 0 behind: causal attention never sees the padding. The
// text goes to stdout as it comes, the summary to stderr.
//
//===----------------------------------------------------------------------===//

#include "tools/trainrun/Commands.h"

#include "runtime/data/Tokenizer.h"
#include "runtime/step/Inputs.h"
#include "tools/trainrun/Sampler.h"
#include "tools/trainrun/Support.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace trainc::trainrun {

namespace {
/// The variables of the program `prefill`.
struct Prefill {
  std::span<int32_t> context;    ///< [1, T]
  std::span<const float> logits; ///< [V]
};
} // namespace

static Result<Prefill> findPrefill(Session &session) {
  const Plan &plan = session.plan();
  auto unusable = [](std::string_view what) {
    return Status::user(fmt::format(
        "expected a plan whose program 'prefill' has {}, but got none; compile "
        "a plan of a causal language model",
        what));
  };
  std::optional<size_t> program = plan.findProgram("prefill");
  if (!program)
    return unusable("a body");
  Prefill prefill;
  if (const auto *inputs = plan.program(*program).inputs())
    for (uint32_t i : *inputs) {
      const abi::Input &input = *plan.table().inputs()->Get(i);
      const abi::Variable &variable = plan.variable(input.variable());
      if (input.source() == abi::InputSource::Data &&
          variable.element_type() == abi::ElementType::I32) {
        std::span<std::byte> bytes = session.data(input.variable());
        prefill.context = {reinterpret_cast<int32_t *>(bytes.data()),
                           bytes.size() / sizeof(int32_t)};
      }
    }
  if (const auto *outputs = plan.program(*program).outputs())
    for (uint32_t i : *outputs)
      if (view(plan.variable(i).name()) == "next_logits" &&
          plan.variable(i).element_type() == abi::ElementType::F32) {
        std::span<std::byte> bytes = session.data(i);
        prefill.logits = {reinterpret_cast<const float *>(bytes.data()),
                          bytes.size() / sizeof(float)};
      }
  if (prefill.context.empty())
    return unusable("the input 'inputs' of type i32 [1, T]");
  if (prefill.logits.empty())
    return unusable("the output 'next_logits' of type f32 [V]");
  return prefill;
}

/// The row length of the context: T of [1, T], also where [B, T] is shared.
static size_t contextLength(const Prefill &prefill, const Plan &plan) {
  return std::min<size_t>(prefill.context.size(),
                          plan.table().batch()->length());
}

static Status checkIds(std::span<const uint32_t> ids, size_t vocabulary) {
  for (uint32_t id : ids)
    if (id >= vocabulary)
      return Status::user(fmt::format(
          "expected a tokenizer with ids below the plan's vocabulary of {}, "
          "but got id {}; use the tokenizer the model was trained with",
          vocabulary, id));
  return {};
}

Status runGenerate(const GenerateOptions &options) {
  Result<Tokenizer> tokenizer = Tokenizer::open(options.tokenizer);
  if (!tokenizer.ok())
    return tokenizer.status();
  auto session = Session::open(options.plan, {options.threads, {}});
  if (!session.ok())
    return session.status();
  Result<Prefill> prefill = findPrefill(**session);
  if (!prefill.ok())
    return prefill.status();
  std::vector<uint32_t> ids;
  TRAINC_RETURN_IF_ERROR(tokenizer->encode(options.prompt, ids));
  if (ids.empty())
    return Status::user("expected a --prompt of at least one token, but got an "
                        "empty one; give some text to continue");
  size_t vocabulary = prefill->logits.size();
  TRAINC_RETURN_IF_ERROR(checkIds(ids, vocabulary));
  TRAINC_RETURN_IF_ERROR(loadWeights(**session, options.weights));

  ControlInputs control(**session);
  Sampler sampler(options.temperature, options.top_k, options.seed);
  Utf8Stream text;
  std::string generated;
  auto show = [&](const std::string &piece) {
    generated += piece;
    if (options.json)
      return;
    fmt::print("{}", piece);
    std::fflush(stdout);
  };
  show(options.prompt);
  size_t prompt_tokens = ids.size();
  auto start = std::chrono::steady_clock::now();
  size_t length = contextLength(*prefill, (*session)->plan());
  // Rows of the vocabulary beyond the tokenizer's are padding.
  auto drawable = prefill->logits.first(
      std::min<size_t>(vocabulary, tokenizer->vocabularySize()));
  for (uint64_t i = 0; i < options.count; ++i) {
    size_t used = std::min(ids.size(), length);
    std::fill(prefill->context.begin(), prefill->context.end(), 0);
    std::copy(ids.end() - used, ids.end(), prefill->context.begin());
    control.setRandom(options.seed, 0, 0);
    control.setPosition(static_cast<int32_t>(used - 1));
    TRAINC_RETURN_IF_ERROR((*session)->run("prefill"));
    ids.push_back(sampler.draw(drawable, i));
    show(text.push(tokenizer->decode(ids.back())));
  }
  show(text.finish());
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  double rate = static_cast<double>(options.count) / std::max(seconds, 1e-9);
  if (options.json) {
    fmt::print(R"({{"text": {}, "prompt_tokens": {}, "tokens": [{}], )"
               R"("tokens_per_second": {}}})"
               "\n",
               jsonString(generated), prompt_tokens,
               fmt::join(ids.begin() + prompt_tokens, ids.end(), ", "),
               jsonNumber(rate));
    return {};
  }
  fmt::print("\n");
  std::fflush(stdout);
  fmt::print(stderr, "{} tokens after {} of the prompt, {:.1f} tokens/s\n",
             options.count, prompt_tokens, rate);
  return {};
}

} // namespace trainc::trainrun
