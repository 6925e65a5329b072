//===- Sampler.h - the next token from logits --------------------*- C++
//-*-===//
//
// Decides how a token is drawn: greedy at temperature 0, otherwise from the
// softmax of logits / temperature over the top k, with a Philox draw that
// depends on seed and position only. Ties go to the lower id.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_SAMPLER_H
#define TRAINC_TOOLS_TRAINRUN_SAMPLER_H

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trainc::trainrun {

class Sampler {
public:
  /// `top_k` 0 means all.
  Sampler(double temperature, uint32_t top_k, uint64_t seed)
      : temperature_(temperature), top_k_(top_k), seed_(seed) {}

  /// The id drawn for position `position` of the output. `logits` holds at
  /// least one number; ids whose logit is not a number are never drawn unless
  /// all are.
  uint32_t draw(std::span<const float> logits, uint64_t position);

private:
  double temperature_;
  uint32_t top_k_;
  uint64_t seed_;
  std::vector<uint32_t> candidates_;
  std::vector<double> weights_;
};

/// Turns bytes of tokens into whole UTF-8 characters as soon as they are
/// complete; what can never become one is replaced by U+FFFD.
class Utf8Stream {
public:
  /// The text that is complete after `bytes` came.
  std::string push(std::string_view bytes);
  /// What is left at the end.
  std::string finish();

private:
  std::string pending_;
};

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_SAMPLER_H
